"""The page in a real Chromium: what it loads, what a long thread costs, and what an idle tab asks.

`python -m benchmarks.page_part` measures the page of this checkout and prints the figures; with `--side` and `--into`
it keeps them in `docs/benchmarks/page.json`, beside those of another checkout. `python -m benchmarks --write --into
docs` then makes their table.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, CDPSession, Page, async_playwright

from benchmarks import machine
from benchmarks.page_traffic import Traffic
from benchmarks.places import free_port

# Chromium's preset: 400 kbit/s each way, 2 s until an answer begins; and the same with a round trip's 0.4 s alone.
BYTES_PER_S = 50_000
LATENCIES_MS = {"Slow 3G": 2000, "0.4 s": 400}
THREADS_COUNT = 60
MESSAGES_COUNT = 5000
CALL_MESSAGES_MAX = 100
QUIET_S = 1.5
READ_MAX_S = 240
KEYS = "the quick brown fox jumps over the lazy dog"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WORDS = "It was said before, and it is said again, so that there is something to read in this place."

AT_TOP = """() => {
  const area = document.getElementById("messages");
  area.scrollTop = 0;
  return area.querySelector("[data-message]")?.textContent.includes("number 0 of") ?? false;
}"""
# The time from a key to the first frame that shows what it did.
WATCH_KEYS = """() => {
  window.keyTimes = [];
  addEventListener("keydown", (event) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => window.keyTimes.push(performance.now() - event.timeStamp);
    channel.port2.postMessage(0);
  }), true);
}"""
SCROLL = """() => new Promise((done) => {
  const area = document.getElementById("messages");
  const times = [];
  let before = performance.now();
  const step = (now) => {
    times.push(now - before);
    before = now;
    area.scrollTop += 120;
    if (times.length < 121) requestAnimationFrame(step);
    else done(times.slice(1));
  };
  requestAnimationFrame(step);
})"""

Figures = dict[str, float | None]


@contextmanager
def served() -> Iterator[tuple[str, str]]:
    """Start a server with a database of its own, and yield its address and a key."""
    with tempfile.TemporaryDirectory(prefix="threadkeep-page-") as folder:
        port = free_port()
        command = [sys.executable, "-m", "threadkeep", "serve", "--port", str(port)]
        environment = {**os.environ, "THREADKEEP_RATE_KEY_PER_MINUTE": "1000000"}
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            while not is_ready(port):
                time.sleep(0.1)
            [key] = set(re.findall(r"tk_[a-z0-9]{10,}", (Path(folder) / "threadkeep-first-run.txt").read_text()))
            yield f"http://127.0.0.1:{port}", key
        finally:
            server.terminate()
            server.wait(20)


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


async def fill(url: str, key: str) -> tuple[str, str]:
    """Write a full list and one long thread; return the organization's id and the thread's."""
    async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": key}, timeout=60) as client:
        for number in range(THREADS_COUNT):
            messages = [{"role": "user", "content": WORDS}, {"role": "assistant", "content": f"{WORDS} {WORDS}"}]
            answer = await client.post("/v1/threads", json={"title": f"Thread number {number}", "messages": messages})
            answer.raise_for_status()
        thread = (await client.post("/v1/threads", json={"title": "A long one"})).json()["id"]
        for first in range(0, MESSAGES_COUNT, CALL_MESSAGES_MAX):
            batch = [message(number) for number in range(first, first + CALL_MESSAGES_MAX)]
            (await client.post(f"/v1/threads/{thread}/messages", json={"messages": batch})).raise_for_status()
        organization = (await client.get("/v1/user")).json()["organizations"][0]["id"]
    return organization, thread


def message(number: int) -> dict[str, str]:
    role = "assistant" if number % 2 else "user"
    return {"role": role, "content": f"This is number {number} of {MESSAGES_COUNT}. {WORDS}"}


class Visitor:
    """One tab of Chromium, with what its developer tools know about it."""

    def __init__(self, page: Page, session: CDPSession, traffic: Traffic, url: str) -> None:
        self.page = page
        self.session = session
        self.traffic = traffic
        self.url = url

    @classmethod
    async def come(cls, browser: Browser, url: str) -> "Visitor":
        context = await browser.new_context(viewport={"width": 1200, "height": 800}, locale="en-GB")
        page = await context.new_page()
        return cls(page, await context.new_cdp_session(page), await Traffic.watch(page), url)

    async def keep(self, key: str, organization: str) -> None:
        """Be signed in already, as somebody who comes back, with nothing of the page in the cache."""
        await self.page.goto(f"{self.url}/healthz")
        await self.page.evaluate(
            """([key, organization]) => {
              sessionStorage.setItem("threadkeep.credential", key);
              localStorage.setItem("threadkeep.organization", organization);
            }""",
            [key, organization],
        )
        await self.session.send("Network.enable")
        await self.session.send("Network.clearBrowserCache")

    async def slow_down(self, latency_ms: int) -> None:
        await self.session.send("Network.enable")
        rates = {"downloadThroughput": BYTES_PER_S, "uploadThroughput": BYTES_PER_S}
        await self.session.send("Network.emulateNetworkConditions", {"offline": False, "latency": latency_ms, **rates})

    async def list_shown_s(self, where: str) -> float:
        """Go there and return how long it takes until the list is there; a question on the way is answered at once."""
        started_s = time.perf_counter()
        await self.page.goto(f"{self.url}/{where}", wait_until="commit", timeout=60_000)
        rows = self.page.locator("#list .row").first
        agree = self.page.get_by_role("dialog").get_by_role("button", name="Sign in", exact=True)
        await rows.or_(agree).first.wait_for(timeout=60_000)
        if await agree.is_visible():
            await agree.click()
        await rows.wait_for(timeout=60_000)
        return time.perf_counter() - started_s

    async def quiet(self) -> None:
        await self.page.wait_for_load_state("networkidle")
        await asyncio.sleep(QUIET_S)

    async def size(self) -> tuple[float, float]:
        """Return how many nodes the document has, and how many MB its JavaScript holds."""
        await self.session.send("Performance.enable")
        await self.session.send("HeapProfiler.collectGarbage")
        metrics = (await self.session.send("Performance.getMetrics"))["metrics"]
        found = {each["name"]: each["value"] for each in metrics}
        return found["Nodes"], found["JSHeapUsedSize"] / 1e6

    async def key_p95_ms(self) -> float:
        await self.page.locator("#composer").focus()
        await self.page.evaluate("window.keyTimes = []")
        for key in KEYS:
            await self.page.keyboard.press("Space" if key == " " else key)
            await asyncio.sleep(0.05)
        await self.page.locator("#composer").fill("")
        return p95(await self.page.evaluate("window.keyTimes"))

    async def scroll_p95_ms(self) -> float:
        return p95(await self.page.evaluate(SCROLL))

    async def read_to_beginning(self) -> bool:
        """Scroll up until the first message is there; False when that takes too long."""
        until_s = time.monotonic() + READ_MAX_S
        while time.monotonic() < until_s:
            if await self.page.evaluate(AT_TOP):
                return True
            await asyncio.sleep(0.05)
        return False


def p95(times: list[float]) -> float:
    return sorted(times)[round(0.95 * (len(times) - 1))]


async def loading(browser: Browser, url: str, key: str, organization: str) -> Figures:
    figures: Figures = {}
    for name, latency_ms in LATENCIES_MS.items():
        visitor = await Visitor.come(browser, url)
        await visitor.keep(key, organization)
        await visitor.slow_down(latency_ms)
        visitor.traffic.clear()
        figures[f"list shown, {name}, s"] = await visitor.list_shown_s("")
        await visitor.page.context.close()
        visitor = await Visitor.come(browser, url)
        await visitor.slow_down(latency_ms)
        figures[f"list shown by a link, {name}, s"] = await visitor.list_shown_s(f"#token={key}")
        await visitor.page.context.close()
    visitor = await Visitor.come(browser, url)
    await visitor.keep(key, organization)
    for what in ("first visit", "reload"):
        visitor.traffic.clear()
        await (visitor.list_shown_s("") if what == "first visit" else visitor.page.reload())
        await visitor.quiet()
        calls = visitor.traffic.calls
        figures[f"{what}, requests"] = len(calls)
        figures[f"{what}, kB received"] = visitor.traffic.received_bytes / 1000
    await visitor.page.context.close()
    return figures


async def long_thread(browser: Browser, url: str, key: str, organization: str, thread: str) -> Figures:
    visitor = await Visitor.come(browser, url)
    await visitor.keep(key, organization)
    await visitor.page.goto(f"{url}/#/{organization}/{thread}")
    await visitor.page.locator("#composer").wait_for()
    await visitor.page.evaluate(WATCH_KEYS)
    figures: Figures = {}
    is_there = True
    for where in ("at the start", "at the beginning of the thread"):
        if where != "at the start":
            is_there = await visitor.read_to_beginning()
            figures["messages read to the beginning"] = float(is_there)
        nodes, heap_mb = await visitor.size()
        figures[f"{where}, nodes"], figures[f"{where}, JavaScript MB"] = nodes, heap_mb
        figures[f"{where}, key p95 ms"] = await visitor.key_p95_ms()
        figures[f"{where}, scrolling p95 ms"] = await visitor.scroll_p95_ms()
    await visitor.page.context.close()
    return figures


async def idling(browser: Browser, url: str, key: str, organization: str, thread: str, idle_s: float) -> Figures:
    """Return what an open thread that nobody touches brings in a minute: heads are the heartbeat, bodies the rest."""
    visitor = await Visitor.come(browser, url)
    await visitor.keep(key, organization)
    await visitor.page.goto(f"{url}/#/{organization}/{thread}")
    await visitor.page.locator("#composer").wait_for()
    await visitor.quiet()
    figures: Figures = {}
    for when in ("first", "fourth"):
        if when == "fourth":
            await asyncio.sleep(2 * idle_s)
        visitor.traffic.clear()
        await asyncio.sleep(idle_s)
        calls = visitor.traffic.calls
        heads = sum(call.sent_bytes + call.head_bytes for call in calls)
        bodies = sum(max(0, call.received_bytes - call.head_bytes) for call in calls)
        figures[f"idle, {when} minute, requests"] = len(calls) * 60 / idle_s
        figures[f"idle, {when} minute, kB of heads"] = heads * 60 / idle_s / 1000
        figures[f"idle, {when} minute, kB of bodies"] = bodies * 60 / idle_s / 1000
    await visitor.page.context.close()
    return figures


async def measure(given: argparse.Namespace) -> Figures:
    with served() as (url, key):
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=given.chromium, args=ARGUMENTS)
            return await measure_in(browser, url, key, given)


async def measure_in(browser: Browser, url: str, key: str, given: argparse.Namespace) -> Figures:
    organization, thread = await fill(url, key)
    figures: Figures = {}
    if "loading" in given.what:
        figures |= await loading(browser, url, key, organization)
    if "idle" in given.what:
        figures |= await idling(browser, url, key, organization, thread, given.idle_seconds)
    if "thread" in given.what:
        figures |= await long_thread(browser, url, key, organization, thread)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page_part", description=__doc__)
    parser.add_argument("--chromium", default=os.environ.get("THREADKEEP_CHROMIUM", "/usr/bin/chromium"))
    parser.add_argument(
        "--what", nargs="+", choices=("loading", "idle", "thread"), default=("loading", "idle", "thread")
    )
    parser.add_argument("--idle-seconds", type=float, default=60.0, help="how long a minute is (default: %(default)s)")
    parser.add_argument("--side", default="after", help="what this checkout is called in the table")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="keep the figures in FOLDER/benchmarks/page.json")
    given = parser.parse_args()
    described = machine.describe()
    figures = asyncio.run(measure(given))
    for name, value in figures.items():
        print(f"{name}: {value:.4g}")
    if given.into is not None:
        keep(given, described, figures)


def keep(given: argparse.Namespace, described: str, figures: Figures) -> None:
    path = given.into / "benchmarks" / "page.json"
    made: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"part": "page", "kind": "", "sides": {}}
    made["machine"] = described
    made["settings"] = {"messages": MESSAGES_COUNT, "threads": THREADS_COUNT}
    side = made["sides"].setdefault(given.side, {})
    side.update({name: None if value is None else float(f"{value:.4g}") for name, value in figures.items()})
    path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
