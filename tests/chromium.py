"""A headless Chromium, driven from outside as its developer tools do.

Messages are JSON through a pipe, each ended by a zero byte.
"""

import fcntl
import json
import os
import shutil
import subprocess
import time

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
KEY_CODES = {
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    " ": 32,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}
TYPED = {"Enter": "\r", " ": " "}
ALT, CTRL, META, SHIFT = 1, 2, 4, 8
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def browsing(folder, kind=None):
    """Yield a browser with its files in a folder and end it; skips the test where there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if not program:
        pytest.skip("no chromium here to open the page in")
    browser = (kind or Chromium)(program, folder)
    yield browser
    browser.process.terminate()
    browser.process.wait(timeout=20)


class Chromium:
    """One browser with one page."""

    def __init__(self, program, home):
        its_input, to_it = os.pipe()
        from_it, its_output = os.pipe()
        # The browser wants them as descriptors 3 and 4, which may be taken here.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (its_input, its_output)]
        command = ["bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash"]
        self.process = subprocess.Popen(
            [*command, program, *SWITCHES, f"--user-data-dir={home}"],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(home)},
        )
        for end in (its_input, its_output, *ends):
            os.close(end)
        self.reading = open(from_it, "rb")
        self.writing = to_it
        self.n_calls = 0
        self.events = []
        self.session = None
        self.unread = b""
        self.asked_to_stay = 0  # how often a page asked whether to leave it
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Return the result of a command."""
        number = self.send(method, params)
        while True:
            answer = self.read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def send(self, method, params):
        self.n_calls += 1
        message = {"id": self.n_calls, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        return self.n_calls

    def read(self):
        """Return the next message.

        A page that asks whether to leave it is left, and counted in asked_to_stay.
        """
        message = self.next_message()
        if (
            message.get("method") == "Page.javascriptDialogOpening"
            and message["params"]["type"] == "beforeunload"
        ):
            self.asked_to_stay += 1
            self.send("Page.handleJavaScriptDialog", {"accept": True})
            return self.read()
        return message

    def next_message(self):
        while b"\0" not in self.unread:
            more = self.reading.read1(1 << 20)
            assert more, "Chromium ended"
            self.unread += more
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)

    def open(self, path, width=1000, height=700, ratio=1, dark=False):
        """Open a file and return the seconds until its first frame is painted."""
        self.events.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=ratio,
            mobile=False,
        )
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        started = time.perf_counter()
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.read())
        self.painted()
        return time.perf_counter() - started

    def run(self, code):
        """Return the value of an expression in the page; a promise is awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def painted(self):
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def text(self, name):
        return self.run(f"document.getElementById('{name}').innerText")

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def drag(self, *places, keys=0):
        """Press at the first place, move through the others and release at the last."""
        self.mouse("Pressed", *places[0], button="left", buttons=1, clickCount=1, modifiers=keys)
        for place in places[1:]:
            self.mouse("Moved", *place, button="left", buttons=1, modifiers=keys)
        self.mouse("Released", *places[-1], button="left", clickCount=1, modifiers=keys)
        self.painted()

    def click(self, target, keys=0):
        """Click a place in the window, or the middle of an element, brought into sight."""
        if isinstance(target, str):
            target = self.run(f"""(target => {{
              target.scrollIntoView({{block: "nearest"}});
              const box = target.getBoundingClientRect();
              return [box.x + box.width / 2, box.y + box.height / 2];
            }})(document.querySelector('{target}'))""")
        self.drag(target, keys=keys)

    def key(self, key, keys=0):
        """Press and release a key, with the modifiers of keys."""
        code = KEY_CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
        text = TYPED.get(key, key if len(key) == 1 else "")
        event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": keys}
        self.call(
            "Input.dispatchKeyEvent",
            type="keyDown",
            text="" if keys & (CTRL | META | ALT) else text,
            **event,
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)
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
        """Return what the page reported, and each address beyond itself that it asked for."""
        faults = []
        for event in self.events:
            params = event.get("params", {})
            method = event.get("method")
            if method in ("Runtime.exceptionThrown", "Page.javascriptDialogOpening"):
                faults.append(params)
            if method == "Log.entryAdded" and params["entry"]["level"] == "error":
                faults.append(params)
            if method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(
                ("file:", "data:", "blob:")
            ):
                faults.append(params["request"]["url"])
        return faults
