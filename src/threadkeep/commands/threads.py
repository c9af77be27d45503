"""`threadkeep threads`: list, show and change threads."""

from collections.abc import Callable
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from threadkeep.commands import exporting
from threadkeep.commands.options import JsonOption, ServerAccess, ThreadArgument, ThreadsArgument, with_options
from threadkeep.commands.shared import fail
from threadkeep.commands.showing import harmless, print_json
from threadkeep.errors import Conflict, NotFound, PermissionDenied

if TYPE_CHECKING:
    from threadkeep import Client
    from threadkeep.client import Thread

PER_CALL_MAX = 100

app = typer.Typer(
    no_args_is_help=True,
    help="List, show and change threads.",
    epilog="Example: threadkeep threads list --state locked --metadata category=billing",
)


class Sort(StrEnum):
    """By which time threads are sorted."""

    CREATED_AT = "createdAt"
    UPDATED_AT = "updatedAt"


class Order(StrEnum):
    """In which direction."""

    ASC = "asc"
    DESC = "desc"


@app.command("list", epilog="Example: threadkeep threads list --state all --title invoice --sort updatedAt --limit 50")
@with_options
def list_threads(
    connection: ServerAccess,
    filters: dict[str, Any],
    sort: Annotated[Sort, typer.Option("--sort", help="By which time.")] = Sort.CREATED_AT,
    order: Annotated[Order, typer.Option("--order", help="desc: the newest first.")] = Order.DESC,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="All of them, however many.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List threads, as a table or with --json one object a line. Archived ones only with --state."""
    from threadkeep.commands.tables import print_threads

    with connection.client() as client:
        per_call = PER_CALL_MAX if every else min(limit, PER_CALL_MAX)
        listed = client.threads.list(**filters, sort=sort.value, order=order.value, limit=per_call)
        chosen = listed if every else islice(listed, limit)
        if as_json:
            for thread in chosen:
                print_json(thread)
        else:
            print_threads(chosen)


@app.command(epilog="Example: threadkeep threads show thread_tour --limit 5")
@with_options
def show(
    connection: ServerAccess,
    thread_id: ThreadArgument,
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many of its last messages at most.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="All of its messages.")] = False,
    branch: Annotated[
        str | None, typer.Option("--branch", help="Of one line alone: current, or the id of its last message.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a thread with its last messages; with --json as one object, whose `messages` are these."""
    from threadkeep.commands.tables import print_messages, print_thread

    with connection.client() as client:
        thread = client.threads.retrieve(thread_id)
        messages = client.threads.messages.list(thread_id, order="desc", branch=branch)
        shown = list(messages if every else islice(messages, limit))[::-1]
    if as_json:
        print_json({**fields_of(thread), "messages": shown})
    else:
        print_thread(thread)
        print_messages(shown)


@app.command(epilog="Example: threadkeep threads lock thread_tour thread_lea-1")
@with_options
def lock(connection: ServerAccess, thread_ids: ThreadsArgument, as_json: JsonOption = False) -> None:
    """Lock threads: they take no messages any more, only metadata. A running answer ends."""
    change(connection, thread_ids, lambda client, thread_id: client.threads.lock(thread_id), as_json)


@app.command(epilog="Example: threadkeep threads unlock thread_tour")
@with_options
def unlock(connection: ServerAccess, thread_ids: ThreadsArgument, as_json: JsonOption = False) -> None:
    """Unlock threads."""
    change(connection, thread_ids, lambda client, thread_id: client.threads.unlock(thread_id), as_json)


@app.command(epilog="Example: threadkeep threads archive thread_tour")
@with_options
def archive(connection: ServerAccess, thread_ids: ThreadsArgument, as_json: JsonOption = False) -> None:
    """Archive threads: they leave the lists and take no changes. A running answer ends."""
    change(connection, thread_ids, lambda client, thread_id: client.threads.archive(thread_id), as_json)


@app.command(epilog="Example: threadkeep threads unarchive thread_tour")
@with_options
def unarchive(connection: ServerAccess, thread_ids: ThreadsArgument, as_json: JsonOption = False) -> None:
    """Take threads back out of the archive; what was locked before is locked still."""
    change(connection, thread_ids, lambda client, thread_id: client.threads.unarchive(thread_id), as_json)


@app.command(epilog='Example: threadkeep threads rename thread_tour "Broken invoice"')
@with_options
def rename(
    connection: ServerAccess,
    thread_id: ThreadArgument,
    title: Annotated[str | None, typer.Argument(metavar="TITLE", help="At most 200 characters.")] = None,
    generate: Annotated[bool, typer.Option("--generate", help="Have the server make a title.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a thread a title, or have one made of its messages."""
    if (title is None) is not generate:
        raise typer.BadParameter("give a TITLE, or --generate")

    def give_title(client: "Client", thread_id: str) -> "Thread":
        if title is not None:
            return client.threads.update(thread_id, title=title)
        client.threads.generate_name(thread_id)
        return client.threads.retrieve(thread_id)

    change(connection, [thread_id], give_title, as_json)


@app.command(epilog='Example: threadkeep threads copy thread_tour --title "The tour, once more"')
@with_options
def copy(
    connection: ServerAccess,
    thread_id: ThreadArgument,
    message_id: Annotated[
        str | None, typer.Option("--message", help="The last message of the line to copy; else the newest.")
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="Of the copy; else the same.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the current line of a thread, or the line to a message, into a new thread."""
    titled: dict[str, Any] = {} if title is None else {"title": title}
    change(
        connection,
        [thread_id],
        lambda client, thread_id: client.threads.copy(thread_id, message_id=message_id, **titled),
        as_json,
    )


@app.command(epilog="Example: threadkeep threads delete thread_tour --yes")
@with_options
def delete(
    connection: ServerAccess,
    thread_ids: ThreadsArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete threads with all their messages, for good."""
    if not yes:
        what = thread_ids[0] if len(thread_ids) == 1 else f"{len(thread_ids)} threads"
        if not typer.confirm(f"Delete {what} for good?", err=True):
            fail("Nothing was deleted.")
    change(connection, thread_ids, lambda client, thread_id: client.threads.delete(thread_id), as_json)


def change(
    connection: ServerAccess, thread_ids: list[str], action: "Callable[[Client, str], Any]", as_json: bool
) -> None:
    """Do `action` to each thread and print the result. After an error the others go on, and the exit code is 1."""
    from threadkeep.commands.tables import print_thread

    refused_count = 0
    with connection.client() as client:
        for thread_id in dict.fromkeys(thread_ids):
            try:
                result = action(client, thread_id)
            except (NotFound, Conflict, PermissionDenied) as error:
                typer.echo(harmless(f"{thread_id}: {error}"), err=True)
                refused_count += 1
                continue
            if as_json:
                print_json(result)
            elif result.object == "thread":
                print_thread(result)
            else:
                typer.echo(f"{thread_id} is deleted")
    if refused_count:
        raise typer.Exit(1)


def fields_of(thread: "Thread") -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(thread))
    return fields


app.command("export", epilog="Example: threadkeep threads export thread_tour thread_lea-1 --out two.jsonl")(
    exporting.export_these
)
