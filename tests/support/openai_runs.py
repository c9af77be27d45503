"""An assistant that calls two functions, and the model that plays it: what tests of runs begin with."""

from typing import Any

from support.scripted_model import DONE, answer_of, finish, tool_call, usage

TOOL = {"type": "function", "function": {"name": "find_invoice", "parameters": {"type": "object", "properties": {}}}}
CALLS = [
    tool_call(0, "call_a", "find_invoice", '{"number": 1}'),
    tool_call(1, "call_b", "find_invoice", '{"number": 2}'),
    finish("tool_calls"),
    usage(20, 5),
    DONE,
]
OUTPUTS: Any = [{"tool_call_id": "call_b", "output": "two"}, {"tool_call_id": "call_a", "output": "one"}]


def calling_first(*texts: str) -> Any:
    """A model that calls two functions until it has got results."""

    def script(call: Any) -> Any:
        return answer_of(*texts) if call.body["messages"][-1]["role"] == "tool" else CALLS

    return script


async def billing(client: Any) -> Any:
    return await client.beta.assistants.create(
        model="scripted", name="Billing", instructions="Be brief.", temperature=0.5, tools=[TOOL]
    )
