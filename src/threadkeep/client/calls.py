"""Calls of the API, ready to be sent, and whether each may be sent again when its outcome is unknown."""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode

import httpx
import msgspec
from msgspec import UNSET

from threadkeep import ids
from threadkeep.client.failures import NotSendable, UnexpectedAnswer
from threadkeep.client.fields import Tag, encodable, encode, text
from threadkeep.contract.basis import Revised
from threadkeep.decoding import decoder

T = TypeVar("T")

GENERATED_THREAD = ids.made("thread")
DOTS = (".", "..")
# A valid header value; blanks at its ends would be lost on the way.
HEADER = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `path` is quoted, `query` in order."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # Whether it may be sent again when its outcome is unknown.
    repeats: bool = True
    # For a deletion: the answer to use if it is sent again and the object is gone already.
    receipt: bytes | None = None

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not isinstance(value, str) or not HEADER.fullmatch(value):
                raise NotSendable(f"{name} is plain letters, digits and signs without line breaks, and not empty.")

    @property
    def url_path(self) -> str:
        return f"{self.path}?{urlencode(self.query, quote_via=quote)}" if self.query else self.path

    def within(self, organization_id: str | None) -> Self:
        """Return the call for this organization, unless it names one itself."""
        if organization_id is None or self.path.startswith("/v1/organizations/"):
            return self
        if any(name == "organizationId" for name, _ in self.query):
            return self
        return replace(self, query=(*self.query, ("organizationId", organization_id)))


def streamed(call: Call) -> Call:
    """Return a call whose answer is streamed: no compression, since a proxy that compresses would hold it back."""
    return replace(call, headers={**call.headers, "Accept": "text/event-stream", "Accept-Encoding": "identity"})


class HttpAnswer(NamedTuple):
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def was_replayed(self) -> bool:
        return self.headers.get("idempotent-replayed") == "true"


def path(*segments: str) -> str:
    """Return a path under /v1. Raises NotSendable for an id that would make it another path."""
    for segment in segments:
        # An escaped slash is a slash for the server too.
        if not isinstance(segment, str) or not segment or segment in DOTS or "/" in segment:
            raise NotSendable("An id is empty, no text, made of dots, or has a slash: it would name another object.")
    return "/v1/" + "/".join(quote(encodable("an id", segment), safe="") for segment in segments)


def query(organization_id: str | None = None, **parameters: Any) -> tuple[tuple[str, str], ...]:
    """Return parameters under the API's names, without those that are None, or a list without items."""
    named = {"organizationId": organization_id, **{camel(name): value for name, value in parameters.items()}}
    return tuple(
        (name, encodable(name, text(name, value))) for name, value in named.items() if value not in (None, [], ())
    )


def camel(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(each.title() for each in rest)


def read(at: str, parameters: Iterable[tuple[str, str]] = ()) -> Call:
    return Call("GET", at, tuple(parameters))


def post(
    at: str,
    body: bytes | None = None,
    *,
    idempotency_key: str | None = None,
    if_match: Tag = UNSET,
    parameters: Iterable[tuple[str, str]] = (),
) -> Call:
    """Return a POST. Its idempotency key makes it repeatable: the server answers again, and does nothing twice."""
    key = secrets.token_hex(16) if idempotency_key is None else idempotency_key
    headers = {"Idempotency-Key": key, **matching(if_match)}
    return Call("POST", at, tuple(parameters), body, headers)


def put(at: str, body: bytes, *, if_match: Tag = UNSET) -> Call:
    # With `if_match` it is not repeated: a first success changes the revision, and the second try would be refused.
    return Call("PUT", at, (), body, matching(if_match), repeats=if_match is UNSET)


def delete(
    at: str,
    *,
    receipt: Mapping[str, object] | None = None,
    if_match: Tag = UNSET,
    repeats: bool = True,
    parameters: Iterable[tuple[str, str]] = (),
) -> Call:
    done = None if receipt is None else encode("receipt", receipt)
    return Call("DELETE", at, tuple(parameters), None, matching(if_match), repeats, done)


def matching(if_match: Tag) -> dict[str, str]:
    if if_match is UNSET:
        return {}
    if not isinstance(if_match, str):
        raise TypeError("if_match is the etag of an object that was read by itself; items of lists have none.")
    return {"If-Match": if_match}


def is_generated(thread_id: str) -> bool:
    """Return whether the server made the id. A chosen id may belong to another thread after its deletion."""
    return GENERATED_THREAD.fullmatch(thread_id) is not None


def decode(answer: HttpAnswer, kind: type[T]) -> T:
    """Return the object in an answer, with its revision. Raises UnexpectedAnswer."""
    try:
        value = decoder(kind).decode(answer.content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        request_id = answer.headers.get("x-request-id", "")
        raise UnexpectedAnswer(f"The answer is not what this version expects: {error}.", request_id) from None
    if isinstance(value, Revised):
        vars(value)["tag"] = answer.headers.get("etag")
    return value


def headers_of(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
