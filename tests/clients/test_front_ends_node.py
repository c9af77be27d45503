"""Front ends' JavaScript clients, unchanged: the programs beside this file run on a server of their own."""

import pytest

from clients.conftest import run_script


@pytest.mark.parametrize("name", ["ag-ui.mjs", "ai-sdk.mjs", "assistant-cloud.mjs", "langgraph.mjs"])
async def test_the_program_runs(place, name):
    await run_script(place, name)
