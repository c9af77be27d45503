"""Text from a model, made fit to be stored."""

REPLACEMENT = "\ufffd"


class Characters:
    """Joins halves of surrogate pairs that come in different deltas; halves alone, and U+0000, become U+FFFD."""

    def __init__(self) -> None:
        self._half = ""

    def clean(self, text: str) -> str:
        if not self._half and text.isascii():
            return text.replace("\0", REPLACEMENT) if "\0" in text else text
        text = self._half + text
        self._half = ""
        if "\ud800" <= text[-1:] <= "\udbff":
            self._half = text[-1]
            text = text[:-1]
        # UTF-16 is where two halves are one character.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text.replace("\0", REPLACEMENT)

    def rest(self) -> str:
        """Return what a half becomes whose other half never came."""
        rest = REPLACEMENT if self._half else ""
        self._half = ""
        return rest
