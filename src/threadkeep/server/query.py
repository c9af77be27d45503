"""Query parameters: read into the endpoint's struct, refused when unknown or out of range, never clamped."""

import re
import typing
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import UNSET

from threadkeep.contract.assistants import Configuration
from threadkeep.contract.basis import ListQuery
from threadkeep.contract.bulk import BulkCreate, BulkFilter
from threadkeep.contract.lifecycle import State
from threadkeep.contract.limits import METADATA_FILTERS_MAX, METADATA_KEY_CHARACTERS_MAX
from threadkeep.contract.responses import ContextQuery
from threadkeep.contract.threads import ThreadsQuery
from threadkeep.contract.usage import UsageQuery
from threadkeep.decoding import convert
from threadkeep.errors import InvalidField, InvalidParameter, InvalidString, UnknownParameter
from threadkeep.operations import metadata
from threadkeep.operations.organizations.usage import Days, days_between
from threadkeep.operations.paging import Window, window
from threadkeep.operations.threads.listing import Filter, Query
from threadkeep.server.speech import NATIVE, Speech, native_metadata_key

PARAMETERS_MAX = 64
KEPT_MAX = 1_000
KEPT_BYTES_MAX = 256
INTEGER = re.compile(r"-?[0-9]{1,15}")
BOOLEANS = {"true": True, "false": False}


@lru_cache(maxsize=512)
def thread_query(given: ThreadsQuery) -> Query:
    """Return the query of a list of threads. Cached: a few different queries make up most requests."""
    return Query(
        filter_of(given, given.pairs),
        window_of(given),
        given.sort,
        with_last_message="lastMessage" in given.include,
        with_payload="payload" in given.include,
        with_total=given.include_total,
    )


def filter_of(given: ThreadsQuery | BulkFilter, pairs: Iterable[tuple[str, str]]) -> Filter:
    """Return the filter of a list of threads, or of a bulk."""
    return Filter(
        user_id=given.user_id,
        assistant_id=given.assistant_id,
        external_id=given.external_id,
        visible_in_ui=given.visible_in_ui,
        state=None if given.state in (None, "all") else State(given.state),
        every_state=given.state == "all",
        is_streaming=None if given.status is None else given.status == "streaming",
        pairs=tuple(metadata.pair_hash(key, value) for key, value in pairs),
        title_contains=given.title_contains,
        # "After" a second means after all of it: stored times have milliseconds.
        created_after_ms=None if given.created_after is None else (given.created_after + 1) * 1000,
        created_before_ms=None if given.created_before is None else given.created_before * 1000,
    )


def bulk_kind(decoded: dict[str, Any]) -> type[BulkCreate]:
    """Return the struct of a bulk's body, in which `metadata.<key>` counts as in a query: as a key of `metadata`."""
    filter = decoded.get("filter")
    names = [name for name in filter if native_metadata_key(name) is not None] if isinstance(filter, dict) else []
    if names and isinstance(filter, dict):
        pairs = {native_metadata_key(name): filter.pop(name) for name in names}
        more = filter.setdefault("metadata", {})
        if not isinstance(more, dict) or more.keys() & pairs:
            raise InvalidField("Give each metadata key once.", param="filter.metadata")
        filter["metadata"] = more | pairs
    return BulkCreate


def bulk_filter(given: BulkCreate) -> Filter | None:
    """Return the filter of a bulk, None for one that names its threads. Raises InvalidField."""
    if given.filter is UNSET:
        return None
    pairs: dict[tuple[str, str], None] = {}
    for key, value in (given.filter.metadata or {}).items():
        if not 1 <= len(key) <= METADATA_KEY_CHARACTERS_MAX:
            raise InvalidField("A metadata key has 1 to 64 characters.", param="filter.metadata")
        pairs |= {(key, metadata.value_text(each)): None for each in (value if isinstance(value, list) else [value])}
    if len(pairs) > METADATA_FILTERS_MAX:
        raise InvalidField(f"At most {METADATA_FILTERS_MAX} metadata filters go together.", param="filter.metadata")
    return filter_of(given.filter, pairs)


