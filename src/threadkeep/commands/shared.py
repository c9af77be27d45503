"""What all commands share: options, results for people or programs, and errors as one sentence."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from threadkeep import settings as settings_module
from threadkeep.commands.showing import harmless
from threadkeep.settings import Settings

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="sqlite:///path, a path, postgresql://…, or @FILE that holds one of these; "
        "default: THREADKEEP_DATABASE_URL.",
    ),
]
PASSWORD = re.compile(r"://[^/?#]*:[^/?#]*@|[?&]password=")
PASSWORD_IS_SEEN = (
    "Everybody on this machine can read the password in --database, in the list of processes: "
    "set THREADKEEP_DATABASE_URL, or write it into a file and give --database @FILE."
)
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def settings_for(database: str | None) -> Settings:
    """Return the settings from the environment, with the database of the command line.

    It may be given as a file that holds the URL: this keeps a password out of the process list.
    """
    settings = settings_module.load()
    if database is None:
        return settings
    if database.startswith("@"):
        database = database_in(Path(database[1:]))
    elif PASSWORD.search(database):
        typer.echo(PASSWORD_IS_SEEN, err=True)
    return replace(settings, database_url=database if "://" in database else f"sqlite:///{database}")


def database_in(path: Path) -> str:
    right = "should hold one line that names a database, as --database does, and nothing else."
    try:
        text = path.read_text().strip()
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        fail(f"{path} cannot be read ({error.strerror}): it {right}")
    if not text or "\n" in text:
        fail(f"{path} {right}")
    return text


def print_result(result: dict[str, object], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
        return
    for name, value in result.items():
        typer.echo(f"{name}: {value}")


def fail(sentence: str) -> NoReturn:
    """End the program with one sentence on standard error and exit code 1."""
    # The sentence may come from a server that is not trusted.
    typer.echo(harmless(sentence), err=True)
    raise typer.Exit(1)
