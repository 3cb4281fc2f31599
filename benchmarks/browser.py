"""Drive a headless Chromium by the DevTools protocol over a pipe, for the tests and the pictures of pages.

It needs no driver and no library. Every request of the page is recorded, so that one to another host is seen.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from select import select
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--hide-scrollbars", "--disable-dev-shm-usage",
)  # fmt: skip
PATIENCE = 600.0  # s that the browser may take to answer, on a machine that does other work
DESKTOP, PHONE = (1280, 900), (390, 844)


class Page:
    """A page of a running browser. `requests` has the URLs that it asked for, `errors` what its console complained of.

    A condition is JavaScript that is true in the end; what is awaited raises TimeoutError with the condition.
    """

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._buffer, self._number = read, write, b"", 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command of the protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(PATIENCE)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str, size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
        """Open a URL in a window of this size in px."""
        self.resize(size)
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def resize(self, size: tuple[int, int]) -> None:
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    def run(self, script: str) -> Any:
        """Return the value of an expression; a promise is awaited. Raises RuntimeError for an error of the script."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", script))
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 60.0) -> float:
        """Wait until a condition holds and return how many seconds that took."""
        begin = time.monotonic()
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() - begin > seconds:
                raise TimeoutError(f"{condition} is not true after {seconds:g} s")
            time.sleep(0.05)
        return time.monotonic() - begin

    def settle(self) -> None:
        """Wait until colours and sizes have changed, for pictures and for contrast."""
        self.wait("document.getAnimations().every((one) => one.playState !== 'running')")

    def press(self, key: str, code: int = 0, modifiers: int = 0) -> None:
        """Press and release a key such as Tab, Enter or ArrowRight."""
        text = {"text": "\r"} if key == "Enter" else {"text": " "} if key == " " else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, modifiers=modifiers,
                **(text if kind == "keyDown" else {}),
            )  # fmt: skip

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def picture(self, whole: bool = False) -> bytes:
        """Return the window, or the whole page, as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        return base64.b64decode(data)

    def _next(self, seconds: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select([self._read], [], [], seconds)[0]:
                raise TimeoutError(f"the browser did not answer within {seconds:g} s")
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise RuntimeError("the browser has ended")
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"])[:500])
        elif message.get("method") == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.errors.append(json.dumps([argument.get("value") for argument in params["args"]])[:500])


@contextmanager
def browser() -> Iterator[Page]:
    """Yield a page of a new browser with a new profile, both of which are gone at the end."""
    if CHROMIUM is None:
        raise ValueError("there is no Chromium here; Debian's is the package chromium")
    ours_read, theirs_write = os.pipe()
    theirs_read, ours_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="evoke-browser-", ignore_cleanup_errors=True) as profile:
        script = f'exec "$@" 3<&{theirs_read} 4>&{theirs_write}'
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", CHROMIUM, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(theirs_read, theirs_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
        )  # fmt: skip
        os.close(theirs_read)
        os.close(theirs_write)
        try:
            yield Page(ours_read, ours_write)
        finally:
            process.terminate()
            process.wait(30)
            os.close(ours_read)
            os.close(ours_write)
