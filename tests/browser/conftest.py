"""What the tests of the page share: a server with a scripted model, Chromium, and a person's window in it."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright

from browser.screen import Screen
from support.answering import Place, open_place
from support.cast import Caller
from support.scripted_model import ScriptedModel
from support.zygote import Zygote

FIND = Path(__file__).parent / "chromium.sh"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Visit = Callable[..., Awaitable[Screen]]


@pytest.fixture(scope="session")
def database_kind() -> str:
    """The page speaks HTTP only; one database is enough."""
    return "sqlite"


@pytest.fixture(scope="session")
async def place(new_database: Any, zygote: Zygote) -> AsyncIterator[Place]:
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def model(place: Place) -> ScriptedModel:
    return place.fresh_model()


@pytest.fixture
async def ada(place: Place) -> Caller:
    """An owner with an organization of her own, in which nobody has done anything yet."""
    return await place.people.owner()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    return subprocess.run(["sh", FIND], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.fixture(scope="session")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def visit(place: Place, chromium: Browser) -> AsyncIterator[Visit]:
    """Open windows; when the test is over, none of them may have seen an error or called another host."""
    opened: list[Screen] = []

    async def visit(who: Caller | None = None, thread: Any = None, beside: Screen | None = None, **more: Any) -> Screen:
        """Sign `who` in by a link; `beside` opens a second tab in the same browser; `more` is the window's."""
        screen = await Screen.open(chromium, place.server.url, beside, more)
        opened.append(screen)
        if who is not None:
            await screen.sign_in(who)
        if thread is not None:
            await screen.open_thread(who or beside.who, thread)
        return screen

    yield visit
    for screen in opened:
        screen.check_peace()
    for screen in opened:
        await screen.context.close()
