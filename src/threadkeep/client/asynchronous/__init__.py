"""The client for asyncio, from which the one without is made: docs/decisions/0022-one-text-for-both-clients.md."""
