"""Debian's chromium by its driver, through the W3C WebDriver protocol over HTTP: no package, no network.

Use `browser(downloads)` as a context. A test that needs it is marked with `needs_browser` and skips where chromium or
chromedriver is not installed.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="no chromium and chromedriver to open the page with"
)
TAB, DELETE, CONTROL = "\ue004", "\ue017", "\ue009"
"""The protocol's names of keys."""
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The protocol's name of an element's number."""


@dataclass(frozen=True)
class Browser:
    """One window. Positions are CSS px."""

    address: str

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One command. Raises AssertionError with what the driver says is wrong."""
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310 - the driver on this machine
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read().decode()) from None

    def open(self, page: Path, width: int = 1280, height: int = 900) -> None:
        """Load a file into a window whose page is `width` x `height`, also narrower than a window may be."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        self.ask("POST", "/url", {"url": page.as_uri()})

    def devtools(self, command: str, **parameters: Any) -> Any:
        """A command of chromium's own protocol."""
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that `script` returns."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def find(self, selector: str) -> dict[str, str]:
        """The first element, as the protocol hands it round."""
        found = self.ask("POST", "/element", {"using": "css selector", "value": selector})
        return {_ELEMENT: found[_ELEMENT]}

    def type(self, selector: str, text: str) -> None:
        """Keys into an element; for a file input, the file's path."""
        self.ask("POST", f"/element/{self.find(selector)[_ELEMENT]}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Keys into whatever has the focus, one after another."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def press_with(self, held: str, key: str) -> None:
        """A key while another one is held."""
        strokes = [("keyDown", held), ("keyDown", key), ("keyUp", key), ("keyUp", held)]
        actions = [{"type": kind, "value": value} for kind, value in strokes]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def click(self, selector: str, at: Sequence[float] | None = None) -> None:
        """A click on an element: in its middle, or `at` px from its upper left corner."""
        element = self.find(selector)
        if at is None:
            self.ask("POST", f"/element/{element[_ELEMENT]}/click")
            return
        self.run("arguments[0].scrollIntoView({block: 'nearest'})", element)
        left, top = self.run("const r = arguments[0].getBoundingClientRect(); return [r.left, r.top]", element)
        moved = {"type": "pointerMove", "origin": "viewport", "x": round(left + at[0]), "y": round(top + at[1])}
        actions = [moved, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self.ask("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]})

    def picture(self, path: Path) -> None:
        """What is seen, as PNG."""
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))


def until(done: Callable[[], Any], seconds: float = 60) -> Any:
    """What `done` gives once that is true. Raises AssertionError when it is not in time."""
    end = time.monotonic() + seconds
    while not (value := done()):
        assert time.monotonic() < end, "the page did not get there"
        time.sleep(0.05)
    return value


@contextmanager
def browser(downloads: Path) -> Iterator[Browser]:
    """A window of its own, ended with its driver; what it saves goes into `downloads`."""
    command = [str(DRIVER), "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver:
        try:
            assert driver.stdout is not None
            line = next(line for line in driver.stdout if "started successfully" in line)
            port = re.search(r"port (\d+)", line)
            assert port is not None, line
            address = f"http://127.0.0.1:{port[1]}/session"
            options = {
                "binary": CHROMIUM,
                "args": [
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    "--force-prefers-reduced-motion",
                ],
                "prefs": {"download.default_directory": str(downloads)},
            }
            wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
            session = Browser(address).ask("POST", "", wanted)["sessionId"]
            opened = Browser(f"{address}/{session}")
            try:
                yield opened
            finally:
                opened.ask("DELETE", "")
        finally:
            driver.terminate()
