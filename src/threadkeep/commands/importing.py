"""`threadkeep import`: brings conversations from a file into a server, through its API."""

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from threadkeep import clock
from threadkeep.commands.options import ServerAccess, with_options
from threadkeep.commands.shared import fail
from threadkeep.commands.showing import console_for_people, harmless, shown

if TYPE_CHECKING:
    from threadkeep.commands.import_reading import Records
    from threadkeep.commands.import_records import Conversation
    from threadkeep.commands.import_sending import Outcome, Sender

INTERRUPTED = 130
COMPLAINTS_MAX = 20


@dataclass(slots=True)
class Summary:
    """Counts of the results so far, by line or by whatever unit the file's conversations have."""

    created_count: int = 0
    continued_count: int = 0
    present_count: int = 0
    differing_count: int = 0
    messages_count: int = 0
    failed_count: int = 0
    left_out_count: int = 0
    shown_count: int = 0
    without_assistant_count: int = 0
    expired_count: int = 0
    # Of conversations of other programs, also of those that are there already: what is not in them here.
    attachment_count: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    unit: str = "line"

    @property
    def threads_count(self) -> int:
        return self.created_count + self.continued_count + self.present_count + self.differing_count

    @property
    def lines_count(self) -> int:
        return self.threads_count + self.failed_count + self.expired_count

    def add(self, outcome: "Outcome", conversation: "Conversation") -> None:
        self.messages_count += outcome.sent_count
        self.left_out_count += conversation.left_out_count
        if conversation.notes is not None:
            self.attachment_count += conversation.notes.attachment_count
            self.left_out += conversation.notes.left_out
        self.shown_count += outcome.is_shown
        self.without_assistant_count += outcome.lacks_assistant and outcome.is_new
        if outcome.is_expired:
            self.expired_count += 1
        elif outcome.surplus_count:
            self.differing_count += 1
        elif outcome.is_new:
            self.created_count += 1
        elif outcome.sent_count or outcome.is_changed:
            self.continued_count += 1
        else:
            self.present_count += 1

    def text(self, seconds: float) -> str:
        lines = [
            f"threads created: {self.created_count}, continued: {self.continued_count}, "
            f"already there: {self.present_count}, with more messages than the file: {self.differing_count}",
            f"messages sent: {self.messages_count}",
            f"{self.unit}s failed: {self.failed_count}",
            f"seconds: {seconds:.1f}",
        ]
        notes = {
            "fields left out, because neither metadata nor messages hold them": self.left_out_count,
            "threads hidden in the file and shown here, because only a user token hides": self.shown_count,
            "threads left out, because their expiry has passed": self.expired_count,
            "threads without their assistant, because none or several here have its name": self.without_assistant_count,
            "attachments named in a line of text, because their files are not in the export": self.attachment_count,
            **{f"{what} left out": count for what, count in self.left_out.items()},
        }
        lines[2:2] = [f"{what}: {count}" for what, count in notes.items() if count]
        return "\n".join(lines)


def check_file(file: Path) -> Path:
    """Refuse a file that cannot be read; typer's own check does not know `-`."""
    if str(file) != "-" and not file.exists():
        raise typer.BadParameter(f"{file} does not exist.")
    if file.is_dir() or not (str(file) == "-" or os.access(file, os.R_OK)):
        raise typer.BadParameter(f"{file} {'is a folder' if file.is_dir() else 'may not be read'}.")
    return file


