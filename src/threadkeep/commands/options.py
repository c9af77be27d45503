"""Options that several commands take, declared once: where the server is, who calls, which threads are meant."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from threadkeep import ids
from threadkeep.commands.shared import fail

if TYPE_CHECKING:
    import httpx

    from threadkeep import AsyncClient, Client

CONNECTION = "Connection"
FILTERS = "Filters"
KEY_PREFIX = "tk_"

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs, one object a line.")]


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """A server and a credential for it: `api_key` or `token`, never both."""

    url: str
    api_key: str | None
    token: str | None
    organization_id: str | None

    def client(self) -> "Client":
        from threadkeep import Client

        with plain_refusals():
            return Client(self.url, api_key=self.api_key, token=self.token, organization_id=self.organization_id)

    def async_client(self, http: "httpx.AsyncClient | None" = None) -> "AsyncClient":
        from threadkeep import AsyncClient

        organization_id = self.organization_id
        with plain_refusals():
            return AsyncClient(
                self.url, api_key=self.api_key, token=self.token, organization_id=organization_id, http_client=http
            )


@contextmanager
def plain_refusals() -> Iterator[None]:
    """Turn the client's refusal of an option, such as a wrong address, into a sentence."""
    try:
        yield
    except ValueError as error:
        fail(str(error).replace("base_url", "--url").replace("user_id", "X-User-Id"))


def connection_of(
    url: Annotated[
        str | None,
        typer.Option("--url", help="The server; default: THREADKEEP_URL.", rich_help_panel=CONNECTION),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            help="An API key; default: THREADKEEP_API_KEY, which is better: others on this machine can read "
            "a command's options.",
            rich_help_panel=CONNECTION,
        ),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            "--api-key-file",
            exists=True,
            dir_okay=False,
            help="A file that holds the API key, or a user token, and nothing else.",
            rich_help_panel=CONNECTION,
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            help="A user token, for a person instead of a program; default: THREADKEEP_TOKEN, which is better, as is "
            "--api-key-file.",
            rich_help_panel=CONNECTION,
        ),
    ] = None,
    organization: Annotated[
        str | None,
        typer.Option(
            "--organization",
            help="The organization, if the credential opens several; default: THREADKEEP_ORGANIZATION.",
            rich_help_panel=CONNECTION,
        ),
    ] = None,
) -> ServerAccess:
    """Return the server and the credential from options and environment; options go first."""
    from threadkeep.client.options import from_environment
    from threadkeep.settings import Settings

    secret = secret_of(api_key, api_key_file, token)
    is_key = secret.startswith(KEY_PREFIX)
    return ServerAccess(
        url or from_environment("url") or Settings.url,
        secret if is_key else None,
        None if is_key else secret,
        organization or from_environment("organization"),
    )


def secret_of(api_key: str | None, api_key_file: Path | None, token: str | None) -> str:
    """Return the key or token that was given, else that of the environment."""
    from threadkeep.client.options import from_environment

    given = [each for each in (api_key, api_key_file, token) if each is not None]
    if len(given) > 1:
        raise typer.BadParameter("give one of --api-key, --api-key-file and --token")
    if given:
        # An empty option, as from an unset shell variable, must not fall back to the environment.
        secret = read_secret(given[0]) if isinstance(given[0], Path) else given[0]
        if not secret.strip():
            fail("The credential is empty: give a key or token, or leave the option out.")
    else:
        secret = from_environment("api_key") or from_environment("token") or ""
    if not secret:
        fail("Who is calling? Set THREADKEEP_API_KEY or THREADKEEP_TOKEN, or give --api-key-file.")
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        fail("A key or token is plain letters, digits and signs without spaces or line breaks in or around them.")
    return secret


def read_secret(path: Path) -> str:
    try:
        secret = path.read_text().strip()
    except UnicodeDecodeError:
        fail(f"{path} is no text: it should hold a key and nothing else.")
    except OSError as error:
        fail(f"{path} cannot be read ({error.strerror}): it should hold a key and nothing else.")
    return secret or fail(f"{path} is empty: it should hold a key and nothing else.")


