"""What a thread with branches must hold: a model in memory, steps that change both alike, and a comparison."""

import random
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from support.cast import Answer, Caller

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]
PAGE = 7
# What a step may be, and how often it is.
STEPS = {
    "append": 6.0,
    "append anywhere": 8.0,
    "append several": 4.0,
    "append to what is gone": 1.0,
    "edit a question": 1.0,
    "answer once more": 1.0,
    "delete": 5.0,
    "replace": 3.0,
    "replace all": 0.3,
    "take an own id twice": 1.0,
    "copy": 1.0,
}


@dataclass
class Tree:
    """Messages and what each follows, in the order of their numbers: nothing comes before what it follows."""

    parents: dict[str, str | None] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)

    @property
    def newest(self) -> str | None:
        return next(reversed(self.parents), None)

    def add(self, id: str, parent: str | None, role: str = "user") -> None:
        self.parents[id] = parent
        self.roles[id] = role

    def delete(self, id: str) -> None:
        parent = self.parents.pop(id)
        for child, its in self.parents.items():
            if its == id:
                self.parents[child] = parent

    def descent(self, id: str) -> set[str]:
        found = {id}
        for child, parent in self.parents.items():
            if parent in found:
                found.add(child)
        return found

    def newest_below(self, id: str) -> str:
        """Return the newest message that descends from it, or it."""
        descent = self.descent(id)
        return [each for each in self.parents if each in descent][-1]

    def siblings(self, id: str) -> list[str]:
        found = [each for each, parent in self.parents.items() if parent == self.parents[id]]
        return found if len(found) > 1 else []

    def line(self, last: str | None) -> list[str]:
        line: list[str] = []
        while last is not None:
            line.append(last)
            last = self.parents[last]
        return line[::-1]

    def left(self, kept: Container[str]) -> dict[str, str | None]:
        """Return what each of the messages in `kept` follows when all others have been deleted, in whatever order."""
        nearest: dict[str | None, str | None] = {None: None}
        parents = {}
        for id, parent in self.parents.items():
            nearest[id] = id if id in kept else nearest[parent]
            if id in kept:
                parents[id] = nearest[parent]
        return parents


class Gardener:
    """Changes one thread in every way that changes its tree, one step at a time, and a model alike."""

    def __init__(self, thread: str, rng: random.Random) -> None:
        self.thread = thread
        self.tree = Tree()
        self.gone: list[str] = []
        self._own_ids: dict[str, str] = {}
        self._rng = rng
        self._steps_count = 0

    async def step(self, who: Caller) -> tuple[str, list[str]]:
        """Do one step as `who`; return what it was, and what was not as it should be."""
        self._steps_count += 1
        [what] = self._rng.choices(list(STEPS), list(STEPS.values()))
        return what, await self._do(what, who)

    async def _do(self, what: str, who: Caller) -> list[str]:
        tree = self.tree
        some = self._rng.choice(list(tree.parents)) if tree.parents else None
        match what:
            case "append":
                return self._added(await who.post_message(self.thread, self._word()), tree.newest, "user")
            case "append anywhere":
                parent = self._rng.choice([some, None])
                answer = await who.post_message(self.thread, self._word(), role="assistant", parentId=parent)
                return self._added(answer, parent, "assistant")
            case "append several":
                return await self._append_several(who)
            case "append to what is gone" if self.gone:
                answer = await who.post_message(self.thread, "too late", parentId=self._rng.choice(self.gone))
                is_refused = (answer.status, answer.code, answer.param) == (404, "message_not_found", "parentId")
                return [] if is_refused else [f"a message follows one that is gone: {answer}"]
            case "edit a question":
                return await self._respond(who, None if some is None else tree.parents[some], "a better question")
            case "answer once more" if some is not None and tree.roles[some] == "user":
                return await self._respond(who, some)
            case "delete" if some is not None:
                answer = await who.delete_message(self.thread, some)
                tree.delete(some)
                self.gone.append(some)
                return [] if answer.status == 200 else [f"a message could not be deleted: {answer}"]
            case "replace" if some is not None:
                return await self._replace(who, some, tree.parents[some], tree.descent(some))
            case "take an own id twice" if self._own_id is not None:
                answer = await who.post_message(self.thread, "again", externalId=self._own_id)
                return [] if answer.code == "external_id_taken" else [f"an own id was given twice: {answer}"]
            case "copy":
                return await self._copy(who, some)
            case "replace all":
                return await self._replace(who, "all", None, set(tree.parents))
        return []

    def _word(self) -> str:
        return self._rng.choice(WORDS)

    def _added(self, answer: Answer, parent: str | None, role: str) -> list[str]:
        if answer.status != 201:
            return [f"a message was refused: {answer}"]
        self.tree.add(answer.id, parent, role)
        return [] if answer.parentId == parent else [f"it follows {answer.parentId} and not {parent}: {answer}"]

    async def _append_several(self, who: Caller) -> list[str]:
        """Append a message and two that follow it, the second of them by its own id."""
        own = f"own-{self._steps_count}"
        bodies = [
            {"role": "user", "content": "a", "externalId": own},
            {"role": "user", "content": "b"},
            {"role": "user", "content": "c", "parentId": own},
        ]
        newest = self.tree.newest
        answer = await who.post_messages(self.thread, bodies)
        if answer.status != 201:
            return [f"messages were refused: {answer}"]
        first, second, third = answer.ids
        self._own_ids[first] = own
        for id, parent in ((first, newest), (second, first), (third, first)):
            self.tree.add(id, parent)
        parents = [each["parentId"] for each in answer.data]
        return [] if parents == [newest, first, first] else [f"they follow {parents}: {answer}"]

    @property
    def _own_id(self) -> str | None:
        """Return an own id that a message of the thread has."""
        return next((own for id, own in self._own_ids.items() if id in self.tree.parents), None)

    async def _copy(self, who: Caller, end: str | None) -> list[str]:
        """Copy the line to a message, or the current one, and compare it; then delete the copy."""
        end = self._rng.choice([end, None])
        line = self.tree.line(end or self.tree.newest)
        copy = await who.copy(self.thread, **({"messageId": end} if end else {}))
        if copy.status != 201:
            return [f"a copy was refused: {copy}"]
        texts = {each["id"]: each["content"] for each in await walk(who, self.thread)}
        copied = await walk(who, copy.id)
        await who.delete(copy)
        is_a_line = [each["parentId"] for each in copied] == [None, *ids_of(copied)][: len(copied)]
        is_same = [each["content"] for each in copied] == [texts[id] for id in line]
        return (
            [] if is_same and is_a_line else [f"the copy of a line of {len(line)} has {len(copied)} messages: {copy}"]
        )

    async def _respond(self, who: Caller, after: str | None, *inputs: str) -> list[str]:
        """Have a place answered: a message, or what is asked there now."""
        more = {"input": inputs[0]} if inputs else {}
        answer = await who.respond(self.thread, after=after, model="echo", **more)
        if answer.status != 200:
            return [f"a response was refused: {answer}"]
        for id, role in (*((each, "user") for each in answer.inputMessageIds), (answer.messageId, "assistant")):
            self.tree.add(id, after, role)
            after = id
        return [] if len(answer.inputMessageIds) == len(inputs) else [f"another input was stored: {answer}"]

    async def _replace(self, who: Caller, what: str, parent: str | None, going: set[str]) -> list[str]:
        answer = await who.post_messages(self.thread, [{"role": "user", "content": "new"}], replaces=what)
        if answer.status != 201:
            return [f"a replacement was refused: {answer}"]
        for id in going:
            del self.tree.parents[id]
        self.gone += going
        [new] = answer.data
        self.tree.add(new["id"], parent)
        return [] if new["parentId"] == parent else [f"it follows {new['parentId']} and not {parent}: {answer}"]


