"""A checker of histories that knows only the contract, and nothing of how the service works.

An append took effect at one moment between its beginning and its answer, and each look saw what had taken effect by
one moment between its beginning and its answer. What cannot be explained so is an anomaly.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from proof.history import NEVER_S, Append, Count, Delete, History, Look, Place

SHOWN_PER_KIND = 3
# What explains most comes first: in a list that is out of order, messages also seem to be lost.
KINDS = ("reordered", "doubled", "phantom", "stale", "lost", "skipped", "miscounted", "turned back")


class Anomaly(NamedTuple):
    """Something that cannot be; `kind` is one of KINDS."""

    kind: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}"


def anomalies(history: History) -> list[Anomaly]:
    """Return what no correct service could have shown."""
    sent = {text: append for append in history.appends for text in append.texts}
    threads = {thread: _Thread(thread, sent, shown) for thread, shown in history.final.items()}
    for name in ("appends", "deletes", "looks", "counts"):
        for each in getattr(history, name):
            getattr(threads[each.thread], name).append(each)
    return [anomaly for thread in threads.values() for anomaly in thread.anomalies()]


def in_short(anomalies: Sequence[Anomaly]) -> list[str]:
    """Return the first few sentences of each kind, and how many more there are."""
    counts = Counter(each.kind for each in anomalies)
    shown: dict[str, list[str]] = defaultdict(list)
    for each in anomalies:
        if len(shown[each.kind]) < SHOWN_PER_KIND:
            shown[each.kind].append(str(each))
    for kind, count in counts.items():
        if count > SHOWN_PER_KIND:
            shown[kind][-1] += f" (and {count - SHOWN_PER_KIND} more {kind})"
    return [sentence for kind in KINDS for sentence in shown[kind]]


class _Known:
    """The greatest number that was known by a moment: answered, or shown."""

    def __init__(self, facts: Sequence[tuple[float, int]]) -> None:
        ordered = sorted(facts)
        self._times_s = [time_s for time_s, _ in ordered]
        self._greatest = list(accumulate((seq for _, seq in ordered), max))

    def before(self, time_s: float) -> int:
        place = bisect_left(self._times_s, time_s)
        return self._greatest[place - 1] if place else 0


class _Thread:
    def __init__(self, id: str, sent: Mapping[str, Append], final: Sequence[Place]) -> None:
        self.id = id
        self.sent = sent
        self.final = final
        self.appends: list[Append] = []
        self.deletes: list[Delete] = []
        self.looks: list[Look] = []
        self.counts: list[Count] = []

    def anomalies(self) -> Iterator[Anomaly]:
        self.deleted = {each.seq: each for each in self.deletes}
        self.answered = [each for each in self.appends if each.seqs is not None]
        self.known = _Known(
            [(each.ended_s, each.seqs[-1]) for each in self.answered if each.seqs]
            + [(each.ended_s, each.shown[-1].seq) for each in self.looks if each.shown]
        )
        self.answered_at = {seq: each for each in self.answered for seq in each.seqs or ()}
        yield from self.lost()
        yield from self.doubled()
        yield from self.order_of_appends()
        for look in self.looks:
            yield from self.phantoms(look.shown, look.ended_s)
            yield from self.order_in(look.shown)
            yield from self.stale(look)
        yield from self.phantoms(self.final, NEVER_S)
        yield from self.order_in(self.final)
        yield from self.skipped()
        yield from self.miscounted()

    def lost(self) -> Iterator[Anomaly]:
        """In the end what was answered is there, and what was deleted is not."""
        there = {place.text for place in self.final}
        for seq, text in self.final:
            if seq in self.deleted and self.deleted[seq].ended_s < NEVER_S:
                yield Anomaly("stale", f"{text} of {self.id} is there, although its deletion was answered")
        for append in self.answered:
            for seq, text in zip(append.seqs or (), append.texts, strict=True):
                if text not in there and seq not in self.deleted:
                    yield Anomaly("lost", f"{text} was answered as number {seq} of {self.id}, and is not there")

    def doubled(self) -> Iterator[Anomaly]:
        """Each text has one number and each number one text, wherever they were shown or answered."""
        seq_of: dict[str, int] = {}
        text_of: dict[int, str] = {}
        answered = [
            Place(seq, text) for each in self.answered for seq, text in zip(each.seqs or (), each.texts, strict=True)
        ]
        lists = [self.final, *(look.shown for look in self.looks)]
        for shown in lists:
            for text, times in Counter(place.text for place in shown).items():
                if times > 1:
                    yield Anomaly("doubled", f"one list shows {text} of {self.id} {times} times")
        for seq, text in dict.fromkeys(place for places in (answered, *lists) for place in places):
            if seq_of.setdefault(text, seq) != seq:
                yield Anomaly("doubled", f"{text} of {self.id} has the numbers {seq_of[text]} and {seq}")
            if text_of.setdefault(seq, text) != text:
                yield Anomaly("doubled", f"number {seq} of {self.id} was given to {text_of[seq]} and to {text}")

    def order_of_appends(self) -> Iterator[Anomaly]:
        """What began after a number was known has a greater one, and the messages of one append stand together."""
        for append in self.answered:
            seqs = append.seqs or ()
            if any(after != before + 1 for before, after in pairwise(seqs)):
                yield Anomaly("reordered", f"one append to {self.id} has the numbers {seqs}")
            known = self.known.before(append.began_s)
            if seqs and seqs[0] <= known:
                yield Anomaly(
                    "reordered", f"{append.texts[0]} of {self.id} got number {seqs[0]} when {known} was known already"
                )

    def phantoms(self, shown: Sequence[Place], ended_s: float) -> Iterator[Anomaly]:
        """Nothing is shown that nobody sent to this thread, that was refused, or that was sent only afterwards."""
        for _, text in shown:
            append = self.sent.get(text)
            if append is None or append.thread != self.id:
                yield Anomaly("phantom", f"{self.id} shows {text}, which nobody sent to it")
            elif append.was_refused:
                yield Anomaly("phantom", f"{self.id} shows {text}, which was refused")
            elif append.began_s > ended_s:
                yield Anomaly("phantom", f"{self.id} showed {text} before it was sent")

    def order_in(self, shown: Sequence[Place]) -> Iterator[Anomaly]:
        for before, after in pairwise(shown):
            if before.seq > after.seq:
                yield Anomaly("reordered", f"a list of {self.id} shows number {before.seq} before {after.seq}")

    def stale(self, look: Look) -> Iterator[Anomaly]:
        """A look shows all that it covers of what was known before it began, and nothing deleted by then.

        It shows no number without those below, known or not: they were committed before.
        """
        seqs = {place.seq for place in look.shown}
        for seq in seqs:
            if seq in self.deleted and self.deleted[seq].ended_s < look.began_s:
                yield Anomaly("stale", f"{self.id} showed number {seq} after its deletion was answered")
        newest = max(seqs, default=0)
        known = self.known.before(look.began_s)
        last = max(newest, known) if look.last is None else look.last
        for seq in range(look.first, last + 1):
            if seq in seqs or self.may_be_gone(seq, look.ended_s):
                continue
            append = self.answered_at.get(seq)
            if seq <= known or (append is not None and append.ended_s < look.began_s):
                yield Anomaly("stale", f"a list of {self.id} does not show number {seq}, which was known before")
            else:
                yield Anomaly("reordered", f"a list of {self.id} shows number {newest} and not yet {seq}")

    def may_be_gone(self, seq: int, time_s: float) -> bool:
        return seq in self.deleted and self.deleted[seq].began_s < time_s

    def skipped(self) -> Iterator[Anomaly]:
        """In the end every number up to the greatest has had a message."""
        seqs = {place.seq for place in self.final}
        for seq in range(1, max([*seqs, *self.answered_at], default=0)):
            if seq not in seqs and seq not in self.answered_at and seq not in self.deleted:
                yield Anomaly("skipped", f"number {seq} of {self.id} was given to no message")

    def miscounted(self) -> Iterator[Anomaly]:
        """A count lies between what had surely happened and what may have; the time of change never turns back."""
        landed = [each for each in self.appends if not each.was_refused]
        sure_s = _moments((each.ended_s, len(each.texts)) for each in self.answered)
        maybe_s = _moments((each.began_s, len(each.texts)) for each in landed)
        gone_s = _moments((each.ended_s, 1) for each in self.deletes)
        going_s = _moments((each.began_s, 1) for each in self.deletes)
        for each in self.counts:
            least = bisect_left(sure_s, each.began_s) - bisect_right(going_s, each.ended_s)
            most = bisect_right(maybe_s, each.ended_s) - bisect_left(gone_s, each.began_s)
            if not least <= each.message_count <= most:
                yield Anomaly(
                    "miscounted", f"{self.id} counted {each.message_count} messages when it had {least} to {most}"
                )
        latest = _Known([(each.ended_s, each.updated_at) for each in self.counts])
        for each in self.counts:
            if each.updated_at < latest.before(each.began_s):
                yield Anomaly("turned back", f"updatedAt of {self.id} fell to {each.updated_at}")


def _moments(changes: Iterable[tuple[float, int]]) -> list[float]:
    """Return the time of each single change, in order."""
    return sorted(time_s for time_s, count in changes for _ in range(count))
