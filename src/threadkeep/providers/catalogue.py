"""The configured models: their names, and the provider of each."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from threadkeep.decoding import convert
from threadkeep.providers import Provider, echo
from threadkeep.providers.echo import Echo
from threadkeep.providers.manners import (
    CallIds,
    CallsNeed,
    Manners,
    ReasoningBack,
    Roles,
    SystemTexts,
    ToolCallForm,
    manners_of,
)
from threadkeep.providers.openai_chat import LimitName, OpenAiChat, Patience, parse_address
from threadkeep.settings import SettingError, Settings, split

NAME_CHARACTERS_MAX = 256
# The table that answers for every name that has none of its own.
ANY = "*"

MANNERS = [field.name for field in fields(Manners)]
RIGHT_TABLE = f"A table has url, and if you like model, key or key_env, default, limit_name, {', '.join(MANNERS)}."


# A model's provider, and the model's name there; of ["*"] the name is empty unless its table says one.
Model: TypeAlias = tuple[Provider, str]


class ModelTable(msgspec.Struct, forbid_unknown_fields=True):
    """One table of the models file; its name is the model's."""

    url: str
    model: Annotated[str, Meta(min_length=1)] | None = None
    key: str | None = None
    key_env: str | None = None
    default: bool = False
    limit_name: LimitName | None = None
    # If these are left out, the server's address decides.
    roles: Roles | None = None
    system: SystemTexts | None = None
    tool_calls: ToolCallForm | None = None
    call_ids: CallIds | None = None
    reasoning: ReasoningBack | None = None
    calls_need: CallsNeed | None = None


