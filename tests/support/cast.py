"""The people of the tests and how they speak to a server: one short method for each call of the API."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from support.document import Document
from support.quick_client import QuickClient, Reply

JSON = {"content-type": "application/json"}
NOTHING = object()
ERROR_TYPES = {
    **dict.fromkeys((400, 405, 413, 414, 415, 431), "invalid_request_error"),
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    412: "conflict_error",
    422: "idempotency_error",
    429: "rate_limit_error",
    **dict.fromkeys((500, 503, 507), "server_error"),
    **dict.fromkeys((502, 504), "upstream_error"),
}


class Answer:
    """What came back: `status` is HTTP's, other attributes are the body's own names, `answer["status"]` the body's."""

    def __init__(self, response: httpx.Response | Reply) -> None:
        self.response = response
        self.status = response.status_code
        self.body: Any = _json_or_none(response)

    @property
    def headers(self) -> httpx.Headers:
        return self.response.headers

    @property
    def text(self) -> str:
        return self.response.text

    @property
    def code(self) -> str | None:
        return self._error("code") or self.headers.get("x-error-code")

    @property
    def param(self) -> str | None:
        return self._error("param")

    @property
    def type(self) -> str | None:
        return self._error("type")

    @property
    def message(self) -> str | None:
        return self._error("message")

    @property
    def etag(self) -> str:
        return self.headers["etag"]

    @property
    def ids(self) -> list[str]:
        return [item["id"] for item in self.data]

    def _error(self, name: str) -> str | None:
        body = self.body if isinstance(self.body, dict) else {}
        if isinstance(body.get("error"), str):
            # As assistant-ui's cloud has it.
            return {"code": body["error"], "message": body["message"]}.get(name)
        return body["error"][name] if isinstance(body.get("error"), dict) else None

    def __getattr__(self, name: str) -> Any:
        body = self.__dict__.get("body")
        if isinstance(body, dict) and name in body:
            return body[name]
        raise AttributeError(f"no {name} in this answer: {self!r}")

    def __getitem__(self, name: Any) -> Any:
        return self.body[name]

    def __repr__(self) -> str:
        return f"<{self.status} {self.response.request.method} {self.response.request.url.path} {self.text[:500]}>"


def identifier(of: Any) -> str:
    """Return the id of an answer, an object from a list, or an id itself."""
    if isinstance(of, str):
        return of
    return str(of["id"] if isinstance(of, dict) else of.id)


