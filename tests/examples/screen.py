"""What a person does and sees in an example's page."""

from typing import Any

from playwright.async_api import Locator, Page, expect


def messages(page: Page, role: str) -> Locator:
    return page.locator(f"[data-role={role}]")


async def send(page: Page, text: str) -> None:
    await page.get_by_placeholder("Ask something").fill(text)
    await page.get_by_role("button", name="Send").last.click()


async def ask(page: Page, text: str) -> None:
    """Send a message, and wait for its answer."""
    await send(page, text)
    await expect(messages(page, "assistant").last).to_contain_text(f"said {text}")


async def only_thread(page: Any) -> Any:
    """Return the one thread of the page's user, as it is natively."""
    [thread] = (await page.who.list_threads()).data
    return thread
