"""How the program logs: one line an event, to standard error, without requests, credentials or contents."""

import logging


def configure() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # A client's malformed request is only counted in the metrics, not logged.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
