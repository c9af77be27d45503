"""A client's options: the server, the credential, and how long to wait."""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from threadkeep import __version__, ids
from threadkeep.settings import Settings, variable

# A valid credential in a header.
CREDENTIAL = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Options:
    """`timeout_s`: how long a server may be silent; `total_timeout_s`: how long a call may take with its retries.

    Streams have no total. They may be silent for `stream_timeout_s`: the server sends something every 15 s.
    """

    base_url: str
    credential: Mapping[str, str] = field(repr=False)
    user_id: str | None
    organization_id: str | None
    connect_timeout_s: float
    timeout_s: float
    total_timeout_s: float
    stream_timeout_s: float
    retries_max: int

    def __post_init__(self) -> None:
        if self.user_id is not None and not ids.OPAQUE.fullmatch(self.user_id):
            raise ValueError("user_id is a user id: 1 to 128 of A-Z a-z 0-9 _ . : @ | -")
        if self.retries_max < 0:
            raise ValueError("retries_max is 0 or more.")
        for name in ("connect_timeout_s", "timeout_s", "total_timeout_s", "stream_timeout_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is more than 0.")

    @property
    def headers(self) -> dict[str, str]:
        acting = {} if self.user_id is None else {"X-User-Id": self.user_id}
        return {"User-Agent": f"threadkeep-python/{__version__}", **self.credential, **acting}

    def timeout(self, silence_s: float) -> httpx.Timeout:
        return httpx.Timeout(silence_s, connect=min(self.connect_timeout_s, silence_s))

    def __str__(self) -> str:
        acting = "" if self.user_id is None else f" for {self.user_id}"
        return f"{self.base_url}{acting}"


def from_environment(name: str) -> str | None:
    """Return one setting. Each is read alone, so that a mistake in a server's setting does not stop a client."""
    return os.environ.get(variable(name)) or None


def address(base_url: str | None) -> str:
    """Return the server's address without a slash at the end. Raises ValueError if it is none."""
    text = base_url or from_environment("url") or Settings.url
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url is an address such as http://127.0.0.1:8000")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("base_url has no user, query or fragment: give the credential as api_key or token.")
    if url.path.rstrip("/").endswith("/v1"):
        raise ValueError("base_url ends before /v1, which the calls add themselves.")
    return text.rstrip("/")


def credential(api_key: str | None, token: str | None) -> dict[str, str]:
    """Return the header with the credential. Arguments go before the environment, a key before a token.

    Raises ValueError without showing the secret.
    """
    if api_key is not None and token is not None:
        raise ValueError("Give api_key or token, not both.")
    if api_key is None and token is None:
        api_key, token = from_environment("api_key"), from_environment("token")
    secret = api_key or token
    if secret is None:
        return {}
    if not CREDENTIAL.fullmatch(secret):
        raise ValueError("api_key or token has a character that no credential has: a space or a line break?")
    return {"X-API-Key": secret} if api_key else {"Authorization": f"Bearer {secret}"}


# Each stream holds a connection for as long as it lasts.
LIMITS = httpx.Limits(max_connections=1_000, max_keepalive_connections=100)


def certificates(base_url: str) -> ssl.SSLContext | bool:
    """Return the certificates to check a server's with; none for http, since reading them takes long."""
    return httpx.create_ssl_context() if httpx.URL(base_url).scheme == "https" else False
