"""A real browser in which everything is counted that no text may bring about: code, foreign requests, violations."""

import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, Route, async_playwright, expect

from browser.conftest import ARGUMENTS, FIND
from browser.hostile import INTRUDERS
from browser.screen import Screen
from proof.record import Record
from support.cast import Caller

FIND_S = 300

# Handlers that a text brought along run when somebody comes near.
COME_NEAR = """() => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  for (const element of document.querySelectorAll("main *, dialog *, #list *")) {
    for (const name of ["mouseover", "mouseenter", "focus", "animationstart", "toggle", "load", "error"]) {
      element.dispatchEvent(new Event(name, { bubbles: false }));
    }
  }
}"""
REPORT = """addEventListener("securitypolicyviolation", (event) => {
  violated(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});"""


class WatchedPage:
    """A person's window. `place` names where hostile texts are being shown just now."""

    def __init__(self, screen: Screen, record: Record) -> None:
        self.screen = screen
        self.record = record
        self.place = "sign-in"
        self.seen: Counter[str] = Counter()
        self._intruders: set[str] = set()
        screen.page.on("dialog", lambda dialog: self._note(f"opened a dialog of the browser: {dialog.type}"))
        screen.page.on("popup", lambda _: self._note("opened a window"))
        screen.page.on("pageerror", lambda error: self._note(f"made the page fail: {error.message[:120]}"))

    def _note(self, what: str) -> None:
        self.record.violation(f"a hostile text ({self.place}) {what}")

    async def watch(self, context: BrowserContext) -> None:
        """Count in every frame of every page, also after a navigation."""
        await context.expose_binding("pwn", lambda _source, *_given: self._note("ran code"))
        await context.expose_binding("violated", lambda _source, what: self._violated(what))
        await context.add_init_script(REPORT)
        await context.route(self._is_foreign, self._refuse)

    def _is_foreign(self, url: str) -> bool:
        return not url.startswith((f"{self.screen.server_url}/", "data:"))

    async def _refuse(self, route: Route) -> None:
        self._note(f"called a foreign host: {route.request.url[:100]}")
        await route.abort()

    def _violated(self, what: str) -> None:
        self.seen["policy violations"] += 1
        self._note(f"got past the page's own code and was stopped by its policy alone: {what[:120]}")

    async def check(self, place: str, texts_count: int) -> None:
        """Look at what stands in the page now, and come near to all of it."""
        self.place = place
        await self.screen.page.evaluate(COME_NEAR)
        found = await self.screen.page.evaluate(INTRUDERS)
        for each in found:
            # One in the list is met again at each look.
            if each not in self._intruders:
                self._note(f"became part of the page: {each}")
        self._intruders |= set(found)
        self.seen[place] += texts_count
        self.record.fault(f"in {place}", texts_count)

    async def fulfil(self, pattern: str, status: int, body: str, kind: str = "application/json") -> None:
        """Have the server seem to answer so, once."""

        async def answer(route: Route) -> None:
            await route.fulfill(status=status, content_type=kind, body=body)

        await self.screen.page.route(pattern, answer, times=1)

    async def sign_in(self, who: Caller, heading: str) -> None:
        self.screen.who = who
        await self.screen.follow_link(who.token)
        await expect(self.screen.page.get_by_role("heading", name=heading)).to_be_visible()


def chromium_path() -> str:
    found = subprocess.run(["sh", str(FIND)], check=True, stdout=subprocess.PIPE, text=True, timeout=FIND_S)
    return found.stdout.strip()


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_page(browser: Browser, server_url: str, record: Record) -> AsyncIterator[WatchedPage]:
    screen = await Screen.open(browser, server_url, None, {})
    watched = WatchedPage(screen, record)
    await watched.watch(screen.context)
    try:
        yield watched
    finally:
        await screen.context.close()
