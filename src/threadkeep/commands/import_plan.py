"""What `threadkeep import --dry-run` says: what is in a file, and what of it would not come along."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from threadkeep.commands.import_records import BadLine, Conversation, conversation_of, without_marks
from threadkeep.commands.import_sending import is_past
from threadkeep.commands.kinds.talks import Notes, seconds
from threadkeep.commands.showing import console_for_people, one_line, print_table, when

if TYPE_CHECKING:
    from threadkeep.commands.import_reading import Records


# How many of the reasons why conversations would fail are shown.
FAILED_MAX = 20


@dataclass(slots=True)
class Plan:
    """What an import would send to an empty server."""

    thread_ids: set[str] = field(default_factory=set)
    message_count: int = 0
    branch_count: int = 0
    notes: Notes = field(default_factory=Notes)
    first: int | None = None
    last: int | None = None
    # Why conversations would fail, with the number of the first that does.
    failed: dict[str, int] = field(default_factory=dict)
    failed_count: int = 0

    def add(self, conversation: Conversation) -> None:
        if is_past(conversation.fields.get("expiresAt")):
            self.notes.left_out["threads whose expiry has passed"] += 1
            return
        self.thread_ids.add(conversation.thread_id)
        self.message_count += len(conversation.messages)
        self.branch_count += branch_count(conversation)
        self.notes.left_out["fields that neither metadata nor messages hold"] += conversation.left_out_count
        if conversation.notes is not None:
            self.notes.attachment_count += conversation.notes.attachment_count
            self.notes.left_out += conversation.notes.left_out
        messages = map(msgspec.json.decode, conversation.messages)
        times = (seconds(each.get("createdAt", each.get("created_at"))) for each in messages)
        known = [each for each in (self.first, self.last, *times) if each is not None]
        self.first, self.last = min(known, default=None), max(known, default=None)


def branch_count(conversation: Conversation) -> int:
    """Return how many lines there are besides the first."""
    count, parents = len(conversation.messages), conversation.parents
    followed = Counter(parents.get(place, place - 1) for place in range(count))
    return sum(each - 1 for each in followed.values())


def planned(records: "Records") -> Plan:
    """Read a whole file and send nothing."""
    plan = Plan()
    for number, line in without_marks(records):
        try:
            if isinstance(line, BadLine):
                raise line
            plan.add(conversation_of(line))
        except BadLine as reason:
            plan.failed_count += 1
            plan.failed.setdefault(str(reason), number)
    kinds = Counter(what for _, what in records.left_out)
    plan.notes.left_out.update({f"files of the archive: {what}": count for what, count in kinds.items()})
    return plan


def show(plan: Plan, unit: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("would be imported", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    for what, count in (
        ("threads", len(plan.thread_ids)),
        ("messages", plan.message_count),
        ("branches besides the first line", plan.branch_count),
        ("attachments, as a line of text that names them", plan.notes.attachment_count),
        ("first message", when(plan.first) or "no time"),
        ("last message", when(plan.last) or "no time"),
        *((f"left out: {what}", count) for what, count in plan.notes.left_out.items() if count),
        *((f"would fail: {unit} {at}: {one_line(why)}", "") for why, at in list(plan.failed.items())[:FAILED_MAX]),
        *([(f"{unit}s that would fail", plan.failed_count)] if plan.failed_count else []),
    ):
        table.add_row(what, str(count))
    print_table(console_for_people(), table)
