"""A person's window: what can be seen and done in it, and what must never happen in it."""

from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect

from support.cast import Caller, identifier

WAIT_MS = 10_000
WIDE = {"width": 1200, "height": 800}
# What a browser writes by itself about an answer that says no.
REFUSED = "Failed to load resource: the server responded with a status of"

expect.set_options(timeout=WAIT_MS)

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


class Screen:
    def __init__(self, context: BrowserContext, page: Page, server_url: str) -> None:
        self.context = context
        self.page = page
        self.server_url = server_url
        self.who: Caller | None = None
        self.troubles: list[str] = []
        self.expects_refusals = False
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error.stack}"))
        page.on("request", self._requested)
        page.on("dialog", self._asked)

    @classmethod
    async def open(
        cls, browser: Browser, server_url: str, beside: "Screen | None", options: dict[str, Any]
    ) -> "Screen":
        if beside is not None:
            screen = cls(beside.context, await beside.context.new_page(), server_url)
            screen.who = beside.who
            return screen
        context = await browser.new_context(**{"viewport": WIDE, "locale": "en-GB", **options})
        await context.add_init_script(REPORT_VIOLATIONS)
        return cls(context, await context.new_page(), server_url)

    async def sign_in(self, who: Caller, credential: str | None = None) -> None:
        self.who = who
        await self.follow_link(credential or who.token)
        await expect(self.threads).to_be_visible()

    async def follow_link(self, credential: str) -> None:
        """Open a link that signs in, and agree to it; the same person is not asked again."""
        await self.page.goto(f"{self.server_url}/#token={credential}")
        agree = self.button("Sign in", self.dialog)
        await expect(agree.or_(self.threads)).to_be_visible()
        if await agree.is_visible():
            await agree.click()

    async def open_thread(self, who: Caller, thread: Any) -> None:
        await self.page.goto(f"{self.server_url}/#/{who.organization}/{identifier(thread)}")
        await expect(self.composer.or_(self.page.locator(".composer.closed"))).to_be_visible()

    @property
    def threads(self) -> Locator:
        return self.page.get_by_role("navigation", name="Threads")

    @property
    def composer(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def rows(self) -> Locator:
        return self.page.locator("#list .row")

    @property
    def row_titles(self) -> Locator:
        return self.page.locator("#list .row-title bdi")

    @property
    def messages(self) -> Locator:
        return self.page.locator("[data-message]")

    @property
    def texts(self) -> Locator:
        """What the messages say, without the buttons below them."""
        return self.page.locator("[data-message] :is(.prose, .plain)")

    @property
    def toast(self) -> Locator:
        return self.page.locator(".toast")

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def button(self, name: str, within: Locator | None = None) -> Locator:
        return (within or self.page).get_by_role("button", name=name, exact=True)

    async def write(self, text: str) -> None:
        await self.composer.fill(text)
        await self.composer.press("Enter")

    def check_peace(self) -> None:
        """Nothing was written to the console, nothing broke, nobody else was called."""
        assert self.troubles == [], self.troubles

    def forget(self, words: str) -> None:
        """Leave out troubles that the test has made on purpose."""
        self.troubles = [trouble for trouble in self.troubles if words not in trouble]

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if not (self.expects_refusals and message.text.startswith(REFUSED)):
            self.troubles.append(f"{message.type}: {message.text}")

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((self.server_url + "/", "data:")):
            self.troubles.append(f"request: {request.url}")

    async def _asked(self, dialog: Any) -> None:  # Any: alert, confirm or prompt; the page uses none of them.
        self.troubles.append(f"{dialog.type}: {dialog.message}")
        await dialog.dismiss()
