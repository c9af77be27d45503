"""The asyncio client. The synchronous one is generated from it: docs/decisions/0022-one-text-for-both-clients.md."""
