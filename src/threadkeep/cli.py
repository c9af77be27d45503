"""The command line: `threadkeep serve`, `admin`, `import`, `verify`."""

from typing import Annotated

import typer

from threadkeep import __version__
from threadkeep.commands import admin, importing, logs, verify
from threadkeep.commands.shared import DatabaseOption, fail, settings_for

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Conversation threads for products with an AI assistant.",
)
app.add_typer(admin.app, name="admin")
app.command("import")(importing.import_file)
app.command("verify")(verify.verify)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 chooses a free one.")] = 8000,
    database: DatabaseOption = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; PostgreSQL only.")] = 1,
) -> None:
    """Serve the API. Creates or migrates the database by itself."""
    from threadkeep.commands import serve as command

    command.serve(settings_for(database), host, port, workers)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run a command; what a person can mend ends as one sentence and exit code 1."""
    from threadkeep.database.migrate import SchemaMismatch
    from threadkeep.errors import ApiError
    from threadkeep.settings import SettingError

    logs.configure()
    try:
        app()
    except (SettingError, SchemaMismatch, ApiError, OSError) as error:
        try:
            fail(str(error))
        except typer.Exit as end:
            raise SystemExit(end.exit_code) from None


if __name__ == "__main__":
    main()
