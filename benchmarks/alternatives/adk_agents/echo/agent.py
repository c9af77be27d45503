"""The agent that ADK's API server runs: it repeats what was said, word by word, with no model.

It runs in ADK's environment, not in ours.
"""

from collections.abc import AsyncGenerator

from google.adk.agents import BaseAgent
from google.adk.agents.invocation_context import InvocationContext
from google.adk.events import Event
from google.genai import types


class Echo(BaseAgent):
    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        text = ctx.user_content.parts[0].text if ctx.user_content else ""
        for word in text.split():
            yield self._event(ctx, f"{word} ", partial=True)
        yield self._event(ctx, text, partial=False)

    def _event(self, ctx: InvocationContext, text: str, partial: bool) -> Event:
        content = types.Content(role="model", parts=[types.Part(text=text)])
        return Event(invocation_id=ctx.invocation_id, author=self.name, content=content, partial=partial)


root_agent = Echo(name="echo")
