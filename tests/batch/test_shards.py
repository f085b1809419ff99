#!/usr/bin/env python3
"""Shards that are merged are the whole run."""
import json
import shutil
import xml.etree.ElementTree as xml

from batch import *
from provider import nightjar, Provider, done, repository

repo = repository("repo", {"a.txt": "a\n"})
MANIFEST = f"""version: 1
name: nightly
model: {{name: m, max_retries: 0}}
run: {{jobs: 4}}
defaults: {{repo: {repo}, fix_attempts: 0}}
tasks:
  - id: t-{{{{ matrix.n }}}}
    matrix: {{n: [{", ".join(str(n) for n in range(24))}]}}
    prompt: "task:t-{{{{ matrix.n }}}} go"
    verify: [{{name: check, run: 'test "$NIGHTJAR_MATRIX_N" -lt 20'}}]
  - {{id: broken, prompt: "task:broken"}}
  - {{id: idle, prompt: "task:idle"}}
"""


def model(request):
    if request.task() == "broken":
        return Reply(status=500, error={"error": {"message": "down"}},
                     headers={"x-should-retry": "false"})
    if request.task() == "idle":
        return Reply(message("nothing to do"))
    return worker_model(1)(request)


def junit(out):
    """Cases and their outcome; times left out."""
    root = xml.parse(os.path.join(out, "reports", "junit.xml")).getroot()
    for node in root.iter():
        for name in ("time", "timestamp", "id"):
            node.attrib.pop(name, None)
        if node.tag == "property" and "run" in node.attrib.get("name", ""):
            node.attrib.pop("value", None)
        if node.tag == "property" and "cache" in node.attrib.get("name", ""):
            node.attrib.pop("value", None)
    return xml.tostring(root).decode()


with Provider(model, cache=False) as provider:
    whole = nightjar(provider, MANIFEST)
    # Each on a machine of its own: with a cache of repositories of its own.
    parts = [nightjar(provider, MANIFEST, "--shard", f"{i}/4", "--cache",
                      os.path.join(FOLDER, f"cache-{i}"), name=f"part-{i}")
             for i in range(1, 5)]
    words = [part.out for part in reversed(parts)]
    status, text, errors = program("merge", *words, "--out",
                                   os.path.join(FOLDER, "all"))
    all_ = Run(os.path.join(FOLDER, "all"), status, text + errors)
    equal(status, whole.status, "the same exit status")
    equal(without_times(all_.report()), without_times(whole.report()),
          "the same report, but for times")
    equal(json.dumps(without_times(all_.report())),
          json.dumps(without_times(whole.report())), "byte for byte")
    equal(junit(all_.out), junit(whole.out), "the same JUnit")
    equal(patches(all_.out), patches(whole.out), "the same patches")
    for task in ("t-0", "broken"):
        ok(os.path.exists(os.path.join(all_.out, "tasks", task,
                                       "transcript.jsonl")),
           f"the transcript of {task}")
    status, text, errors = program("report", all_.out)
    equal(status, 0, "it is a run directory like others", errors)
    status, text, errors = program("run", "--resume", all_.out)
    equal(status, 2, "but cannot be gone on with", errors)

    ok("merged run cannot be gone on with" in errors, "and that is said", errors)

    # ---- a part is missing ---------------------------------------------------
    good = MANIFEST.replace("-lt 20", "-lt 99").split("  - {id: broken")[0]
    few = [nightjar(provider, good, "--shard", f"{i}/3", name=f"few-{i}")
           for i in (1, 2, 3)]
    equal([part.status for part in few], [0, 0, 0], "three good parts")
    status, text, errors = program("merge", few[0].out, few[2].out, "-o",
                                   os.path.join(FOLDER, "lacking"))
    ok(status == 3 and "part 2/3 is missing" in errors,
       "a part that is missing is no success", status, errors)
    status, text, errors = program("merge", few[0].out, parts[1].out, "-o",
                                   os.path.join(FOLDER, "mixed"))
    ok(status == 2 and "not parts of one division" in errors,
       "parts of two divisions", status, errors)
    status, text, errors = program("merge", *[part.out for part in few], "-o",
                                   os.path.join(FOLDER, "full"))
    equal(status, 0, "all three", errors)

    # ---- a task in two of them -----------------------------------------------
    status, text, errors = program("merge", parts[0].out, parts[0].out,
                                   parts[1].out, "-o",
                                   os.path.join(FOLDER, "twice"))
    ok("is in" in errors and "several runs" in errors, "a conflict is told",
       errors)
    equal(status, 3, "two of four parts are not the whole")

    # ---- what is no run ------------------------------------------------------
    status, text, errors = program("merge", FOLDER, "-o",
                                   os.path.join(FOLDER, "none"))
    ok(status != 0 and "journal" in errors, "a folder without a journal",
       errors)
    ok(not os.path.exists(os.path.join(FOLDER, "none")), "nothing is made")

    # ---- by durations --------------------------------------------------------
    path = write("m.yaml", MANIFEST)
    parts = []
    for i in range(1, 4):
        status, text, errors = program("check", path, "--shard", f"{i}/3",
                                       "--durations", whole.out)
        equal(status, 0, f"part {i} by durations", errors)
        parts.append(text.split())
    equal(sorted(sum(parts, [])), sorted(t["id"] for t in
                                         whole.report()["tasks"]),
          "every task is in one part")
    took = {e["task"]: e["duration_ms"] for e in
            whole.events("task_finished")}
    loads = [sum(took[task] for task in part) for part in parts]
    # One for the longest task, one for those that count as the median.
    ok(max(loads) - min(loads) <= 2 * max(took.values()) + 1,
       "parts take as long as each other", loads)
    equal(program("check", path, "--shard", "1/3", "--durations",
                  whole.out)[1].split(), parts[0], "the same each time")
done()
