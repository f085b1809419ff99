"""A headless Chromium, driven by W3C WebDriver over HTTP on loopback.

    with Browser() as page:
        page.open(path)
        page.run("return document.title")
        page.keys("/", "abc", TAB, ENTER)
"""
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

TAB, ENTER, ESCAPE, SPACE = "\ue004", "\ue007", "\ue00c", " "
DOWN, UP, HOME, SHIFT = "\ue015", "\ue013", "\ue011", "\ue008"


def available():
    return shutil.which("chromedriver") and shutil.which("chromium")


class Browser:
    def __init__(self, dark=False, size=(1280, 1000)):
        self.home = tempfile.mkdtemp(prefix="browser-")
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "HOME": self.home, "TMPDIR": self.home},
            start_new_session=True)
        # It chooses a port and says which.
        port = None
        while port is None:
            line = self.driver.stdout.readline()
            if not line:
                raise RuntimeError("chromedriver did not start")
            found = re.search(r"successfully on port (\d+)", line)
            port = found and found.group(1)
        self.url = f"http://127.0.0.1:{port}"
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu",
                     "--disable-dev-shm-usage", "--hide-scrollbars",
                     f"--user-data-dir={self.home}/profile",
                     f"--window-size={size[0]},{size[1]}"]
        if dark:
            arguments.append("--blink-settings=preferredColorScheme=0")
        wanted = {"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments,
                                   "binary": shutil.which("chromium")}}}}
        deadline = time.monotonic() + 120
        while True:
            try:
                answer = self.call("POST", "/session", wanted)
                break
            except OSError:
                # The driver needs a moment before it listens.
                if time.monotonic() > deadline or self.driver.poll() is not None:
                    self.close()
                    raise
                time.sleep(0.05)
        self.session = "/session/" + answer["sessionId"]

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=300) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as problem:
            raise RuntimeError(problem.read().decode()[:2000]) from None

    def open(self, path, fragment=""):
        self.call("POST", self.session + "/url",
                  {"url": f"file://{path}{fragment}"})

    def run(self, script, *arguments):
        return self.call("POST", self.session + "/execute/sync",
                         {"script": script, "args": list(arguments)})

    def keys(self, *texts, shift=False):
        actions = [{"type": "keyDown", "value": SHIFT}] if shift else []
        for text in texts:
            for key in text:
                actions += [{"type": "keyDown", "value": key},
                            {"type": "keyUp", "value": key}]
        if shift:
            actions.append({"type": "keyUp", "value": SHIFT})
        self.call("POST", self.session + "/actions", {"actions": [
            {"type": "key", "id": "keyboard", "actions": actions}]})

    def log(self):
        return self.call("POST", self.session + "/se/log", {"type": "browser"})

    def picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call(
                "GET", self.session + "/screenshot")))

    def close(self):
        try:
            if hasattr(self, "session"):
                self.call("DELETE", self.session)
        except (OSError, RuntimeError):
            pass
        self.driver.kill()
        self.driver.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
