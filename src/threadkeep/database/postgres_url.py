"""Reads a PostgreSQL URL: each host, and each parameter; one that is not supported is refused with a sentence."""

import configparser
import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from threadkeep.settings import SettingError

MALFORMED = (
    "THREADKEEP_DATABASE_URL is no address: write postgresql://user:password@host:5432/name, "
    "with %40, %2F, %3F and %23 for @ / ? and # in a password."
)

# Parameters that are left to the driver.
PASSED = frozenset(
    (
        "host",
        "port",
        "dbname",
        "database",
        "user",
        "password",
        "passfile",
        "service",
        "options",
        "target_session_attrs",
        "krbsrvname",
        "gsslib",
        "sslmode",
        "sslnegotiation",
        "sslcert",
        "sslkey",
        "sslpassword",
        "sslrootcert",
        "sslcrl",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
    )
)

# Parameters of libpq that threadkeep reads itself.
OURS = frozenset(("application_name", "connect_timeout", "servicefile"))

# Parameters of libpq that have no effect here, with the values that are accepted; an empty tuple accepts any value.
WITHOUT_EFFECT: dict[str, tuple[str, ...]] = {
    "channel_binding": ("prefer", "disable"),
    "client_encoding": ("utf8", "utf-8", "unicode", "auto"),
    "fallback_application_name": (),
    "gssdelegation": ("0",),
    "gssencmode": ("prefer", "disable"),
    # Not needed: a statement that is not answered in time ends its connection.
    "keepalives": (),
    "keepalives_count": (),
    "keepalives_idle": (),
    "keepalives_interval": (),
    "load_balance_hosts": ("disable",),
    "max_protocol_version": ("latest", "3.0", "3.2"),
    "min_protocol_version": ("3.0",),
    "replication": ("false", "off", "no", "0"),
    "requiressl": ("0",),
    "sslcertmode": ("allow",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
    "tcp_user_timeout": (),
}

# Parameters of libpq that the driver cannot honour. Refused, since people rely on them.
NOT_KEPT = frozenset(
    (
        "hostaddr",
        "require_auth",
        "requirepeer",
        "scram_client_key",
        "scram_server_key",
        "sslcrldir",
        "sslkeylogfile",
        "oauth_issuer",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_scope",
    )
)

CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "gsslib": ("gssapi", "sspi"),
}
FILES = ("passfile", "servicefile", "sslcert", "sslkey", "sslrootcert", "sslcrl")

POOL = "how many connections there are is THREADKEEP_POOL_SIZE."
SCHEMA = "write options=-csearch_path%3Dname."
TLS = "write sslmode=require, or sslmode=verify-full."
SESSION = "threadkeep sets that itself."
# Parameters of other programs' URLs, and what to write here instead.
INSTEAD = {
    "pgbouncer": "threadkeep keeps connections itself and needs no pooler in between (docs/deployment.md).",
    "schema": SCHEMA, "currentSchema": SCHEMA, "search_path": SCHEMA,
    "connection_limit": POOL, "pool_timeout": POOL, "pool_size": POOL, "max_overflow": POOL, "pool_max_conns": POOL,
    "ssl": TLS, "sslaccept": TLS, "useSSL": TLS, "sslidentity": TLS,
    "prepareThreshold": SESSION, "prepared_statement_cache_size": SESSION, "statement_cache_size": SESSION,
    "statement_timeout": SESSION, "lock_timeout": SESSION, "socket_timeout": SESSION, "command_timeout": SESSION,
}  # fmt: skip
KNOWN = sorted(PASSED | OURS | WITHOUT_EFFECT.keys())


@dataclass(frozen=True)
class Address:
    """Where a database is: a URL for each host, in order, and the settings that all share."""

    urls: tuple[str, ...]
    # `target_session_attrs` of the URL, or None.
    target_session_attrs: str | None = None
    application_name: str | None = None
    connect_timeout_s: float | None = None
    servicefile: str | None = None


