"""What a page of Chromium sends and receives, as its own developer tools count it: bytes on the wire, with headers."""

from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession, Page

# A request line and headers are not counted by Chromium; this adds them up as HTTP/1.1 writes them.
LINE_BYTES = len("GET  HTTP/1.1\r\n\r\n")


@dataclass
class Call:
    """A request that left the browser, and its answer, whose head and body are `received_bytes`."""

    method: str
    url: str
    status: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    head_bytes: int = 0
    is_from_cache: bool = False


class Traffic:
    """The calls of one page since `watch` or `clear`. Any: what the browser's protocol says is plain dictionaries."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    @classmethod
    async def watch(cls, page: Page) -> "Traffic":
        traffic = cls()
        session: CDPSession = await page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", traffic._begun)
        session.on("Network.requestWillBeSentExtraInfo", traffic._sent)
        session.on("Network.requestServedFromCache", traffic._cached)
        session.on("Network.responseReceived", traffic._answered)
        session.on("Network.responseReceivedExtraInfo", traffic._head)
        session.on("Network.dataReceived", traffic._data)
        session.on("Network.loadingFinished", traffic._finished)
        await session.send("Network.enable")
        return traffic

    def clear(self) -> None:
        self._calls.clear()

    @property
    def calls(self) -> list[Call]:
        """Those that went over the wire."""
        return [call for call in self._calls.values() if not call.is_from_cache and call.url.startswith("http")]

    @property
    def received_bytes(self) -> int:
        return sum(call.received_bytes for call in self.calls)

    def _of(self, event: dict[str, Any]) -> Call:
        return self._calls.setdefault(event["requestId"], Call("", ""))

    def _begun(self, event: dict[str, Any]) -> None:
        call, request = self._of(event), event["request"]
        call.method, call.url = request["method"], request["url"]

    def _sent(self, event: dict[str, Any]) -> None:
        self._of(event).sent_bytes = LINE_BYTES + sum(
            len(f"{name}: {value}\r\n") for name, value in event["headers"].items()
        )

    def _cached(self, event: dict[str, Any]) -> None:
        self._of(event).is_from_cache = True

    def _answered(self, event: dict[str, Any]) -> None:
        call, response = self._of(event), event["response"]
        call.status = response["status"]
        call.is_from_cache = call.is_from_cache or response.get("fromDiskCache", False)

    def _head(self, event: dict[str, Any]) -> None:
        call = self._of(event)
        call.status, call.head_bytes = event["statusCode"], len(event.get("headersText", ""))

    def _data(self, event: dict[str, Any]) -> None:
        self._of(event).received_bytes += event["encodedDataLength"]

    def _finished(self, event: dict[str, Any]) -> None:
        call = self._of(event)
        call.received_bytes = max(call.received_bytes, round(event["encodedDataLength"]))
