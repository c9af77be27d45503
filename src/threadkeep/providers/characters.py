"""Text from a model, made fit to be stored."""

REPLACEMENT = "\ufffd"


class Characters:
    """Joins surrogate pairs that are split over deltas. Lone surrogates and U+0000 become U+FFFD."""

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
        # Encoding as UTF-16 and back joins two surrogates into one character.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text.replace("\0", REPLACEMENT)

    def rest(self) -> str:
        """Return U+FFFD for a surrogate whose other half never came, else an empty text."""
        rest = REPLACEMENT if self._half else ""
        self._half = ""
        return rest
