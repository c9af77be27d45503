"""Every setting: its environment variable is THREADKEEP_ and its name in capitals."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from threadkeep.contract.limits import TEXT_CHARACTERS_MAX

PREFIX = "THREADKEEP_"
# Variables that only clients read, besides `url` and `api_key`.
OF_CLIENTS = ("token", "organization")

SECRET_CHARACTERS_MIN = 32
# The other services whose clients are spoken to.
DIALECTS = ("openai", "ai-sdk", "ag-ui", "assistant-ui", "langgraph")
NONE = "none"
# A browser's own form: whatever differs from it never matches. Not "null", which any file and sandbox sends.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?")


class SettingError(ValueError):
    """A setting cannot be used; the message says which and what would be right."""


def setting(default: Any, meaning: str) -> Any:  # Any: a dataclass field of each setting's own type.
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Settings:
    database_url: str = setting("sqlite:///threadkeep.db", "Where the data is: sqlite:///path or postgresql://….")
    secret: str = setting("", "Signs user tokens; at least 32 characters. PostgreSQL requires it, SQLite makes one.")
    cors_origins: str = setting("", "Origins of browser applications that may call, separated by commas.")
    jwt_issuer: str = setting("", "The `iss` of an outside issuer whose user tokens are accepted.")
    jwt_audience: str = setting("", "The `aud` that tokens of the outside issuer must carry. Required with an issuer.")
    jwt_jwks_url: str = setting("", "Where the outside issuer publishes its keys (JWKS). Required with an issuer.")
    jwt_algorithms: str = setting("RS256,ES256", "Signature algorithms accepted from the outside issuer.")
    body_bytes_max: int = setting(4 * 1024 * 1024, "Largest request body, in bytes.")
    payload_bytes_max: int = setting(
        4 * 1024 * 1024, "Largest payload, in bytes of UTF-8; a body that may hold payloads may be larger by as much."
    )
    body_read_s: float = setting(30.0, "Seconds until a request body must be complete.")
    header_bytes_max: int = setting(32 * 1024, "Largest request header, in bytes.")
    header_read_s: float = setting(10.0, "Seconds until a request header must be complete.")
    connections_max: int = setting(10_000, "Connections of one process; fewer where it may open fewer files.")
    write_stall_s: float = setting(30.0, "Seconds for which a client may read next to nothing of its answer.")
    transfer_bytes_max: int = setting(256 * 1024 * 1024, "Bytes of large bodies under way, in and out, one process.")
    messages_per_call_max: int = setting(100, "Messages in one create or append.")
    rate_key_per_minute: int = setting(60_000, "Requests a minute and process for one API key.")
    rate_token_per_minute: int = setting(600, "Requests a minute and process for one user with tokens.")
    rate_refused_per_minute: int = setting(600, "Requests a minute and process without valid credentials, one address.")
    waiting_per_user_max: int = setting(32, "Open streams and waiting calls of one user at the same time, one process.")
    waiting_per_organization_max: int = setting(
        4_000, "Open streams and waiting calls of one organization, one process."
    )
    names_per_user_max: int = setting(8, "Names of one user that are generated at the same time, one process.")
    credential_cache_s: float = setting(5.0, "Seconds for which a verified credential is remembered; at most 5.")
    slow_read_s: float = setting(2.0, "Seconds after which a read that no index bounds is given up (503).")
    pool_size: int = setting(12, "PostgreSQL connections of one process.")
    drain_s: float = setting(8.0, "Seconds that running work gets after SIGTERM.")
    wal_bytes_max: int = setting(64 * 1024 * 1024, "SQLite's write-ahead log may grow to this before writes wait.")
    lease_s: float = setting(10.0, "Seconds after which a response whose process is silent counts as dead.")
    responses_per_user_max: int = setting(8, "Responses of one user that run at the same time.")
    responses_per_organization_max: int = setting(1_000, "Responses of one organization that run at the same time.")
    model_url: str = setting("", "Base URL of a server with OpenAI's chat completions, for example https://…/v1.")
    model_key: str = setting("", "The key that is sent to it.")
    model: str = setting("", "Names of its models, separated by commas; the first is the default.")
    models_file: str = setting("", "A TOML file that names more models and their servers.")
    model_connect_s: float = setting(5.0, "Seconds until a connection to a model's server must stand.")
    model_first_byte_s: float = setting(60.0, "Seconds until a model must begin to answer.")
    model_idle_s: float = setting(60.0, "Seconds that a model may be silent within an answer.")
    model_total_s: float = setting(600.0, "Seconds that one answer may take.")
    model_line_bytes_max: int = setting(1024 * 1024, "Longest line that a model's server may send, in bytes.")
    answer_characters_max: int = setting(TEXT_CHARACTERS_MAX, "Longest answer, in characters.")
    context_tokens: int = setting(8_000, "Tokens of context that a model gets unless a request or assistant says.")
    auto_name: bool = setting(True, "Whether a thread without a title is named after its first answer.")
    dialect_body_bytes_max: int = setting(
        32 * 1024 * 1024, "Largest request body of other services' clients, which send whole conversations; in bytes."
    )
    dialects: str = setting(",".join(DIALECTS), "Other services whose clients may call, separated by commas.")
    url: str = setting("http://127.0.0.1:8000", "The server that the command line talks to.")
    api_key: str = setting("", "The API key that the command line sends.")

    def __post_init__(self) -> None:
        if self.jwt_issuer and not (self.jwt_audience and self.jwt_jwks_url):
            raise SettingError("THREADKEEP_JWT_ISSUER needs THREADKEEP_JWT_AUDIENCE and THREADKEEP_JWT_JWKS_URL too.")
        if self.jwt_issuer and any(name.startswith("HS") or name == "none" for name in split(self.jwt_algorithms)):
            raise SettingError("THREADKEEP_JWT_ALGORITHMS takes public-key algorithms only, for example RS256,ES256.")
        if self.secret and len(self.secret) < SECRET_CHARACTERS_MIN:
            raise SettingError("THREADKEEP_SECRET needs at least 32 characters, as from `openssl rand -hex 32`.")
        if self.dialects != NONE and not set(split(self.dialects)) <= set(DIALECTS):
            raise SettingError(f"THREADKEEP_DIALECTS lists some of {', '.join(DIALECTS)}, or is {NONE}.")
        if not 1 <= self.lease_s <= 15:
            raise SettingError(
                "THREADKEEP_LEASE_S is 1 to 15: leases are looked at twice a second, and a worker's death is to be "
                "noticed within 20 seconds."
            )
        if self.answer_characters_max > TEXT_CHARACTERS_MAX:
            raise SettingError(
                f"THREADKEEP_ANSWER_CHARACTERS_MAX is at most {TEXT_CHARACTERS_MAX}: an answer is stored as a message, "
                "whose text has no more."
            )
        if self.credential_cache_s > 5:
            raise SettingError("THREADKEEP_CREDENTIAL_CACHE_S is at most 5, so that a revoked key is refused in time.")
        if not all(ORIGIN.fullmatch(each) for each in split(self.cors_origins)):
            raise SettingError(
                "THREADKEEP_CORS_ORIGINS lists origins one by one, as browsers send them: https://app.example.com, in "
                "small letters, with a port if there is one, without a path, without *, and with commas between them."
            )
        for each in fields(self):
            if each.type in (int, float) and not getattr(self, each.name) > 0:
                raise SettingError(f"{variable(each.name)} must be more than 0.")


def split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def variable(name: str) -> str:
    return PREFIX + name.upper()


def unknown(environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield a warning for each THREADKEEP_ variable that is not a setting: it has no effect, probably misspelt."""
    known = [each.name.upper() for each in fields(Settings)] + [name.upper() for name in OF_CLIENTS]
    for name in sorted(environment):
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in known:
            near = difflib.get_close_matches(name.removeprefix(PREFIX), known, 1)
            hint = f"was {PREFIX}{near[0]} meant?" if near else "docs/settings.md lists those that there are."
            yield f"There is no setting {name}, and it changes nothing: {hint}"


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from the environment. Raises SettingError for a value of the wrong kind."""
    given: dict[str, Any] = {}
    for each in fields(Settings):
        text = environment.get(variable(each.name))
        if text is None or text == "":
            continue
        given[each.name] = parse(each.name, type(each.default), text)
    return Settings(**given)


def parse(name: str, kind: Any, text: str) -> Any:  # Any: bool, int, float or str, whichever the setting's default is.
    if kind is bool:
        if text not in ("true", "false"):
            raise SettingError(f"{variable(name)} must be true or false.")
        return text == "true"
    try:
        return kind(text)
    except ValueError:
        raise SettingError(f"{variable(name)} must be a number.") from None
