"""A headless Chromium, driven from outside as its developer tools do: JSON through a pipe, ended by a zero byte."""
import fcntl
import json
import os
import shutil
import subprocess
import time

import pytest

CODES = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
TYPED = {"Enter": "\r", " ": " "}
ALT, CTRL, META, SHIFT = 1, 2, 4, 8


def browsing(folder, kind=None):
    """Yield a browser with its files in a folder and end it; skips the test where there is none."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not program:
        pytest.skip("no chromium here to open the page in")
    browser = (kind or Chromium)(program, folder)
    yield browser
    browser.process.terminate()
    browser.process.wait(timeout=20)


class Chromium:
    def __init__(self, program, home):
        here, to_it = os.pipe()
        from_it, there = os.pipe()
        given = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (here, there)]  # it wants them as 3 and 4, which may be taken
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage",
                   "--hide-scrollbars", f"--user-data-dir={home}", "--remote-debugging-pipe"]
        self.process = subprocess.Popen(["bash", "-c", f'exec "$@" 3<&{given[0]} 4>&{given[1]}', "bash", *command], pass_fds=given,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(home)})
        for end in (here, there, *given):
            os.close(end)
        self.reading, self.writing, self.calls, self.events, self.session = open(from_it, "rb"), to_it, 0, [], None
        self.held, self.asked_to_stay = b"", 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        number = self.send(method, params)
        while True:
            answer = self.read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def send(self, method, params):
        self.calls += 1
        message = {"id": self.calls, "method": method, "params": params, **({"sessionId": self.session} if self.session else {})}
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        return self.calls

    def read(self):
        """Return the next message; a page that asks whether to leave it is left, and counted in asked_to_stay."""
        message = self.next()
        if message.get("method") == "Page.javascriptDialogOpening" and message["params"]["type"] == "beforeunload":
            self.asked_to_stay += 1
            self.send("Page.handleJavaScriptDialog", {"accept": True})
            return self.read()
        return message

    def next(self):
        while b"\0" not in self.held:
            more = self.reading.read1(1 << 20)
            assert more, "Chromium ended"
            self.held += more
        message, _, self.held = self.held.partition(b"\0")
        return json.loads(message)

    def open(self, path, width=1000, height=700, ratio=1, dark=False):
        """Open a file and return the seconds until its first frame is painted."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        started = time.perf_counter()
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.read())
        self.painted()
        return time.perf_counter() - started

    def run(self, code):
        """Return what an expression gives in the page, a promise awaited."""
        found = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def painted(self):
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def text(self, name):
        return self.run(f"document.getElementById('{name}').innerText")

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def drag(self, *way, keys=0):
        self.mouse("Pressed", *way[0], button="left", buttons=1, clickCount=1, modifiers=keys)
        for there in way[1:]:
            self.mouse("Moved", *there, button="left", buttons=1, modifiers=keys)
        self.mouse("Released", *way[-1], button="left", clickCount=1, modifiers=keys)
        self.painted()

    def click(self, what, keys=0):
        """Click a point of the window, or the middle of the element of a selector, brought into sight."""
        if isinstance(what, str):
            what = self.run(f"""(one => {{
              one.scrollIntoView({{block: "nearest"}});
              const box = one.getBoundingClientRect();
              return [box.x + box.width / 2, box.y + box.height / 2];
            }})(document.querySelector('{what}'))""")
        self.drag(what, keys=keys)

    def key(self, key, keys=0):
        """Press and release a key, with the modifiers of keys."""
        told = {"key": key, "windowsVirtualKeyCode": CODES.get(key, ord(key.upper()) if len(key) == 1 else 0), "modifiers": keys}
        text = TYPED.get(key, key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyDown", text="" if keys & (CTRL | META | ALT) else text, **told)
        self.call("Input.dispatchKeyEvent", type="keyUp", **told)
        self.painted()

    def write(self, words):
        self.call("Input.insertText", text=words)
        self.painted()

    def saved(self, selector, folder, name):
        """Click what saves a file of this name and return its path in the folder."""
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self.click(selector)
        deadline = time.monotonic() + 20
        while not (folder / name).exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        return folder / name

    def faults(self):
        """Return what the page reported, and each address it asked for that is neither itself nor within it."""
        said = [(event["method"], event["params"]) for event in self.events if "method" in event]
        logged = [told for method, told in said if method in ("Runtime.exceptionThrown", "Page.javascriptDialogOpening")
                  or method == "Log.entryAdded" and told["entry"]["level"] == "error"]
        asked = [told["request"]["url"] for method, told in said if method == "Network.requestWillBeSent"]
        return logged + [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