async def walk(who: Caller, thread: str, **query: Any) -> list[Any]:
    """Return all messages of a list, page by page."""
    return await who.walk(f"/v1/threads/{thread}/messages", **{"limit": PAGE, **query})


async def differences(tree: Tree, who: Caller, thread: str, rng: random.Random) -> list[str]:
    """Return in what a thread differs from the model: all messages, lines, counts and contexts."""
    current = tree.line(tree.newest)
    listed = await walk(who, thread)
    looks: list[tuple[str, Any, Any]] = [
        ("the parents", {each["id"]: each["parentId"] for each in listed}, tree.parents),
        ("the order", ids_of(listed), list(tree.parents)),
        ("the order from the end", ids_of(await walk(who, thread, order="desc")), list(tree.parents)[::-1]),
        ("the current line", ids_of(await walk(who, thread, branch="current")), current),
        ("that from its end", ids_of(await walk(who, thread, branch="current", order="desc")), current[::-1]),
        ("the count", (await who.get(thread)).messageCount, len(tree.parents)),
    ]
    if tree.parents:
        looks += await looks_at_lines(tree, who, thread, rng.choice(list(tree.parents)))
    return [f"{what}: {found} and not {wanted}" for what, found, wanted in looks if found != wanted]


async def looks_at_lines(tree: Tree, who: Caller, thread: str, end: str) -> list[tuple[str, Any, Any]]:
    """Return what is shown of the line to `end` and of contexts, and what should be."""
    line, current = tree.line(end), tree.line(tree.newest)
    of_users = [id for id in line if tree.roles[id] == "user"]
    smart = current if len(current) <= 10 else current[:3] + current[-7:]
    full_ids, smart_ids = [
        ids_of((await who.context(thread, contextMode=mode)).body["messages"]) for mode in ("full", "smart")
    ]
    through = await walk(who, thread, through=end, include="siblings")
    told = {each["id"]: each["siblingIds"] for each in (*through, *await walk(who, thread, include="siblings"))}
    return [
        (f"the line through {end}", ids_of(through), tree.line(tree.newest_below(end))),
        ("siblings", told, {id: tree.siblings(id) for id in tree.parents}),
        (f"the line to {end}", ids_of(await walk(who, thread, branch=end)), line),
        ("its messages of users", ids_of(await walk(who, thread, branch=end, role="user")), of_users),
        ("the parent of one message", (await who.get_message(thread, end)).parentId, tree.parents[end]),
        ("the whole context", full_ids, current),
        ("the smart context", smart_ids, smart),
    ]


def ids_of(messages: list[Any]) -> list[str]:
    return [each["id"] for each in messages]
