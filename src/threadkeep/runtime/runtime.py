"""Builds, starts and ends the background work of a serving process."""

from functools import partial

from threadkeep.database.driver import Database
from threadkeep.ids import new_id
from threadkeep.operations.bulk import working
from threadkeep.operations.responses import settling
from threadkeep.operations.responses.claiming import Terms
from threadkeep.providers.catalogue import Catalogue
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.channels import Channels
from threadkeep.runtime.journal import Journal
from threadkeep.runtime.namer import Namer
from threadkeep.runtime.relay import Relay, settle_all_expired
from threadkeep.runtime.sweeper import Sweeper
from threadkeep.runtime.tally import Tally
from threadkeep.settings import Settings

READERS_END_S = 0.5
# How often bulks are looked for, and how long they leave the database to others after each step.
BULKS_S = 1.0
BULKS_REST = 3.0


class Runtime:
    """Must be created on the event loop on which it runs."""

    def __init__(
        self, database: Database, settings: Settings, catalogue: Catalogue, tally: Tally | None = None
    ) -> None:
        self._database = database
        self._drain_s = settings.drain_s
        self._catalogue = catalogue
        self.tally = tally or Tally()
        self.channels = Channels(database, self.tally)
        self.journal = Journal(database, settings.lease_s, self.tally)
        self._namer = Namer(
            database,
            self._catalogue,
            names_by_itself=settings.auto_name,
            per_user_max=settings.names_per_user_max,
        )
        self.relay = Relay(
            database,
            self._catalogue,
            self.channels,
            self.journal,
            self._namer,
            settings.lease_s,
            settings.answer_characters_max,
            self.tally,
        )
        self.answering = Answering(self.relay, self.channels, self._namer, terms_of(settings, self._catalogue))
        self._sweeper = Sweeper(database)
        bulks = partial(working.work, worker=new_id("worker"))
        self._bulks = Sweeper(database, [bulks], interval_s=BULKS_S, rest=BULKS_REST)

    async def start(self) -> None:
        """Start the background work. A process that serves alone first ends what an earlier one left running."""
        if self._database.is_served_alone:
            await self._database.write(settling.expire_all)
            await settle_all_expired(self._database)
        self._sweeper.start()
        self._bulks.start()

    async def drain(self) -> None:
        """Take no new responses, give running ones `drain_s` seconds, end the rest, then close all streams."""
        await self.relay.drain(self._drain_s)
        # Every response generated here has ended by now: readers that are a little behind get time to see it.
        await self.channels.empty(READERS_END_S)
        self.channels.close()

    async def close(self) -> None:
        await self._bulks.stop()
        await self._sweeper.stop()
        self.channels.close()
        await self._namer.close()
        await self._catalogue.close()


def terms_of(settings: Settings, catalogue: Catalogue) -> Terms:
    return Terms(
        int(settings.lease_s * 1000),
        settings.responses_per_user_max,
        settings.responses_per_organization_max,
        catalogue.names,
        catalogue.default,
        settings.context_tokens,
        catalogue.takes_any_name,
    )
