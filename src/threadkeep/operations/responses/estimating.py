"""How many tokens a message costs, and its parts as a text.

A message's tokens are estimated: its UTF-8 bytes as sent, divided by 4 and rounded up, plus 4. Sent are its text, a
line for each file, and its calls' names and arguments. Of an image only the address is known: its length counts, up to
IMAGE_BYTES_MAX, since models charge for images by their size in pixels.
"""

from collections.abc import Sequence
from typing import TypeGuard

from threadkeep.contract.messages import FilePart, ImagePart, Part, TextPart, ToolCall

BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
IMAGE_BYTES_MAX = 4096
# A part with a data: URL counts as 1000 tokens. Where it is sent as text, its content is left out.
DATA_URL_BYTES = 1_000 * BYTES_PER_TOKEN
SHOWN_CHARACTERS_MAX = 100


def tokens_of(role: str, parts: Sequence[Part], calls: Sequence[ToolCall]) -> int:
    """Return the estimated tokens of a message."""
    size_bytes = sum(part_bytes(part, role) for part in parts)
    size_bytes += sum(len(call.function.name.encode()) + len(call.function.arguments.encode()) for call in calls)
    return tokens_of_bytes(size_bytes)


def estimate(text: str) -> int:
    """Return the estimated tokens of a message with this text; estimated usage is counted the same way."""
    return tokens_of_bytes(len(text.encode()))


def tokens_of_bytes(size_bytes: int) -> int:
    return -(-size_bytes // BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE


def part_bytes(part: Part, role: str) -> int:
    if not isinstance(part, TextPart) and is_data_url(part.url):
        return DATA_URL_BYTES
    if shows_image(part, role):
        return min(len(part.url.encode()), IMAGE_BYTES_MAX)
    return len(text_of(part).encode())


def is_data_url(url: str) -> bool:
    return url[:5].lower() == "data:"


def shows_image(part: Part, role: str) -> TypeGuard[ImagePart]:
    """Return whether a model gets to see the part. Models take images from users only."""
    return isinstance(part, ImagePart) and role == "user"


def text_of(part: Part) -> str:
    """Return a part as text, for models that take no other form; never longer than the stored part."""
    match part:
        case TextPart():
            return part.text
        case ImagePart():
            return f"[Image: {shown_url(part.url)}]"
        case FilePart():
            return f"[File: {', '.join(filter(None, (part.name, part.mime_type, shown_url(part.url))))}]"


def shown_url(url: str) -> str:
    return url.partition(",")[0][:SHOWN_CHARACTERS_MAX] if is_data_url(url) else url
