"""The list of models that a caller may name."""

from collections.abc import Sequence

from threadkeep.contract.answers import ListPage
from threadkeep.contract.models import Model
from threadkeep.errors import InvalidCursor
from threadkeep.operations import paging
from threadkeep.operations.paging import Window


def list_models(names: Sequence[str], default: str, window: Window) -> ListPage:
    """Return one page of the models, in the order of the configuration. Raises InvalidCursor."""
    waiting = list(names)[::-1] if window.reads_descending else list(names)
    if window.cursor is not None:
        if window.cursor not in waiting:
            raise InvalidCursor(param=window.param)
        waiting = waiting[waiting.index(window.cursor) + 1 :]
    models = [Model(name, "model", name == default) for name in waiting[: window.limit]]
    # A name is a position by itself: it neither changes nor tells anything.
    return paging.page_of(models, window, models[-1].id if len(models) < len(waiting) else None)
