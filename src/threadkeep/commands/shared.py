"""What all commands share: options, results for people or programs, and errors as one sentence."""

import json
from dataclasses import replace
from typing import Annotated, NoReturn

import typer

from threadkeep import settings as settings_module
from threadkeep.commands.showing import harmless
from threadkeep.settings import Settings

DatabaseOption = Annotated[
    str | None,
    typer.Option("--database", help="sqlite:///path, a path, or postgresql://…; default: THREADKEEP_DATABASE_URL."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def settings_for(database: str | None) -> Settings:
    """Return the settings from the environment, with the database of the command line."""
    settings = settings_module.load()
    if database is None:
        return settings
    return replace(settings, database_url=database if "://" in database else f"sqlite:///{database}")


def print_result(result: dict[str, object], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
        return
    for name, value in result.items():
        typer.echo(f"{name}: {value}")


def fail(sentence: str) -> NoReturn:
    """End the program with one sentence on standard error and exit code 1."""
    # A server may be another program, or one that lies.
    typer.echo(harmless(sentence), err=True)
    raise typer.Exit(1)
