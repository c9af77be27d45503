"""An outside issuer of user tokens: real RSA keys, and a loopback server that publishes them (JWKS)."""

import base64
import hashlib
import hmac
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://login.example.com/"
AUDIENCE = "threadkeep-tests"


class Issuer:
    """Signs tokens with its keys; `published` is what its JWKS address answers."""

    def __init__(self) -> None:
        self.keys = {
            name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("first", "second")
        }
        self.published = ["first"]
        self.requests_count = 0
        # What it says instead of its keys; nothing at all (b"") ends with a reset.
        self.nonsense: bytes | None = None
        # What it does instead of answering, with the connection.
        self.misbehave: Callable[[BaseHTTPRequestHandler], None] | None = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests_count += 1
                if issuer.misbehave is not None:
                    issuer.misbehave(self)
                    return
                body = json.dumps({"keys": [issuer.jwk(name) for name in issuer.published]}).encode()
                if issuer.nonsense == b"":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                body = issuer.nonsense or body
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def settings(self) -> dict[str, str]:
        return {
            "THREADKEEP_JWT_ISSUER": ISSUER,
            "THREADKEEP_JWT_AUDIENCE": AUDIENCE,
            "THREADKEEP_JWT_JWKS_URL": f"http://127.0.0.1:{self.http.server_port}/keys",
            "THREADKEEP_JWT_ALGORITHMS": "RS256",
        }

    @property
    def url(self) -> str:
        return self.settings["THREADKEEP_JWT_JWKS_URL"]

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(5)

    def jwk(self, name: str) -> dict[str, Any]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.keys[name].public_key(), as_dict=True)
        return {**public, "kid": name, "use": "sig", "alg": "RS256"}

    def pem(self, name: str) -> bytes:
        return (
            self.keys[name]
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )

    def token(
        self,
        user: str,
        key: str = "first",
        headers: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """Sign a token; a claim or header that is changed to None is left out. `claims` may have any name."""
        now = int(time.time())
        said = {"sub": user, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600, **changes, **(claims or {})}
        present = {name: value for name, value in said.items() if value is not None}
        algorithm = (headers or {}).get("alg", "RS256")
        given = {"kid": key, **(headers or {})}
        return jwt.encode(
            present,
            self.keys[key],
            algorithm=algorithm,
            headers={name: value for name, value in given.items() if value is not None},
        )

    def hmac_token(self, user: str, secret: bytes) -> str:
        """A token signed with HS256 and a secret that everybody knows, such as the public key; made by hand."""
        now = int(time.time())
        claims = {"sub": user, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600}
        parts = [
            _base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT", "kid": "first"}, claims)
        ]
        signed = ".".join(parts)
        return f"{signed}.{_base64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
