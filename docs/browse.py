"""Look at the built site in a real browser, at the widths of a phone and of a desktop.

    python -m sphinx -b html docs docs/_build/html
    python docs/browse.py docs/_build/html

No page may write an error to the console or scroll sideways, in light or dark, every link to a page or a part of the
site must answer, and a search for ``conv2d`` must find the function first. Needs the package playwright and a Chromium;
where one of the two is missing, it says so and passes. What pages load from elsewhere is answered with nothing.
"""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = {"phone": 360, "desktop": 1280}
HEIGHT = 800
SECONDS = 30  # that a search may take
SEARCHED, FOUND = "conv2d", "#fastconv.conv2d"

_SCROLLS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_LINKS = "() => [...document.querySelectorAll('a[href]')].map(link => link.href)"
_PARTS = "() => [...document.querySelectorAll('[id]')].map(part => part.id)"
_FIRST = "() => document.querySelector('#search-results li a')?.href ?? ''"
_SEARCHED = "() => document.querySelector('#search-results p.search-summary')?.innerText.length > 0"
_DARK = "dark => { document.body.dataset.theme = dark ? 'dark' : 'light' }"


class _Quiet(SimpleHTTPRequestHandler):
    """Serve files without a line for each."""

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine alone; the address of its root."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class Visit:
    """One browser page that goes through the site, and the faults that it found."""

    def __init__(self, page: Any, folder: Path, root: str) -> None:
        self._page, self._folder, self._root = page, folder, root
        self._links: dict[str, str] = {}
        self._parts: dict[str, set[str]] = {}
        self._now = ""
        self.faults: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._fault(f"error: {error}"))
        page.route("**/*", self._answer)

    def _fault(self, words: str) -> None:
        self.faults.append(f"{self._now}: {words}")

    def _on_console(self, message: Any) -> None:
        if message.type == "error":
            self._fault(f"console: {message.text}")

    def _answer(self, route: Any) -> None:
        """Let the site answer for itself, and nobody for others."""
        if route.request.url.startswith(self._root):
            route.continue_()
        else:
            route.fulfill(status=200, body="")

    def look_at(self, name: str) -> None:
        """Open a page, and look at it in every width and in both themes."""
        self._now = name
        self._page.goto(self._root + name, wait_until="load")
        for width_name, width in WIDTHS.items():
            self._page.set_viewport_size({"width": width, "height": HEIGHT})
            for dark in (False, True):
                self._page.evaluate(_DARK, dark)
                if beyond := self._page.evaluate(_SCROLLS):
                    self._fault(f"{width_name}, {'dark' if dark else 'light'}: scrolls sideways by {beyond} pixels")
        self._parts[name] = set(self._page.evaluate(_PARTS))
        for link in self._page.evaluate(_LINKS):
            if link.startswith(self._root):
                self._links.setdefault(link, name)

    def follow_links(self) -> int:
        """Every link to the site must lead to a file, and to a part of it; return how many there were."""
        for link, page in self._links.items():
            self._now = page
            address, part = urldefrag(link)
            path = unquote(urlsplit(address).path).lstrip("/") or "index.html"
            if not (self._folder / path).is_file():
                self._fault(f"the link to {path} leads nowhere")
            elif part and path in self._parts and unquote(part) not in self._parts[path]:
                self._fault(f"{path} has no part {part}")
        return len(self._links)

    def search(self) -> None:
        """The function itself must be the first that a search finds."""
        self._now = f"search for {SEARCHED}"
        self._page.goto(f"{self._root}search.html?q={SEARCHED}", wait_until="load")
        self._page.wait_for_function(_SEARCHED, timeout=SECONDS * 1000)
        first = self._page.evaluate(_FIRST)
        if not first.endswith(FOUND):
            self._fault(f"{FOUND} must be first, but it is {first or 'nothing'}")


def browse(folder: Path, browser: str) -> list[str]:
    """Return what is wrong with the site."""
    from playwright.sync_api import sync_playwright

    pages = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.html") if "_static" not in path.parts
    )
    with served(folder) as root, sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        visit = Visit(running.new_page(), folder, root)
        for name in pages:
            visit.look_at(name)
        links = visit.follow_links()
        visit.search()
        running.close()
    print(f"{len(pages)} pages, {links} links, in {' and '.join(WIDTHS)} width: {len(visit.faults)} faults")
    return visit.faults


def main(folder: str) -> int:
    """Look at the site in a folder; 1 if something is wrong with it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        import playwright  # noqa: F401 - whether it is there
    except ImportError:
        print("skipped: the package playwright is not installed")
        return 0
    if browser is None:
        print("skipped: there is no Chromium")
        return 0
    faults = browse(Path(folder), browser)
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
