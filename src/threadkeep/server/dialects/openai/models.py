"""Models: many programs read the list to see whether a server is there."""

from typing import Literal

from threadkeep.contract.basis import OrganizationQuery
from threadkeep.database.scoped import ScopedDatabase
from threadkeep.errors import NotFound
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.frames import Answered
from threadkeep.server.dialects.openai.common import Object, page_of


class Model(Object):
    """A model that an assistant or a request may name."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: Literal["threadkeep"]


class ModelsQuery(OrganizationQuery, frozen=True):
    """What the list of models takes: it has one page."""


def shown(name: str) -> Model:
    return Model(name, "model", 0, "threadkeep")


async def list_models(answering: Answering, _db: ScopedDatabase, _keyed: None) -> Answered:
    return Answered(200, page_of([shown(name) for name in answering.model_names], False))


async def read(answering: Answering, _db: ScopedDatabase, _keyed: None, name: str) -> Answered:
    if name not in answering.model_names:
        raise NotFound("No model found with this name: GET /openai/v1/models lists those that there are.")
    return Answered(200, shown(name))
