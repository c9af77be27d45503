"""How the responses of this process ended: counted, and a line in the log when a model fails."""

import logging
from collections import Counter

from threadkeep import clock
from threadkeep.operations.responses.settling import Ending
from threadkeep.runtime.tally import Tally

# These are logged, because nothing else tells the operator that a model is down. Other errors concern the caller only.
MODEL_CODES = frozenset({"model_unavailable", "model_timeout", "model_refused"})
LOG_INTERVAL_S = 60.0
# Ended by another request: a cancel, a lock, an archive, a deletion, or one that found the lease expired.
TAKEN = ("taken", "")

logger = logging.getLogger(__name__)


class Outcomes:
    """Counts by status and error code."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._logged_s: dict[tuple[str, str], float] = {}
        self._unlogged: Counter[tuple[str, str]] = Counter()

    def taken(self) -> None:
        self._count(*TAKEN)

    def ended(self, ending: Ending, model: str, address: str) -> None:
        self._count(ending.status, ending.error_code or "")
        if ending.error_code in MODEL_CODES:
            self._log(ending, model, address)

    def _count(self, status: str, error_code: str) -> None:
        self._tally.cells(("responses", status, error_code))[0] += 1

    def _log(self, ending: Ending, model: str, address: str) -> None:
        """Log the first failure of its kind, then one line a minute at most."""
        key = (model, ending.error_code or "")
        now_s = clock.monotonic_s()
        if now_s - self._logged_s.get(key, -LOG_INTERVAL_S) < LOG_INTERVAL_S:
            self._unlogged[key] += 1
            return
        self._logged_s[key] = now_s
        more = f" {count} more like it since the last such line." if (count := self._unlogged.pop(key, 0)) else ""
        logger.warning(
            "The model %s at %s failed, %s: %s%s", model, address, ending.error_code, ending.error_message, more
        )
