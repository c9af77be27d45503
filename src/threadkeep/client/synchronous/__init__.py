"""The synchronous client, generated from the asyncio one: docs/decisions/0022-one-text-for-both-clients.md."""
