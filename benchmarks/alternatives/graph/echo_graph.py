"""The graph that LangGraph's server and Aegra run: it repeats what was said, word by word, with no model.

It runs in their environments, not in ours.
"""

from langchain_core.messages import AIMessage
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph


async def echo(state: MessagesState) -> dict[str, list[AIMessage]]:
    text = str(state["messages"][-1].content)
    write = get_stream_writer()
    for word in text.split():
        write({"delta": f"{word} "})
    return {"messages": [AIMessage(text)]}


graph = StateGraph(MessagesState).add_node(echo).add_edge(START, "echo").add_edge("echo", END).compile()
