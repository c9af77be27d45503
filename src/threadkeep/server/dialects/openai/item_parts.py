"""What an item says: the parts that a client sends, and those that it gets."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from threadkeep.contract.messages import FilePart, ImagePart, Part, TextPart
from threadkeep.errors import InvalidField
from threadkeep.operations.responses.estimating import text_of
from threadkeep.server.dialects.common import read
from threadkeep.server.dialects.openai.common import NO_FILES, Body, Json, refuse, refuse_type

TEXTS = ("input_text", "output_text", "text", "summary_text")
PARTS = (*TEXTS, "refusal", "input_image", "input_file")


class PartIn(Body, kw_only=True):
    """A part of what is said. Fields without a type are answered here, or hints. Any: JSON."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    file_url: str | None = None
    filename: Annotated[str, Meta(max_length=512)] | None = None
    file_id: Any | None = None
    file_data: Any | None = None
    detail: Any | None = None
    annotations: Any | None = None
    logprobs: Any | None = None
    parsed: Any | None = None
    prompt_cache_breakpoint: Any | None = None


def given_parts(content: str | list[Json], at: str) -> str | list[Part]:
    return content if isinstance(content, str) else [given_part(each, f"{at}[{n}]") for n, each in enumerate(content)]


def given_part(part: Json, at: str) -> Part:
    if part.get("type") not in PARTS:
        refuse_type(part.get("type"), f"{at}.type", "texts, images and files")
    found: PartIn = read(part, PartIn, at)
    is_stored = found.file_id is not None or found.file_data is not None
    if found.type in TEXTS and found.text is not None:
        return TextPart(found.text)
    if found.type == "refusal" and found.refusal is not None:
        return TextPart(found.refusal)
    if found.type == "input_image" and found.image_url is not None and not is_stored:
        return ImagePart(found.image_url)
    if found.type == "input_file" and found.file_url is not None and not is_stored:
        return FilePart(found.file_url, found.filename)
    if found.type in ("input_image", "input_file"):
        refuse(f"{at}.type", f"The type {found.type} needs an address: {NO_FILES}")
    raise InvalidField("This part needs its text.", param=at)


def output_part(part: Part) -> Json:
    return {"type": "output_text", "text": text_of(part), "annotations": [], "logprobs": []}


def input_part(part: Part) -> Json:
    match part:
        case TextPart():
            return {"type": "input_text", "text": part.text}
        case ImagePart():
            return {"type": "input_image", "image_url": part.url, "detail": "auto"}
        case FilePart():
            return {"type": "input_file", "file_url": part.url, "filename": part.name}


def shown_output(content: Sequence[Part]) -> str | list[Json]:
    if len(content) > 1 or any(not isinstance(each, TextPart) for each in content):
        return [input_part(each) for each in content]
    return "".join(map(text_of, content))
