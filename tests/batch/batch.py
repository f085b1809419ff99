"""What the tests of batches share: the simulated provider of tests/agent, a
model that needs no memory, and helpers."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "agent"))
from provider import *  # noqa: F401,F403,E402
from provider import (FOLDER, NIGHTJAR, Reply, Run, call, environment, git,
                      message, ok, equal)  # noqa: E402


def worker_model(turns=2, command="echo {task} >{task}.txt", latency=0):
    """So many commands, then the end. A function of the request alone."""
    def model(request):
        done = len(request.outputs())
        if done < turns:
            return Reply(call(f"c{done}", command.format(task=request.task())),
                         latency=latency)
        return Reply(message("done"), latency=latency)
    return model


def program(*words, **more):
    """Runs nightjar with any command."""
    import subprocess
    result = subprocess.run([NIGHTJAR, *words],
                            env={**environment(), **more.pop("env", {})},
                            cwd=FOLDER, timeout=600, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            **more)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def write(name, text):
    path = os.path.join(FOLDER, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def without_times(value):
    """A report with all that depends on clocks and chance left out."""
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items()
                if not re.search(r"(_ms|_at|^jobs|^by_position|"
                                 r"^events|_version$)", key)
                and not (key == "id" and re.match(r"\d{8}T", str(inner)))}
    if isinstance(value, list):
        return [without_times(inner) for inner in value]
    return value


def patches(out):
    """Each task's patch."""
    found = {}
    folder = os.path.join(out, "tasks")
    for task in sorted(os.listdir(folder)):
        path = os.path.join(folder, task, "patch.diff")
        found[task] = open(path).read() if os.path.exists(path) else None
    return found
