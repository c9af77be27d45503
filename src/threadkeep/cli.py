"""The `threadkeep` command line. Heavy imports wait until a command needs them, so that each starts fast."""

from typing import Annotated

import typer

from threadkeep import __version__, settings
from threadkeep.commands import admin, chat, exporting, importing, logs, threads, verify
from threadkeep.commands.shared import DatabaseOption, fail, settings_for
from threadkeep.commands.showing import harmless

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Conversation threads for products with an AI assistant.",
    epilog="Example: threadkeep serve, and in another terminal, with THREADKEEP_API_KEY set: threadkeep chat",
)
app.command("chat", epilog="Example: threadkeep chat --continue")(chat.chat)
app.add_typer(threads.app, name="threads")
app.command("export", epilog="Example: threadkeep export --out threads.jsonl.gz --created-after 2026-01-01")(
    exporting.export_matching
)
app.command("import", epilog="Example: threadkeep import threads.jsonl.gz")(importing.import_file)
app.add_typer(admin.app, name="admin")
app.command("verify", epilog="Example: threadkeep verify --database sqlite:///threadkeep.db")(verify.verify)


@app.command(epilog="Example: threadkeep serve --port 8080 --database postgresql://threadkeep@localhost/threadkeep")
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 chooses a free one.")] = 8000,
    database: DatabaseOption = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; PostgreSQL only.")] = 1,
) -> None:
    """Serve the API. Creates or migrates the database by itself."""
    from threadkeep.commands import serve as command

    command.serve(settings_for(database), host, port, workers)


def show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(__version__)
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    for sentence in settings.unknown():
        typer.echo(harmless(sentence), err=True)


@app.command(epilog="Example: threadkeep version")
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run a command. An error that the user can fix is shown as one sentence, with exit code 1."""
    logs.configure()
    try:
        app()
    except mendable() as error:
        try:
            fail(str(error))
        except typer.Exit as end:
            raise SystemExit(end.exit_code) from None


def mendable() -> tuple[type[Exception], ...]:
    """Return the errors that `main` shows as a sentence. Their modules are imported only after a failure."""
    from threadkeep.database.migrate import SchemaMismatch
    from threadkeep.errors import ThreadkeepError
    from threadkeep.settings import SettingError

    return (SettingError, SchemaMismatch, ThreadkeepError, OSError)
