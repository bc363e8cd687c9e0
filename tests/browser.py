"""
A headless Chromium that tests look through, spoken to over a pipe: no port, no driver, no package.

Chromium reads commands of the DevTools protocol from its descriptor 3 and answers on 4, each
message ended by a zero byte.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WITHOUT = "needs: chromium (apt-get install chromium)"
WITHOUT_AXE = "install: axe-core (pip install --no-deps axe-playwright-python)"
_SECONDS = 90
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--disable-extensions",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip
#: Moves two descriptors to where Chromium looks for them (by way of others: they may be 3 and 4).
_MOVE = """
import fcntl, os, sys
into, out = (fcntl.fcntl(int(one), fcntl.F_DUPFD, 20) for one in sys.argv[1:3])
os.dup2(into, 3)
os.dup2(out, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
#: What a page may load: itself, and what a click made in it.
_INSIDE = ("file:", "data:", "blob:", "about:")


def axe() -> str | None:
    """The text of axe-core, or None where it is not installed."""
    try:
        found = [path for path in files("axe-playwright-python") or [] if path.name == "axe.min.js"]
    except PackageNotFoundError:
        return None
    return Path(str(found[0].locate())).read_text(encoding="utf-8") if found else None


class Browser:
    """One Chromium; its pages come one after another."""

    def __init__(self, folder: Path) -> None:
        into, self._write = os.pipe()
        self._read, out = os.pipe()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _MOVE,
                str(into),
                str(out),
                str(PROGRAM),
                f"--user-data-dir={folder}",
                *_FLAGS,
            ],
            pass_fds=(into, out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(into)
        os.close(out)
        self._left = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(OSError, RuntimeError):
            self.call("Browser.close")
        for end in (self._write, self._read):
            os.close(end)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _message(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            part = os.read(self._read, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError("the browser does not answer")
            self._left += part
        text, self._left = self._left.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def call(self, method: str, session: str | None = None, **given: Any) -> dict[str, Any]:
        """One command and its result; events that come meanwhile are kept."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": given}
        if session:
            command["sessionId"] = session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        until = time.monotonic() + _SECONDS
        while True:
            message = self._message(until)
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    def wait(self, event: str) -> None:
        """Until an event has come."""
        until = time.monotonic() + _SECONDS
        while not any(one.get("method") == event for one in self.events):
            self.events.append(self._message(until))

    @contextlib.contextmanager
    def page(
        self, path: Path, *, query: str = "", width: int = 1000, height: int = 900, dark: bool = False
    ) -> Iterator[Page]:
        """A page of a file, loaded; query: what follows its name, ``?`` included."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.events.clear()
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable", session)
        page = Page(self, session)
        page.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", session, features=[scheme])
        self.events.clear()
        self.call("Page.navigate", session, url=path.as_uri() + query)
        self.wait("Page.loadEventFired")
        try:
            yield page
        finally:
            self.call("Target.closeTarget", targetId=target)


class Page:
    """A loaded page: what it does, says and asks for."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def resize(self, width: int, height: int) -> None:
        """Give the page another size in pixels."""
        self._browser.call(
            "Emulation.setDeviceMetricsOverride",
            self._session,
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def run(self, expression: str) -> Any:
        """The value of an expression of JavaScript, run from outside: the page's policy does not bind it."""
        found = self._browser.call(
            "Runtime.evaluate", self._session, expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"].get("exception", {}).get("description")))
        return found["result"].get("value")

    def complaints(self) -> list[str]:
        """Errors and warnings: exceptions, refusals of the policy, whatever the console says."""
        self.run("new Promise((done) => setTimeout(done, 30))")
        found = []
        for one in self._browser.events:
            given = one.get("params", {})
            if one.get("method") == "Runtime.exceptionThrown":
                found.append(str(given["exceptionDetails"].get("exception", {}).get("description")))
            elif one.get("method") == "Log.entryAdded":
                found.append(f"{given['entry']['level']}: {given['entry']['text']}")
            elif one.get("method") == "Runtime.consoleAPICalled" and given["type"] != "log":
                found.append(f"{given['type']}: {given['args']}")
        return found

    def asked_for(self) -> list[str]:
        """Addresses outside itself that the page has asked for."""
        return [
            one["params"]["request"]["url"]
            for one in self._browser.events
            if one.get("method") == "Network.requestWillBeSent"
            and not one["params"]["request"]["url"].startswith(_INSIDE)
        ]

    def key(self, key: str, code: int) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self._browser.call(
                "Input.dispatchKeyEvent",
                self._session,
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
            )

    def screenshot(self, path: Path) -> None:
        """The whole page as a picture."""
        shot = self._browser.call(
            "Page.captureScreenshot", self._session, format="png", captureBeyondViewport=True
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        """What the printer would get, A4."""
        made = self._browser.call(
            "Page.printToPDF", self._session, paperWidth=8.27, paperHeight=11.69, printBackground=False
        )
        return base64.b64decode(made["data"])

    def violations(self, script: str) -> list[str]:
        """What axe finds against WCAG 2.2 AA, a line each."""
        self.run(script + ";0")
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        rule = json.dumps({"runOnly": {"type": "tag", "values": tags}})
        found = self.run(f"axe.run(document, {rule}).then((done) => JSON.stringify(done.violations))")
        return [
            f"{one['id']}: {one['help']}: {node['html'][:160]}"
            for one in json.loads(found)
            for node in one["nodes"]
        ]


@contextlib.contextmanager
def opened() -> Iterator[Browser]:
    """A browser with a profile of its own."""
    with tempfile.TemporaryDirectory(prefix="browser", ignore_cleanup_errors=True) as folder:
        browser = Browser(Path(folder))
        try:
            yield browser
        finally:
            browser.close()