class Catalogue:
    """The models of the settings; without any, the built-in `echo`, which answers to its name in any case.

    Raises SettingError, whose message never holds a key.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        self._patience = Patience(
            settings.model_connect_s,
            settings.model_first_byte_s,
            settings.model_idle_s,
            settings.model_total_s,
            settings.model_line_bytes_max,
        )
        self._servers: dict[tuple[str, str, LimitName | None, Manners], OpenAiChat] = {}
        self._models: dict[str, Model] = {}
        self._for_others: Model | None = None
        self._default: str | None = None
        self._add_settings(settings)
        self._add_file(settings.models_file, environment)
        self._models[echo.NAME] = (Echo(), echo.NAME)

    @property
    def default(self) -> str:
        return self._default or next(iter(self._models))

    @property
    def names(self) -> Sequence[str]:
        """The names that have a server of their own, in the order of the configuration."""
        return list(self._models)

    @property
    def takes_any_name(self) -> bool:
        return self._for_others is not None

    def known(self, name: str) -> bool:
        return name in self._models or self.takes_any_name

    def provider(self, name: str) -> Model:
        """Return a model's provider, and the model's name at that provider. Raises KeyError."""
        if name in self._models or self._for_others is None:
            return self._models[name]
        provider, upstream_name = self._for_others
        return provider, upstream_name or name

    def shown_as(self, name: str) -> str:
        """Return the name to log: one that has no server of its own is a caller's text, of which there may be many."""
        return name if name in self._models else ANY

    def manners(self, name: str) -> Manners:
        """Return what a model's server demands of a history. Raises KeyError."""
        provider, _ = self.provider(name)
        return provider.manners if isinstance(provider, OpenAiChat) else Manners(reasoning="never")

    def maker(self, name: str) -> str:
        """Return the name that marks data to send back to this model: its own and its server's. Raises KeyError."""
        provider, upstream_name = self.provider(name)
        return f"{upstream_name} {provider.host}" if isinstance(provider, OpenAiChat) else name

    def address(self, name: str) -> str:
        """Return the address of a model's server, for the operator; empty for a model without one."""
        provider, _ = self.provider(name) if self.known(name) else (None, "")
        return provider.address if isinstance(provider, OpenAiChat) else ""

    async def close(self) -> None:
        for server in self._servers.values():
            await server.close()

    def _add_settings(self, settings: Settings) -> None:
        names = split(settings.model)
        if bool(settings.model_url) != bool(names) or (settings.model_key and not names):
            raise SettingError(
                "THREADKEEP_MODEL_URL, THREADKEEP_MODEL and perhaps THREADKEEP_MODEL_KEY go together: set the address "
                "and the names of its models, or neither for the built-in echo."
            )
        if not names:
            return
        table = ModelTable(settings.model_url)
        server = self._server(table, settings.model_key, "THREADKEEP_MODEL_URL", "THREADKEEP_MODEL_KEY")
        for name in names:
            self._add(name, server, name, "THREADKEEP_MODEL")

    def _add_file(self, path: str, environment: Mapping[str, str]) -> None:
        if not path:
            return
        place = f"THREADKEEP_MODELS_FILE {path}"
        tables = read_file(path, place)
        if sum(table.default for table in tables.values()) > 1:
            raise SettingError(f"{place}: more than one table has default = true; one may.")
        for name, table in tables.items():
            in_table = f'{place}: ["{name}"]'
            key = key_of(table, in_table, environment)
            server = self._server(table, key, f"{in_table} url", f"{in_table} key")
            if name == ANY:
                self._add_for_others(server, table, in_table)
                continue
            self._add(name, server, table.model or name, in_table)
            if table.default:
                self._default = name

    def _add_for_others(self, server: OpenAiChat, table: ModelTable, place: str) -> None:
        if table.default:
            raise SettingError(
                f"{place} answers for all other names, and the default needs one: give it its own table."
            )
        self._for_others = (server, table.model or "")

    def _add(self, name: str, server: OpenAiChat, upstream_name: str, place: str) -> None:
        if name == echo.NAME:
            raise SettingError(f"{place}: echo is the name of the built-in model; choose another.")
        if name == ANY:
            raise SettingError(f'{place}: a server for all names is a table ["*"] in THREADKEEP_MODELS_FILE.')
        if name in self._models:
            raise SettingError(f"{place} names a model that is named already; every name has one server.")
        if not 0 < len(name) <= NAME_CHARACTERS_MAX:
            raise SettingError(f"{place}: the name of a model has 1 to {NAME_CHARACTERS_MAX} characters.")
        self._models[name] = (server, upstream_name)

    def _server(self, table: ModelTable, key: str, url_place: str, key_place: str) -> OpenAiChat:
        """Return the server's provider. Models of one server share it, and so its connections."""
        try:
            address = parse_address(table.url)
        except ValueError as error:
            raise SettingError(f"{url_place} {error}") from None
        given = {name: value for name in MANNERS if (value := getattr(table, name)) is not None}
        wanted = (table.url, key, table.limit_name, replace(manners_of(address.host), **given))
        if wanted not in self._servers:
            try:
                self._servers[wanted] = OpenAiChat(table.url, key, self._patience, *wanted[2:])
            except ValueError as error:
                raise SettingError(f"{key_place} {error}") from None
        return self._servers[wanted]


def read_file(path: str, place: str) -> dict[str, ModelTable]:
    try:
        with Path(path).open("rb") as file:
            tables = tomllib.load(file)
    except OSError:
        raise SettingError(f"{place} cannot be read: give the path of a TOML file.") from None
    except ValueError:
        raise SettingError(f"{place} is not TOML: write a table [name] with url for each model.") from None
    try:
        return convert(tables, dict[str, ModelTable])
    except msgspec.ValidationError as error:
        raise SettingError(f"{place}: {error}. {RIGHT_TABLE} A name with a dot needs quotes.") from None


def key_of(table: ModelTable, place: str, environment: Mapping[str, str]) -> str:
    if table.key is not None and table.key_env is not None:
        raise SettingError(f"{place} has key and key_env: give one of them.")
    if table.key_env is None:
        return table.key or ""
    key = environment.get(table.key_env, "")
    if not key:
        raise SettingError(f"{place} key_env names an environment variable that is not set.")
    return key