def read_url(url: str) -> Address:
    """Parse `url`. Raises SettingError, which never quotes a value: it may be the password."""
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        credentials, at, hosts = parts.netloc.rpartition("@")
        netlocs = [f"{credentials}{at}{host}" for host in hosts.split(",")]
        for each in netlocs:
            _ = urlsplit(f"//{each}").port
    except ValueError:
        raise SettingError(MALFORMED) from None
    # An unescaped sign in a password, like #, cuts the URL short.
    if parts.fragment or (not at and "@" in parts.path + parts.query):
        raise SettingError(MALFORMED)
    given = {name: values[-1] for name, values in query.items()}
    for name, value in given.items():
        check(name, value)
    check_service(given)
    passed = {name: value for name, value in given.items() if name in PASSED}
    return Address(
        tuple(
            urlunsplit(parts._replace(netloc=netloc, query=urlencode({**passed, **place})))
            for netloc, place in places(netlocs, passed)
        ),
        given.get("target_session_attrs"),
        given.get("application_name"),
        seconds(given.get("connect_timeout", "0")),
        given.get("servicefile"),
    )


def places(netlocs: list[str], given: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    """Return each host's address and query parameters; `?host=a,b&port=1,2` names several hosts too."""
    hosts, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    if len(netlocs) > 1 or len(hosts) == 1:
        return [(netloc, {}) for netloc in netlocs]
    if len(ports) not in (1, len(hosts)):
        raise SettingError("THREADKEEP_DATABASE_URL has another number of ports than of hosts.")
    ports = ports if len(ports) > 1 else ports * len(hosts)
    pairs = zip(hosts, ports, strict=True)
    return [(netlocs[0], {"host": host, **({"port": port} if port else {})}) for host, port in pairs]


def check(name: str, value: str) -> None:
    """Raise SettingError for a parameter or value that is not supported."""
    if name in CHOICES and value not in CHOICES[name]:
        raise SettingError(f"THREADKEEP_DATABASE_URL: {name} takes one of {', '.join(CHOICES[name])}.")
    if name in FILES:
        check_file(name, value)
    if name == "port" and not all(each.isdecimal() for each in value.split(",")):
        raise SettingError(MALFORMED)
    if name in PASSED or name in OURS:
        return
    if name in NOT_KEPT or (WITHOUT_EFFECT.get(name) and value.lower() not in WITHOUT_EFFECT[name]):
        raise SettingError(
            f"threadkeep cannot keep to the parameter {name} of THREADKEEP_DATABASE_URL, as it is given: leave it out, "
            "if you can do without what it promises (sslmode=verify-full proves who the server is)."
        )
    if name not in WITHOUT_EFFECT:
        raise SettingError(
            f"threadkeep does not know the parameter {name} of THREADKEEP_DATABASE_URL: leave it out; "
            f"{instead_of(name)}"
        )


def instead_of(name: str) -> str:
    if name in INSTEAD:
        return INSTEAD[name]
    near = difflib.get_close_matches(name, KNOWN, 1)
    return f"or was {near[0]} meant?" if near else "docs/deployment.md lists those that it knows."


def check_file(name: str, value: str) -> None:
    try:
        with Path(value).open("rb"):
            return
    except OSError:
        raise SettingError(f"The file of {name} in THREADKEEP_DATABASE_URL cannot be read.") from None


def check_service(given: dict[str, str]) -> None:
    """Raise SettingError for a service that its file lacks: the driver would silently connect elsewhere."""
    if "service" not in given:
        return
    file = given.get("servicefile") or os.environ.get("PGSERVICEFILE") or Path("~/.pg_service.conf").expanduser()
    services = configparser.ConfigParser(interpolation=None)
    try:
        services.read(file)
    except configparser.Error:
        raise SettingError(f"The file of services, {file}, cannot be read as one.") from None
    if given["service"] not in services:
        raise SettingError(f"There is no service of the name in THREADKEEP_DATABASE_URL in {file}.")


def seconds(text: str) -> float | None:
    """Return `connect_timeout` in seconds; None for 0 and less, which in libpq mean no limit."""
    try:
        value = int(text)
    except ValueError:
        raise SettingError("THREADKEEP_DATABASE_URL: connect_timeout takes a whole number of seconds.") from None
    return float(value) if value > 0 else None