class Caller:
    """Somebody with credentials. Every `as_…`, `with_…` method returns a changed copy and leaves this one alone."""

    # Set once the first server runs: every answer of every test is held against it.
    document: Document | None = None

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        organization: str = "",
        user: str = "",
        key: str | None = None,
        token: str | None = None,
    ) -> None:
        self.client = client
        self.organization = organization
        self.user = user
        self.key = key
        self.token = token
        self.credential = {"x-api-key": key} if key else {}
        self.extra: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<{self.user} of {self.organization}>"

    def with_token(self, token: str | None = None) -> "Caller":
        """The same person with a user token instead of an API key."""
        other = copy.copy(self)
        other.token = token or self.token
        other.credential = {"authorization": f"Bearer {other.token}"}
        return other

    def with_key(self, key: str) -> "Caller":
        other = copy.copy(self)
        other.key = key
        other.credential = {"x-api-key": key}
        return other

    def with_credential(self, **headers: str) -> "Caller":
        """Exactly these headers as credential; with none given the caller is nobody."""
        other = copy.copy(self)
        other.credential = {name.replace("_", "-"): value for name, value in headers.items()}
        return other

    def as_user(self, user: str) -> "Caller":
        """A backend that acts for one of its users (`X-User-Id`)."""
        other = self.with_headers({"x-user-id": user})
        other.user = user
        return other

    def with_headers(self, headers: dict[str, str]) -> "Caller":
        other = copy.copy(self)
        other.extra = {**self.extra, **headers}
        return other

    def retrying(self, key: str) -> "Caller":
        return self.with_headers({"idempotency-key": key})

    def if_match(self, tag: str) -> "Caller":
        return self.with_headers({"if-match": tag})

    async def request(
        self,
        method: str,
        path: str,
        body: Any = NOTHING,
        *,
        params: Any = None,
        content: str | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send `body` as JSON, or `content` as it stands (as JSON too, unless `headers` say otherwise)."""
        sent = {**self.credential, **self.extra}
        if body is not NOTHING:
            content = json.dumps(body, ensure_ascii=True)
        if content is not None:
            sent |= JSON
        sent |= headers or {}
        send = self.client.call if isinstance(self.client, QuickClient) else self.client.request
        answer = Answer(await send(method, path, params=params, content=content, headers=sent))
        if answer.status >= 400:
            check_error(answer)
        if self.document is not None:
            self.document.check(answer)
        return answer

    # Threads

    async def create_thread(self, **body: Any) -> Answer:
        return await self.request("POST", "/v1/threads", body)

    async def get(self, thread: Any, **params: Any) -> Answer:
        return await self.request("GET", f"/v1/threads/{identifier(thread)}", params=params)

    async def update(self, thread: Any, **body: Any) -> Answer:
        return await self.request("PATCH", f"/v1/threads/{identifier(thread)}", body)

    async def delete(self, thread: Any) -> Answer:
        return await self.request("DELETE", f"/v1/threads/{identifier(thread)}")

    async def list_threads(self, **params: Any) -> Answer:
        return await self.request("GET", "/v1/threads", params=params)

    async def my_threads(self, **params: Any) -> Answer:
        return await self.request("GET", "/v1/user/threads", params=params)

    async def copy(self, thread: Any, **body: Any) -> Answer:
        return await self.request("POST", f"/v1/threads/{identifier(thread)}/copy", body)

    async def lock(self, thread: Any) -> Answer:
        return await self.act(thread, "lock")

    async def unlock(self, thread: Any) -> Answer:
        return await self.act(thread, "unlock")

    async def archive(self, thread: Any) -> Answer:
        return await self.act(thread, "archive")

    async def unarchive(self, thread: Any) -> Answer:
        return await self.act(thread, "unarchive")

    async def act(self, thread: Any, action: str) -> Answer:
        return await self.request("POST", f"/v1/threads/{identifier(thread)}/{action}")

    # Messages

    async def post_message(self, thread: Any, content: Any = "hello", role: str = "user", **body: Any) -> Answer:
        return await self.request("POST", _messages(thread), {"role": role, "content": content, **body})

    async def post_messages(self, thread: Any, messages: list[dict[str, Any]], /, **body: Any) -> Answer:
        return await self.request("POST", _messages(thread), {"messages": messages, **body})

    async def list_messages(self, thread: Any, **params: Any) -> Answer:
        return await self.request("GET", _messages(thread), params=params)

    async def get_message(self, thread: Any, message: Any) -> Answer:
        return await self.request("GET", _messages(thread, message))

    async def update_message(self, thread: Any, message: Any, **body: Any) -> Answer:
        return await self.request("PATCH", _messages(thread, message), body)

    async def delete_message(self, thread: Any, message: Any) -> Answer:
        return await self.request("DELETE", _messages(thread, message))

    async def delete_messages(self, thread: Any) -> Answer:
        return await self.request("DELETE", _messages(thread))

    # Responses

    async def respond(self, thread: Any, **body: Any) -> Answer:
        return await self.request("POST", _responses(thread), body)

    async def respond_new(self, **body: Any) -> Answer:
        return await self.request("POST", "/v1/responses", body)

    async def get_response(self, thread: Any, response: Any) -> Answer:
        return await self.request("GET", _responses(thread, response))

    async def list_responses(self, thread: Any, **params: Any) -> Answer:
        return await self.request("GET", _responses(thread), params=params)

    async def cancel(self, thread: Any, response: Any) -> Answer:
        return await self.request("POST", f"{_responses(thread, response)}/cancel")

    async def context(self, thread: Any, **params: Any) -> Answer:
        return await self.request("GET", f"/v1/threads/{identifier(thread)}/context", params=params)

    async def generate_name(self, thread: Any, messages: list[dict[str, Any]] | None = None, **params: Any) -> Answer:
        body = {} if messages is None else {"messages": messages}
        return await self.request("POST", f"/v1/threads/{identifier(thread)}/generateName", body, params=params)

    # Assistants

    async def create_assistant(self, **body: Any) -> Answer:
        return await self.request("POST", "/v1/assistants", body)

    async def get_assistant(self, assistant: Any) -> Answer:
        return await self.request("GET", f"/v1/assistants/{identifier(assistant)}")

    async def update_assistant(self, assistant: Any, **body: Any) -> Answer:
        return await self.request("PATCH", f"/v1/assistants/{identifier(assistant)}", body)

    async def delete_assistant(self, assistant: Any) -> Answer:
        return await self.request("DELETE", f"/v1/assistants/{identifier(assistant)}")

    async def list_assistants(self, **params: Any) -> Answer:
        return await self.request("GET", "/v1/assistants", params=params)

    # Organizations, members, keys; of the caller's own organization unless another is named

    async def get_organization(self, organization: str | None = None) -> Answer:
        return await self.request("GET", self._organization(organization))

    async def update_organization(self, organization: str | None = None, **body: Any) -> Answer:
        return await self.request("PATCH", self._organization(organization), body)

    async def delete_organization(self, organization: str | None = None) -> Answer:
        return await self.request("DELETE", self._organization(organization))

    async def list_members(self, organization: str | None = None, **params: Any) -> Answer:
        return await self.request("GET", f"{self._organization(organization)}/members", params=params)

    async def put_member(self, user: str, role: str, organization: str | None = None) -> Answer:
        return await self.request("PUT", f"{self._organization(organization)}/members/{user}", {"role": role})

    async def delete_member(self, user: str, organization: str | None = None, **params: Any) -> Answer:
        return await self.request("DELETE", f"{self._organization(organization)}/members/{user}", params=params)

    async def list_keys(self, organization: str | None = None, **params: Any) -> Answer:
        return await self.request("GET", f"{self._organization(organization)}/keys", params=params)

    async def create_key(self, organization: str | None = None, **body: Any) -> Answer:
        return await self.request("POST", f"{self._organization(organization)}/keys", body)

    async def delete_key(self, key: Any, organization: str | None = None) -> Answer:
        return await self.request("DELETE", f"{self._organization(organization)}/keys/{identifier(key)}")

    async def create_token(self, **body: Any) -> Answer:
        return await self.request("POST", "/v1/tokens", body)

    async def read_usage(self, organization: str | None = None, **params: Any) -> Answer:
        return await self.request("GET", f"{self._organization(organization)}/usage", params=params)

    def _organization(self, organization: str | None) -> str:
        return f"/v1/organizations/{organization or self.organization}"

    async def walk(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Follow a list from its first page to its last and return every object in order."""
        return [item async for page in self.pages(path, **params) for item in page.data]

    async def pages(self, path: str, **params: Any) -> Any:
        while True:
            page = await self.request("GET", path, params=params)
            assert page.status == 200, page
            yield page
            if not page.hasMore:
                return
            params["after"] = page.nextCursor


def check_error(answer: Answer) -> None:
    """Every error of every test is held against the one shape that all errors have, but for some ways in."""
    if answer.response.request.url.path.startswith("/ai-sdk/"):
        check_sentence(answer)
        return
    if answer.response.request.url.path.startswith("/assistant-ui/"):
        assert set(answer.body) == {"error", "message"}, answer
        assert answer.status != 500, answer
        return
    assert answer.headers["content-type"].split(";")[0] == "application/json", answer
    if answer.response.request.url.path.startswith("/langgraph/"):
        assert set(answer.body) == {"detail", "code"}, answer
        message = answer.body["detail"]
    else:
        assert set(answer.body) == {"error"}, answer
        error = answer.body["error"]
        assert set(error) == {"message", "type", "code", "param", "requestId"}, answer
        assert error["requestId"] == answer.headers["x-request-id"], answer
        assert error["type"] == ERROR_TYPES.get(answer.status, error["type"]), answer
        message = error["message"]
    assert len(message) >= 10, answer
    assert answer.status != 500, answer
    assert ("www-authenticate" in answer.headers) == (answer.status == 401), answer
    assert answer.status not in (429, 503) or int(answer.headers["retry-after"]) >= 0, answer


def check_sentence(answer: Answer) -> None:
    """The AI SDK's client shows the whole body to people."""
    assert answer.headers["content-type"] == "text/plain; charset=utf-8", answer
    assert answer.text[0].isupper() and answer.text.endswith("."), answer
    assert answer.status != 500 and answer.code, answer


@dataclass
class Cast:
    """Ada owns ORG_ACME, Ben is a member of it, Cleo owns ORG_OTHER; nobody knows the stranger."""

    ada: Caller
    ben: Caller
    cleo: Caller

    def __iter__(self) -> Iterator[Caller]:
        return iter((self.ada, self.ben, self.cleo))


def _messages(thread: Any, message: Any = None) -> str:
    path = f"/v1/threads/{identifier(thread)}/messages"
    return path if message is None else f"{path}/{identifier(message)}"


def _responses(thread: Any, response: Any = None) -> str:
    path = f"/v1/threads/{identifier(thread)}/responses"
    return path if response is None else f"{path}/{identifier(response)}"


def _json_or_none(response: httpx.Response | Reply) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