def window_of(given: ListQuery) -> Window:
    return window(given.limit, given.order, given.after, given.before)


def configuration_of(given: ContextQuery) -> Configuration:
    return Configuration(
        context_mode=given.context_mode, context_tokens=given.context_tokens, context_messages=given.context_messages
    )


def days_of(given: UsageQuery) -> Days:
    return days_between(given.from_, given.to)


def fields_of(kind: type[msgspec.Struct]) -> dict[str, type]:
    """Return the parameters of a query struct, and whether each is a bool, an int, a text, or a list of texts."""
    kinds: dict[str, type] = {}
    for field in msgspec.structs.fields(kind):
        if field.name == "pairs":
            continue
        alternatives = typing.get_args(field.type) or (field.type,)
        flat = [getattr(each, "__origin__", each) for each in (field.type, *alternatives)]
        kinds[field.encode_name] = next((each for each in (bool, int, tuple) if each in flat), str)
    return kinds


# Parsed structs by their type and query string: a few query strings make up most requests.
parsed: dict[tuple[type[msgspec.Struct], bytes], Any] = {}


def parse_query(raw: bytes, kind: type[msgspec.Struct], kinds: dict[str, type], speech: Speech = NATIVE) -> Any:
    """Return the struct for a query string. Raises UnknownParameter, InvalidParameter or InvalidString."""
    known = parsed.get((kind, raw))
    if known is None:
        known = parse(raw, kind, kinds, speech)
        if len(raw) <= KEPT_BYTES_MAX:
            if len(parsed) >= KEPT_MAX:
                parsed.clear()
            parsed[kind, raw] = known
    return known


def parse(raw: bytes, kind: type[msgspec.Struct], kinds: dict[str, type], speech: Speech) -> Any:
    values: dict[str, Any] = {}
    pairs: list[tuple[str, str]] = []
    for name, text in split(raw):
        key = speech.metadata_key(name) if "pairs" in kind.__struct_fields__ else None
        if speech.ignored_parameters is None:
            if name not in kinds and key is None:
                continue
        elif name in speech.ignored_parameters:
            continue
        if key is not None:
            if not 1 <= len(key) <= METADATA_KEY_CHARACTERS_MAX:
                raise InvalidParameter("A metadata key has 1 to 64 characters.", param=shown(name))
            pairs.append((key, text))
        elif name not in kinds:
            raise UnknownParameter("This path does not take this parameter.", param=shown(name))
        elif name in values and kinds[name] is tuple and speech.ignored_parameters is None:
            values[name] += parse_value(name, text, tuple)
        elif name in values:
            raise InvalidParameter("This parameter stands twice: send it once.", param=name)
        else:
            values[name] = parse_value(name, text, kinds[name])
    if len(pairs) > METADATA_FILTERS_MAX:
        raise InvalidParameter(f"At most {METADATA_FILTERS_MAX} metadata filters go together.", param="metadata")
    if pairs:
        values["pairs"] = tuple(dict.fromkeys(pairs))
    try:
        return convert(values, kind)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).replace("`", "").partition(" - at $.")
        path = path.partition("[")[0]
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


def parse_value(name: str, text: str, kind: type) -> str | int | bool | list[str]:
    if kind is bool:
        if text not in BOOLEANS:
            raise InvalidParameter("This parameter is true or false.", param=name)
        return BOOLEANS[text]
    if kind is int:
        if not INTEGER.fullmatch(text):
            raise InvalidParameter("This parameter is an integer.", param=name)
        return int(text)
    return text.split(",") if kind is tuple else text


def shown(name: str) -> str | None:
    """Return a parameter's name for an error, if it is plain enough to be shown."""
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else None
