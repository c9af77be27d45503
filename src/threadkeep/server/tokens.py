"""User tokens (JWT): the server's own, and those of an outside issuer."""

import secrets
from pathlib import Path
from typing import Any

import jwt

from threadkeep import clock, ids
from threadkeep.errors import InvalidCredentials
from threadkeep.files import write_private
from threadkeep.server.jwks import JwksCache
from threadkeep.settings import SECRET_CHARACTERS_MIN, SettingError, Settings, split

ISSUER = "threadkeep"
AUDIENCE = "threadkeep"
ALGORITHM = "HS256"
LEEWAY_S = 5
TOKEN_CHARACTERS_MAX = 8192
REQUIRED = ["exp", "sub"]
EXPIRES_S_MAX = 2**53


def server_secret(settings: Settings, sqlite_file: Path | None, *, makes_one: bool = True) -> str:
    """Return the secret that signs our own tokens: the setting, or a file beside the SQLite file with mode 0600.

    A missing file is created if `makes_one`. Raises SettingError if the secret is missing or too short.
    """
    if settings.secret:
        return settings.secret
    if sqlite_file is None:
        raise SettingError("PostgreSQL needs THREADKEEP_SECRET: at least 32 characters, the same in every process.")
    path = Path(f"{sqlite_file}.secret")
    if not path.exists():
        if not makes_one:
            raise SettingError(f"There is no secret at {path}: set the THREADKEEP_SECRET that the server has.")
        write_private(path, secrets.token_hex(32))
    secret = path.read_text(errors="replace").strip()
    if len(secret) < SECRET_CHARACTERS_MIN:
        raise SettingError(
            f"{path} holds no secret of {SECRET_CHARACTERS_MIN} characters: put the one of a backup in its place, or "
            "delete it; then everybody needs a new user token."
        )
    return secret


def make_token(secret: str, user_id: str, valid_for_s: int) -> str:
    now_s = clock.now_ms() // 1000
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user_id, "iat": now_s, "exp": now_s + valid_for_s}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


class TokenVerifier:
    """Verifies tokens. Our own and the outside issuer's never share keys or algorithms."""

    def __init__(self, settings: Settings, secret: str) -> None:
        self._secret = secret
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._algorithms = split(settings.jwt_algorithms)
        self._jwks = JwksCache(settings.jwt_jwks_url) if settings.jwt_issuer else None

    async def verify(self, token: str) -> tuple[str, float]:
        """Return the user id and for how many seconds the token is still valid. Raises InvalidCredentials."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise InvalidCredentials()
        try:
            claims = await self._claims(token)
            expires_s = int(claims["exp"])
        # PyJWT does not wrap the errors that a claim of an unexpected type or size causes inside it.
        except (jwt.PyJWTError, TypeError, ValueError, OverflowError):
            raise InvalidCredentials() from None
        if expires_s > EXPIRES_S_MAX:
            raise InvalidCredentials()
        user_id = claims["sub"]
        if not isinstance(user_id, str) or not ids.OPAQUE.fullmatch(user_id):
            raise InvalidCredentials("The token's sub is not a user id: 1 to 128 of A-Z a-z 0-9 _ . : @ | -")
        return user_id, max(0.0, expires_s + LEEWAY_S - clock.now_ms() / 1000)

    async def _claims(self, token: str) -> dict[str, Any]:
        if self._jwks is not None and unverified_issuer(token) == self._issuer:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self._algorithms:
                raise InvalidCredentials()
            key = await self._jwks.key(header.get("kid"))
            return decode(token, key, self._algorithms, self._issuer, self._audience)
        return decode(token, self._secret, [ALGORITHM], ISSUER, AUDIENCE)


def unverified_issuer(token: str) -> Any:
    return jwt.decode(token, options={"verify_signature": False}).get("iss")


def decode(token: str, key: Any, algorithms: list[str], issuer: str, audience: str) -> dict[str, Any]:
    return jwt.decode(
        token, key, algorithms, issuer=issuer, audience=audience, leeway=LEEWAY_S, options={"require": REQUIRED}
    )
