"""The table of the page: what it loads, how long that takes, what a long thread and an idle tab cost."""

from benchmarks.record import Record
from benchmarks.tables import NOTHING, number, table, verdict

# What is aimed at, by the figure; those of a long thread are about its beginning.
AIMS = {
    "list shown, Slow 3G, s": 6,
    "first visit, requests": 20,
    "first visit, kB received": 150,
    "reload, requests": 5,
    "at the beginning of the thread, key p95 ms": 50,
    "at the beginning of the thread, scrolling p95 ms": 33,
    "idle, first minute, kB of bodies": 1,
}
MEANING = (
    "Chromium, its cache empty, on a server of its own with {threads} threads and one of {messages} messages; a "
    "window of 1200 × 800. Slow 3G is Chromium's preset: 400 kbit/s each way, and 2 s until an answer begins; the "
    "other slow network has the same rate and 0.4 s. By a link: nobody is signed in, and the page's question is "
    "answered at once. Requests and bytes are those on the wire, heads counted, until nothing more comes. A key: "
    "from pressing it to the frame that shows it. Scrolling: the time between two frames at 120 pixels a frame. "
    "Idle: an open thread that nobody touches; heads are those of requests and answers, which is what asking "
    "again and again costs (the heartbeat). After a minute without a touch or a change the page asks half as "
    "often, then half of that, at last every 30 s; a hidden tab does not ask. `python -m benchmarks.page_part` "
    "measures all of it."
)


def page(made: Record) -> str:
    sides = made["sides"]
    names = list(dict.fromkeys(name for side in sides.values() for name in side))
    rows = [[name, *(shown(side.get(name)) for side in sides.values()), aim(name, sides)] for name in names]
    return "\n\n".join([MEANING.format(**made["settings"]), table(["figure", *sides, "aim"], rows)])


def shown(value: float | None) -> str:
    return NOTHING if value is None else number(value)


def aim(name: str, sides: dict[str, dict[str, float | None]]) -> str:
    value = list(sides.values())[-1].get(name)
    if name not in AIMS:
        return ""
    return f"≤ {AIMS[name]}" + ("" if value is None else f": {verdict(value <= AIMS[name])}")
