"""Query parameters: named by a struct per endpoint, refused when unknown or out of range, never clamped."""

import re
import typing
from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from threadkeep.contract.assistants import Configuration, ContextMode, TokensMax
from threadkeep.contract.basis import OPAQUE_ID
from threadkeep.contract.lifecycle import State
from threadkeep.contract.limits import METADATA_FILTERS_MAX, METADATA_KEY_CHARACTERS_MAX
from threadkeep.errors import InvalidParameter, InvalidString, UnknownParameter
from threadkeep.operations import metadata
from threadkeep.operations.organizations.usage import Days, days_between
from threadkeep.operations.paging import Window, window
from threadkeep.operations.threads.listing import Filter, Query

PARAMETERS_MAX = 64
METADATA_PREFIX = "metadata."
DATE = {"format": "date"}
KEPT_MAX = 1_000
KEPT_BYTES_MAX = 256
INTEGER = re.compile(r"-?[0-9]{1,15}")
BOOLEANS = {"true": True, "false": False}


class OrganizationQuery(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True):
    """What every endpoint takes."""

    organization_id: Annotated[str, Meta(pattern=OPAQUE_ID)] | None = None


class ListQuery(OrganizationQuery, frozen=True):
    """What every list takes."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "asc"
    after: Annotated[str, Meta(max_length=512)] | None = None
    before: Annotated[str, Meta(max_length=512)] | None = None

    def window(self) -> Window:
        return window(self.limit, self.order, self.after, self.before)


class MessagesQuery(ListQuery, frozen=True):
    """What the list of messages takes."""

    role: Literal["user", "assistant", "system", "tool"] | None = None


class ThreadsQuery(ListQuery, frozen=True):
    """What the list of threads takes, besides `metadata.<key>=<value>`."""

    order: Literal["asc", "desc"] = "desc"
    user_id: Annotated[str, Meta(pattern=OPAQUE_ID)] | None = None
    assistant_id: Annotated[str, Meta(max_length=128)] | None = None
    visible_in_ui: bool | None = None
    state: Literal["open", "locked", "archived", "all"] | None = None
    status: Literal["streaming", "inactive"] | None = None
    title_contains: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    created_after: Annotated[int, Meta(ge=0)] | None = None
    created_before: Annotated[int, Meta(ge=0)] | None = None
    sort: Literal["createdAt", "updatedAt"] = "createdAt"
    include: Literal["lastMessage"] | None = None
    include_total: bool = False
    # Not a parameter of its own: the pairs of all metadata.<key>=<value>.
    pairs: tuple[tuple[str, str], ...] = ()

    @lru_cache(maxsize=512)  # noqa: B019 - queries are values; few kinds of them make up most requests.
    def query(self) -> Query:
        return Query(
            Filter(
                user_id=self.user_id,
                assistant_id=self.assistant_id,
                visible_in_ui=self.visible_in_ui,
                state=None if self.state in (None, "all") else State(self.state),
                every_state=self.state == "all",
                is_streaming=None if self.status is None else self.status == "streaming",
                pairs=tuple(metadata.pair_hash(key, value) for key, value in self.pairs),
                title_contains=self.title_contains,
                # "After" a second means after all of it: times have milliseconds inside.
                created_after_ms=None if self.created_after is None else (self.created_after + 1) * 1000,
                created_before_ms=None if self.created_before is None else self.created_before * 1000,
            ),
            self.window(),
            self.sort,
            with_last_message=self.include is not None,
            with_total=self.include_total,
        )


class EventsQuery(OrganizationQuery, frozen=True):
    """Where in a stream a reader begins."""

    after: Annotated[str, Meta(max_length=64, description="The id of the last event that was read.")] | None = None


class ContextQuery(OrganizationQuery, frozen=True):
    """How the context is chosen, as a response would say it."""

    context_mode: ContextMode | None = None
    context_tokens: TokensMax | None = None

    def configuration(self) -> Configuration:
        return Configuration(context_mode=self.context_mode, context_tokens=self.context_tokens)


class NameQuery(OrganizationQuery, frozen=True):
    """How a generated name is answered."""

    stream: bool = False


class MemberDeleteQuery(OrganizationQuery, frozen=True):
    """What becomes of a removed member's threads."""

    threads: Literal["keep", "delete"] = "keep"


