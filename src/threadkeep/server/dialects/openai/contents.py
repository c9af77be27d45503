"""What a message says: the parts that a client sends, and those that it gets."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta

from threadkeep.contract.limits import PARTS_MAX
from threadkeep.contract.messages import ImagePart, Part, TextPart
from threadkeep.errors import InvalidField
from threadkeep.operations.responses.estimating import text_of
from threadkeep.server.dialects.openai.common import NO_FILES, Body, Object, refuse


class ImageUrl(Body):
    """Where an image is. `detail` is a hint that is not kept."""

    url: str
    detail: str | None = None


class TextIn(Body, tag_field="type", tag="text"):
    """Text of a message."""

    text: str


class ImageIn(Body, tag_field="type", tag="image_url"):
    """An image that stays where it is."""

    image_url: ImageUrl


class ImageFileIn(Body, tag_field="type", tag="image_file"):
    """An image in a store of files, which is not there."""

    image_file: Any  # Any: it is refused.


PartIn: TypeAlias = TextIn | ImageIn | ImageFileIn
ContentIn: TypeAlias = str | Annotated[list[PartIn], Meta(max_length=PARTS_MAX)]


class Text(Object):
    """Text, and notes on it; there are none."""

    value: str
    annotations: list[Any]  # Any: always empty.


class TextOut(Object, tag_field="type", tag="text"):
    """A part that is text."""

    text: Text


class ImageShown(Object):
    """Where an image is."""

    url: str
    detail: Literal["auto"] = "auto"


class ImageOut(Object, tag_field="type", tag="image_url"):
    """A part that is an image."""

    image_url: ImageShown


PartOut: TypeAlias = TextOut | ImageOut


def given(content: ContentIn, param: str) -> str | list[Part]:
    """Return native content. Raises UnsupportedValue, or InvalidField for content that is blank."""
    if isinstance(content, str):
        says_something = bool(content.strip())
        parts: str | list[Part] = content
    else:
        parts = [part_given(each, f"{param}[{place}]") for place, each in enumerate(content)]
        says_something = any(not isinstance(each, TextPart) or each.text.strip() for each in parts)
    if not says_something:
        raise InvalidField("The content is blank: send text or an image.", param=param)
    return parts


def part_given(part: PartIn, param: str) -> Part:
    if isinstance(part, ImageFileIn):
        refuse(f"{param}.type", NO_FILES)
    return TextPart(part.text) if isinstance(part, TextIn) else ImagePart(part.image_url.url)


def shown(parts: Iterable[Part]) -> list[PartOut]:
    """Return the parts as a client gets them: a file is named in a line of text, as it is to a model."""
    return [
        ImageOut(ImageShown(each.url)) if isinstance(each, ImagePart) else TextOut(Text(text_of(each), []))
        for each in parts
    ]