@with_options
def import_file(
    connection: ServerAccess,
    file: Annotated[
        Path,
        typer.Argument(
            callback=check_file,
            help="JSON lines, a list of JSON objects, or the export of another program; plain, in a ZIP, or compressed "
            "with gzip, bzip2 or xz; - reads a pipe.",
        ),
    ],
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Requests at the same time.")] = 16,
    user: Annotated[
        str | None, typer.Option(help="Whose the threads become; needs the key of an admin or owner.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is in the file and what would not come along; send nothing.")
    ] = False,
    conversation_mib: Annotated[
        int, typer.Option(min=1, max=4096, help="How long one conversation may be; so much memory is taken, in MiB.")
    ] = 256,
) -> None:
    """Import an export of threadkeep, conversations of your own, or an export of another program.

    Known by what is in them: the exports of ChatGPT, Claude, LibreChat and Open WebUI, dumps of OpenAI's threads and
    conversations, and the form of ShareGPT. Of your own, they are JSON objects, one a line or in a list:
    `id` or `question_id` becomes the thread's id thread_<id>; `messages` (objects with role and content) or `turns`
    (texts of a user) its messages; `title` its title; `metadata` and other short fields its metadata. It may be run
    again at any time, also after it was cut off: what is there is kept and continued, nothing is doubled.
    """
    from threadkeep.commands.import_files import NotImportable
    from threadkeep.commands.import_reading import Records

    try:
        records = Records(file, conversation_mib)
    except NotImportable as reason:
        fail(str(reason))
    if dry_run:
        tell(records)
        return
    summary = Summary(unit=records.unit)
    started_s = clock.monotonic_s()
    status = 0
    try:
        stopped = run(records, connection, concurrency, user, summary)
    except KeyboardInterrupt:
        stopped, status = "Interrupted.", INTERRUPTED
    finally:
        records.close()
    summary.left_out.update(f"files of the archive that are {what}" for _, what in records.left_out)
    if stopped is not None and not summary.lines_count and not status:
        fail(stopped)
    typer.echo(summary.text(clock.monotonic_s() - started_s))
    if stopped is not None:
        typer.echo(harmless(f"{stopped} Nothing is lost or doubled: run the same command again to continue."), err=True)
    if stopped is not None or summary.failed_count:
        raise typer.Exit(status or 1)


def tell(records: "Records") -> None:
    """Print what an import would do. The exit code is that of an import, as far as the file alone tells it."""
    from threadkeep.commands.import_plan import planned, show

    try:
        plan = planned(records)
    finally:
        records.close()
    show(plan, records.unit)
    if plan.failed_count:
        raise typer.Exit(1)


def run(
    records: "Records", connection: ServerAccess, concurrency: int, user: str | None, summary: Summary
) -> str | None:
    """Import all conversations, with a progress bar on a terminal. Return why it stopped early, or None."""
    import uvloop

    from threadkeep.commands.import_sending import ImportStopped, senders

    console = console_for_people(stderr=True)
    complaints = itertools.count(1)

    def complain(number: int, reason: str) -> None:
        count = next(complaints)
        if count <= COMPLAINTS_MAX:
            console.print(harmless(f"{records.unit} {number}: {reason}"), soft_wrap=True)
        elif count == COMPLAINTS_MAX + 1:
            console.print(f"More {records.unit}s have something wrong with them: the end says how many failed.")

    def state() -> tuple[int, str]:
        return records.read_bytes, f"{summary.threads_count} threads, {summary.messages_count} messages"

    async def inside() -> None:
        async with (
            senders(connection, user, concurrency) as workers,
            shown(console, records.source.size_bytes, state) if console.is_terminal else nullcontext(),
        ):
            await import_records(records, workers, summary, complain)

    stopped = None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(inside())
        except* ImportStopped as several:
            stopped = str(several.exceptions[0])
    return stopped


class Memory:
    """Limits memory: the next conversation is read only while those being sent take less than `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held_bytes = 0
        self._freed = asyncio.Event()

    async def wait_for_capacity(self) -> None:
        while self._held_bytes >= self._bytes_max:
            self._freed.clear()
            await self._freed.wait()

    @contextmanager
    def holding(self, count: int) -> Iterator[None]:
        self._held_bytes += count
        try:
            yield
        finally:
            self._held_bytes -= count
            self._freed.set()


async def import_records(
    records: "Records", senders: "list[Sender]", summary: Summary, complain: Callable[[int, str], None]
) -> None:
    """Send everything. The senders read from the shared file, so that no conversation is in memory before its turn."""
    from threadkeep.commands.import_records import BadLine, conversation_of, without_marks

    shared = without_marks(records)
    memory = Memory(records.record_bytes_max)

    async def work(sender: "Sender") -> None:
        while True:
            await memory.wait_for_capacity()
            number, line = next(shared, (0, None))
            if line is None:
                return
            with memory.holding(0 if isinstance(line, BadLine) else len(line)):
                try:
                    if isinstance(line, BadLine):
                        raise line
                    conversation = conversation_of(line)
                    outcome = await sender.send(conversation)
                except BadLine as reason:
                    summary.failed_count += 1
                    complain(number, str(reason))
                    continue
            summary.add(outcome, conversation)
            if outcome.surplus_count:
                more = f"{conversation.thread_id} has {outcome.surplus_count} messages more than the file"
                complain(number, f"{more} and was left as it is")

    async with asyncio.TaskGroup() as group:
        for sender in senders:
            group.create_task(work(sender))