class UsageQuery(OrganizationQuery, frozen=True):
    """Which days of usage, and by what they are added up."""

    from_: Annotated[str, Meta(description="The first day, UTC.", extra_json_schema=DATE)] | None = msgspec.field(
        name="from", default=None
    )
    to: Annotated[str, Meta(description="The last day, UTC.", extra_json_schema=DATE)] | None = None
    group_by: Literal["day", "user", "assistant", "model"] = "day"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100

    def days(self) -> Days:
        return days_between(self.from_, self.to)


def fields_of(kind: type[msgspec.Struct]) -> dict[str, type]:
    """Return the parameters of a query struct and the kind of text that each takes."""
    kinds: dict[str, type] = {}
    for field in msgspec.structs.fields(kind):
        if field.name == "pairs":
            continue
        alternatives = typing.get_args(field.type) or (field.type,)
        flat = [getattr(each, "__origin__", each) for each in (field.type, *alternatives)]
        kinds[field.encode_name] = bool if bool in flat else int if int in flat else str
    return kinds


# Structs by their kind and text: few query strings make up most requests.
parsed: dict[tuple[type[msgspec.Struct], bytes], Any] = {}


def parse_query(raw: bytes, kind: type[msgspec.Struct], kinds: dict[str, type]) -> Any:
    """Return the struct for a query string. Raises UnknownParameter, InvalidParameter or InvalidString."""
    known = parsed.get((kind, raw))
    if known is None:
        known = parse(raw, kind, kinds)
        if len(raw) <= KEPT_BYTES_MAX:
            if len(parsed) >= KEPT_MAX:
                parsed.clear()
            parsed[kind, raw] = known
    return known


def parse(raw: bytes, kind: type[msgspec.Struct], kinds: dict[str, type]) -> Any:
    values: dict[str, Any] = {}
    pairs: list[tuple[str, str]] = []
    for name, text in split(raw):
        if name.startswith(METADATA_PREFIX) and kind is ThreadsQuery:
            pairs.append((metadata_key(name), text))
        elif name not in kinds:
            raise UnknownParameter("This path does not take this parameter.", param=shown(name))
        elif name in values:
            raise InvalidParameter("This parameter stands twice: send it once.", param=name)
        else:
            values[name] = parse_value(name, text, kinds[name])
    if len(pairs) > METADATA_FILTERS_MAX:
        raise InvalidParameter(f"At most {METADATA_FILTERS_MAX} metadata filters go together.", param="metadata")
    if pairs:
        values["pairs"] = tuple(dict.fromkeys(pairs))
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).replace("`", "").partition(" - at $.")
    if problem.startswith("Invalid enum"):
        # Imported when first needed, as for bodies.
        from threadkeep.server.choices import choices

        raise InvalidParameter(f"This parameter must be one of {', '.join(choices(kind, path))}.", param=path)
    raise InvalidParameter(f"This parameter is not what it must be: {problem}.", param=path)


def split(raw: bytes) -> list[tuple[str, str]]:
    try:
        found = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except (ValueError, UnicodeDecodeError):
        raise InvalidParameter("The query string is not valid: percent-encode it as UTF-8.") from None
    for name, text in found:
        if "\0" in text or "\0" in name:
            raise InvalidString(param=shown(name))
    return found


def metadata_key(name: str) -> str:
    key = name.removeprefix(METADATA_PREFIX)
    if not 1 <= len(key) <= METADATA_KEY_CHARACTERS_MAX:
        raise InvalidParameter("A metadata key has 1 to 64 characters.", param=shown(name))
    return key


def parse_value(name: str, text: str, kind: type) -> str | int | bool:
    if kind is bool:
        if text not in BOOLEANS:
            raise InvalidParameter("This parameter is true or false.", param=name)
        return BOOLEANS[text]
    if kind is int:
        if not INTEGER.fullmatch(text):
            raise InvalidParameter("This parameter is an integer.", param=name)
        return int(text)
    return text


def shown(name: str) -> str | None:
    """Return a parameter's name for an error, if it is plain enough to be shown."""
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else None