class StateFilter(StrEnum):
    """Which states are meant."""

    OPEN = "open"
    LOCKED = "locked"
    ARCHIVED = "archived"
    ALL = "all"


def filters_of(
    state: Annotated[
        StateFilter | None, typer.Option("--state", help="Only threads in this state.", rich_help_panel=FILTERS)
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Only threads whose title holds this.", rich_help_panel=FILTERS)
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            "--metadata",
            metavar="KEY=VALUE",
            help="Only threads with this pair; may be given several times.",
            rich_help_panel=FILTERS,
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Only threads of this user.", rich_help_panel=FILTERS)
    ] = None,
    assistant: Annotated[
        str | None, typer.Option("--assistant", help="Only threads with this assistant's id.", rich_help_panel=FILTERS)
    ] = None,
    visible: Annotated[
        bool | None,
        typer.Option(
            "--visible/--hidden", help="Only threads that user interfaces show, or hide.", rich_help_panel=FILTERS
        ),
    ] = None,
    created_after: Annotated[
        str | None,
        typer.Option(
            "--created-after",
            help="Only threads created then or later: 2026-01-31 or 2026-01-31T12:00:00, local time.",
            rich_help_panel=FILTERS,
        ),
    ] = None,
    created_before: Annotated[
        str | None,
        typer.Option(
            "--created-before", metavar="TIME", help="Only threads created before then.", rich_help_panel=FILTERS
        ),
    ] = None,
) -> dict[str, Any]:
    """Return the filters as the client takes them; those that were not given are absent."""
    pairs: dict[str, list[str]] = {}
    for key, value in map(pair_of, metadata or ()):
        pairs.setdefault(key, []).append(value)
    filters = {
        "state": state and state.value,
        "title_contains": title,
        "metadata": pairs or None,
        "user_id": user,
        "assistant_id": assistant,
        "visible_in_ui": visible,
        "created_after": seconds_of(created_after),
        "created_before": seconds_of(created_before),
    }
    return {name: value for name, value in filters.items() if value is not None}


def pair_of(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise typer.BadParameter("--metadata takes KEY=VALUE, for example --metadata category=billing")
    return key, value


def seconds_of(text: str | None) -> int | None:
    """Return a time as Unix seconds; without a zone it is this machine's time."""
    if text is None:
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        raise typer.BadParameter("a time is written as 2026-01-31 or 2026-01-31T12:00:00") from None


def check_thread_ids(given: Any) -> Any:  # Any: one id, several, or none.
    """Refuse what cannot be a thread's id before anything is asked or done."""
    for each in [given] if isinstance(given, str) else given or ():
        if not ids.THREAD.fullmatch(each):
            raise typer.BadParameter(f"{each!r} is no thread's id: those begin with thread_")
    return given


ThreadArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The thread's id: thread_….", callback=check_thread_ids)
]
ThreadsArgument = Annotated[
    list[str], typer.Argument(metavar="ID…", help="Ids of threads: thread_….", callback=check_thread_ids)
]

MAKERS: dict[str, Callable[..., Any]] = {"connection": connection_of, "filters": filters_of}


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `connection_of` and `filters_of`, and pass it their results."""
    parameters = list(inspect.signature(command, eval_str=True).parameters.values())
    makers = {each.name: MAKERS[each.name] for each in parameters if each.name in MAKERS}
    taken = {name: inspect.signature(maker, eval_str=True).parameters for name, maker in makers.items()}

    @wraps(command)
    def run(**given: Any) -> None:  # Any: whatever the options' types are.
        named = {name: {each: given.pop(each) for each in taken[name]} for name in makers}
        # Nobody is asked who calls where nothing is sent.
        made = {name: None if given.get("dry_run") else makers[name](**named[name]) for name in makers}
        command(**given, **made)

    own = [each for each in parameters if each.name not in makers]
    shared = [each for several in taken.values() for each in several.values()]
    # As keywords, so that parameters with a default may come before those without.
    signature = inspect.Signature([each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own + shared])
    run.__signature__ = signature  # type: ignore[attr-defined]  # inspect.signature looks here first.
    run.__annotations__ = {each.name: each.annotation for each in own + shared}
    return run
