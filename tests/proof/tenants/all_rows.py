"""The rows of every way in."""

from proof.tenants import rows
from proof.tenants.rows_ag_ui import AG_UI
from proof.tenants.rows_ai_sdk import AI_SDK
from proof.tenants.rows_assistant_ui import ASSISTANT_UI
from proof.tenants.rows_langgraph import LANGGRAPH
from proof.tenants.rows_openai import OPENAI

ROWS = rows.ROWS | OPENAI | AG_UI | AI_SDK | ASSISTANT_UI | LANGGRAPH
