"""Which actions each state of a thread allows: one table, which a test checks row by row."""

import enum
from typing import TypeAlias

from threadkeep.errors import Conflict, ThreadArchived, ThreadLocked


class State(enum.StrEnum):
    """What may be done with a thread. Locked ones take no messages, archived ones no changes."""

    OPEN = "open"
    LOCKED = "locked"
    ARCHIVED = "archived"


class Action(enum.StrEnum):
    READ = "read"
    ADD_MESSAGE = "add a message"
    EDIT_MESSAGE = "edit a message"
    DELETE_MESSAGE = "delete a message"
    CREATE_RESPONSE = "create a response"
    GENERATE_NAME = "generate a name"
    SET_TITLE = "set the title"
    SET_ASSISTANT = "set the assistant"
    SET_VISIBILITY = "set the visibility"
    SET_METADATA = "set metadata"
    LOCK = "lock"
    UNLOCK = "unlock"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"
    DELETE = "delete"


Refusal: TypeAlias = type[Conflict] | None

#                                      open  locked         archived
REFUSALS: dict[Action, tuple[Refusal, Refusal, Refusal]] = {
    Action.READ:                      (None, None,          None),
    Action.ADD_MESSAGE:               (None, ThreadLocked,  ThreadArchived),
    Action.EDIT_MESSAGE:              (None, ThreadLocked,  ThreadArchived),
    Action.DELETE_MESSAGE:            (None, ThreadLocked,  ThreadArchived),
    Action.CREATE_RESPONSE:           (None, ThreadLocked,  ThreadArchived),
    Action.GENERATE_NAME:             (None, ThreadLocked,  ThreadArchived),
    Action.SET_TITLE:                 (None, ThreadLocked,  ThreadArchived),
    Action.SET_ASSISTANT:             (None, ThreadLocked,  ThreadArchived),
    Action.SET_VISIBILITY:            (None, ThreadLocked,  ThreadArchived),
    Action.SET_METADATA:              (None, None,          ThreadArchived),
    Action.LOCK:                      (None, None,          ThreadArchived),
    Action.UNLOCK:                    (None, None,          ThreadArchived),
    Action.ARCHIVE:                   (None, None,          None),
    Action.UNARCHIVE:                 (None, None,          None),
    Action.DELETE:                    (None, None,          None),
}  # fmt: skip

STATES = tuple(State)


def state_of(locked_ms: int | None, archived_ms: int | None) -> State:
    """Return a thread's state. A thread that is both locked and archived shows as archived."""
    if archived_ms is not None:
        return State.ARCHIVED
    return State.OPEN if locked_ms is None else State.LOCKED


def check_allowed(state: State, action: Action) -> None:
    """Raise ThreadLocked or ThreadArchived if `state` forbids `action`."""
    refusal = REFUSALS[action][STATES.index(state)]
    if refusal is not None:
        raise refusal()
