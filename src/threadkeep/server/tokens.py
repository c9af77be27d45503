"""User tokens (JWT): the server's own, and those of an outside issuer."""

import secrets
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from threadkeep import clock, ids
from threadkeep.errors import InvalidCredentials
from threadkeep.files import write_private
from threadkeep.operations.organizations.tokens import GENERATION, UserToken
from threadkeep.server.jwks import JwksCache
from threadkeep.settings import SECRET_CHARACTERS_MIN, SettingError, Settings, split

ISSUER = "threadkeep"
AUDIENCE = "threadkeep"
# Of tokens that keys make for a product's users: neither kind can be taken for the other, also by older versions.
USERS_AUDIENCE = "threadkeep-users"
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


class Verified(NamedTuple):
    """What a token says whose signature and time are right. It may have been revoked all the same."""

    user_id: str
    valid_for_s: float
    # Of a token for a product's user: which key made it, and which generation of the user's tokens it is of.
    key_id: str = ""
    generation: str = ""


class TokenVerifier:
    """Verifies tokens, and signs ours. Our own and the outside issuer's never share keys or algorithms."""

    def __init__(self, settings: Settings, secret: str) -> None:
        self._secret = secret
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._algorithms = split(settings.jwt_algorithms)
        self._jwks = JwksCache(settings.jwt_jwks_url) if settings.jwt_issuer else None

    def sign(self, token: UserToken) -> str:
        """Sign a token that a key makes for one of its product's users."""
        claims = {
            "iss": ISSUER,
            "aud": USERS_AUDIENCE,
            "sub": token.user_id,
            "exp": token.expires_s,
            "key": token.key_id,
            GENERATION: token.generation,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    async def verify(self, token: str) -> Verified:
        """Return what the token says, and for how many seconds it is still valid. Raises InvalidCredentials."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise InvalidCredentials()
        try:
            is_ours = jwt.get_unverified_header(token).get("alg") == ALGORITHM
            claims = self._own_claims(token) if is_ours else await self._outside_claims(token)
            expires_s = int(claims["exp"])
        # PyJWT does not wrap the errors that a claim of an unexpected type or size causes inside it.
        except (jwt.PyJWTError, TypeError, ValueError, OverflowError):
            raise InvalidCredentials() from None
        if expires_s > EXPIRES_S_MAX:
            raise InvalidCredentials()
        user_id = claims["sub"]
        if not isinstance(user_id, str) or not ids.OPAQUE.fullmatch(user_id):
            raise InvalidCredentials("The token's sub is not a user id: 1 to 128 of A-Z a-z 0-9 _ . : @ | -")
        valid_for_s = max(0.0, expires_s + LEEWAY_S - clock.now_ms() / 1000)
        if is_ours and claims["aud"] == USERS_AUDIENCE:
            return Verified(user_id, valid_for_s, made_id(claims, "key"), made_id(claims, GENERATION))
        return Verified(user_id, valid_for_s)

    def _own_claims(self, token: str) -> dict[str, Any]:
        """Return what a token says that is signed as ours are, with an algorithm that no outside issuer may use."""
        audience = USERS_AUDIENCE if unverified(token).get("aud") == USERS_AUDIENCE else AUDIENCE
        return decode(token, self._secret, [ALGORITHM], ISSUER, audience)

    async def _outside_claims(self, token: str) -> dict[str, Any]:
        if self._jwks is None or unverified(token).get("iss") != self._issuer:
            raise InvalidCredentials()
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in self._algorithms:
            raise InvalidCredentials()
        key = await self._jwks.key(header.get("kid"))
        return decode(token, key, self._algorithms, self._issuer, self._audience)


def made_id(claims: dict[str, Any], name: str) -> str:
    """Return the claim, an id that `new_id` made with the claim's name as its prefix. Raises InvalidCredentials."""
    value = claims.get(name)
    if not isinstance(value, str) or not ids.made(name).fullmatch(value):
        raise InvalidCredentials()
    return value


def unverified(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def decode(token: str, key: Any, algorithms: list[str], issuer: str, audience: str) -> dict[str, Any]:
    return jwt.decode(
        token, key, algorithms, issuer=issuer, audience=audience, leeway=LEEWAY_S, options={"require": REQUIRED}
    )
