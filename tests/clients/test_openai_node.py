"""OpenAI's JavaScript client, unchanged: the programs beside this file run on a server of their own."""

import pytest

from clients.conftest import run_script


@pytest.mark.parametrize("name", ["openai-threads.mjs", "openai-runs.mjs", "openai-responses.mjs"])
async def test_the_program_runs(place, name):
    await run_script(place, name)
