"""The client without asyncio, made from the one with it: docs/decisions/0022-one-text-for-both-clients.md."""
