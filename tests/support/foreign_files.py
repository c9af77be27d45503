"""A small file of each kind that `threadkeep import` reads besides its own, made by hand in that program's shape."""


def node(node_id, parent, message=None, children=()):
    return {"id": node_id, "parent": parent, "children": list(children), "message": message}


def said(node_id, role, parts, time, *, kind="text", recipient="all", name=None, **metadata):
    content = {"content_type": kind, **(parts if isinstance(parts, dict) else {"parts": parts})}
    return {
        "id": node_id, "author": {"role": role, "name": name, "metadata": {}}, "create_time": time,
        "update_time": None, "content": content, "status": "finished_successfully", "end_turn": True, "weight": 1.0,
        "metadata": metadata, "recipient": recipient,
    }  # fmt: skip


CHATGPT = [
    {
        "title": "Rain in Oslo", "create_time": 1700000000.25, "update_time": 1700000900.0, "moderation_results": [],
        "conversation_id": "6a1c-rain", "id": "6a1c-rain", "is_archived": True, "default_model_slug": "gpt-4o",
        "current_node": "answer-2", "plugin_ids": None, "safe_urls": [],
        "mapping": {
            # A map has no order: the last line comes first.
            "answer-2": node("answer-2", "result", said(
                "answer-2", "assistant", ["Four."], 1700000050.5, model_slug="o3")),
            "root": node("root", None, None, ["hidden"]),
            "hidden": node("hidden", "root", said(
                "hidden", "system", [""], None, is_visually_hidden_from_conversation=True)),
            "about-me": node("about-me", "hidden", said(
                "about-me", "user", {"user_profile": "I live in Oslo.", "user_instructions": ""}, None,
                kind="user_editable_context", is_visually_hidden_from_conversation=True)),
            "ask": node("ask", "about-me", said(
                "ask", "user", [{"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1",
                                 "width": 10, "height": 10}, "What is this?"], 1700000001.0, kind="multimodal_text",
                attachments=[{"id": "file-1", "name": "rain.png"}, {"id": "file-2", "name": "notes.pdf"}])),
            "answer-1": node("answer-1", "ask", said(
                "answer-1", "assistant", ["Rain."], 1700000002.0, model_slug="gpt-4o")),
            "edited": node("edited", "about-me", said("edited", "user", ["How many drops?"], 1700000010.0)),
            "thought": node("thought", "edited", said(
                "thought", "assistant", {"thoughts": [{"summary": "s", "content": "c"}]}, 1700000011.0,
                kind="thoughts")),
            "call": node("call", "thought", said(
                "call", "assistant", {"language": "python", "text": "print(2 + 2)"}, 1700000020.0, kind="code",
                recipient="python", model_slug="o3")),
            "result": node("result", "call", said(
                "result", "tool", {"text": "4"}, 1700000021.0, kind="execution_output", name="python")),
            "code": node("code", "edited", said(
                "code", "assistant", {"language": "python", "text": "print(1)"}, 1700000030.0, kind="code",
                model_slug="gpt-4o")),
        },
    }
]  # fmt: skip

CLAUDE = [
    {
        "uuid": "c1a0-dinner", "name": "Dinner", "summary": "", "created_at": "2024-05-01T10:00:00.123456Z",
        "updated_at": "2024-05-01T10:05:00Z", "account": {"uuid": "a-1"},
        "current_leaf_message_uuid": "m-4",
        "chat_messages": [
            {"uuid": "m-1", "sender": "human", "text": "", "created_at": "2024-05-01T10:00:01Z",
             "parent_message_uuid": "00000000-0000-4000-8000-000000000000",
             "content": [{"type": "text", "text": "What is in these?", "citations": []}],
             "attachments": [{"file_name": "", "file_size": 9, "file_type": "txt", "extracted_content": "eggs, milk"},
                             {"file_name": "list.csv", "file_size": 9, "extracted_content": "a,b"}],
             "files": [{"file_uuid": "f-1", "file_name": "fridge.jpg"}]},
            {"uuid": "m-2", "sender": "assistant", "text": "", "created_at": "2024-05-01T10:00:02Z",
             "parent_message_uuid": "m-1", "attachments": [], "files": [],
             "content": [
                 {"type": "thinking", "thinking": "Let me look."},
                 {"type": "text", "text": "I look."},
                 {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "fridge"}},
                 {"type": "tool_result", "tool_use_id": "toolu_1", "name": "look", "is_error": False,
                  "content": [{"type": "text", "text": "eggs"}]},
                 {"type": "text", "text": "Eggs."}]},
            {"uuid": "m-4", "sender": "human", "text": "And now?", "created_at": "2024-05-01T10:00:04Z",
             "parent_message_uuid": "m-2", "content": [], "attachments": [], "files": []},
            {"uuid": "m-3", "sender": "human", "text": "Thanks", "created_at": "2024-05-01T10:00:03Z",
             "parent_message_uuid": "m-2", "content": [{"type": "text", "text": "Thanks"}]},
        ],
    },
    {
        # Of an older export: a line, without parents and content.
        "uuid": "c1a0-old", "name": "", "created_at": "2023-08-01T10:00:00.000000+00:00",
        "chat_messages": [
            {"uuid": "o-1", "text": "Hello", "sender": "human", "created_at": "2023-08-01T10:00:01+00:00"},
            {"uuid": "o-2", "text": "Hi.", "sender": "assistant", "created_at": "2023-08-01T10:00:02+00:00"},
        ],
    },
]  # fmt: skip

LIBRECHAT = {
    "conversationId": "11bb-tree", "endpoint": "openAI", "title": "Ships", "exportAt": "12:00:00 GMT+0000",
    "branches": True, "recursive": False, "options": {"model": "gpt-4.1", "presetId": None},
    "messages": [
        {"messageId": "l-1", "parentMessageId": "00000000-0000-0000-0000-000000000000", "isCreatedByUser": True,
         "sender": "User", "text": "Name a ship", "createdAt": "2024-06-01T00:00:00.000Z", "model": None,
         "files": [{"file_id": "f-1", "filename": "ship.png", "type": "image/png"}]},
        {"messageId": "l-2", "parentMessageId": "l-1", "isCreatedByUser": False, "sender": "GPT-4.1", "text": "Fram",
         "model": "gpt-4.1", "createdAt": "2024-06-01T00:00:01.000Z", "unfinished": False, "error": False},
        {"messageId": "l-3", "parentMessageId": "l-1", "isCreatedByUser": False, "sender": "Agent", "text": "",
         "model": "gpt-4.1", "createdAt": "2024-06-01T00:00:02.000Z", "unfinished": True,
         "content": [
             {"type": "think", "think": "Hm."},
             {"type": "tool_call", "tool_call": {"id": "call_1", "name": "ships", "args": "{\"n\": 1}",
                                                "type": "tool_call", "output": "Maud"}},
             {"type": "text", "text": {"value": "Maud"}}]},
    ],
}  # fmt: skip

LIBRECHAT_RECURSIVE = {
    "conversationId": "11bb-deep", "endpoint": "openAI", "title": "Ships", "recursive": True,
    "messagesTree": [
        {"messageId": "d-1", "isCreatedByUser": True, "sender": "User", "text": "One", "children": [
            {"messageId": "d-2", "isCreatedByUser": False, "sender": "GPT", "text": "Two", "model": "gpt-4.1",
             "createdAt": "2024-06-01T00:00:02.000Z", "children": []},
            {"messageId": "d-3", "isCreatedByUser": False, "sender": "GPT", "text": "Three", "model": "gpt-4.1",
             "createdAt": "2024-06-01T00:00:01.000Z", "children": []}]},
    ],
}  # fmt: skip

OPEN_WEBUI = [
    {
        "id": "0e0e-chat", "user_id": "u-1", "title": "Birds", "updated_at": 1710000100, "created_at": 1710000000,
        "share_id": None, "archived": False, "pinned": False, "meta": {"tags": ["nature"]},
        "chat": {
            "id": "", "title": "Birds", "models": ["llama3:8b"], "params": {}, "timestamp": 1710000000123, "files": [],
            "history": {
                "currentId": "w-2",
                "messages": {
                    "w-1": {"id": "w-1", "parentId": None, "childrenIds": ["w-2", "w-3"], "role": "user",
                            "content": "A bird?", "timestamp": 1710000001, "models": ["llama3:8b"],
                            "files": [{"type": "image", "url": "data:image/png;base64,AAAA"},
                                      {"type": "file", "file": {"filename": "birds.txt"}, "name": "birds.txt"}]},
                    "w-2": {"id": "w-2", "parentId": "w-1", "childrenIds": [], "role": "assistant", "content": "Wren.",
                            "model": "llama3:8b", "modelName": "llama3", "modelIdx": 0, "timestamp": 1710000002,
                            "done": True},
                    "w-3": {"id": "w-3", "parentId": "w-1", "childrenIds": [], "role": "assistant", "content": "Ro",
                            "model": "mistral", "modelIdx": 1, "timestamp": 1710000003, "done": False},
                },
            },
            "messages": [], "tags": [],
        },
    }
]  # fmt: skip

OPENAI = [
    {
        "id": "thread_dump1", "object": "thread", "created_at": 1700000000, "metadata": {"customer": "4711"},
        "tool_resources": {},
        "messages": {"object": "list", "data": [
            {"id": "msg_2", "object": "thread.message", "created_at": 1700000002, "role": "assistant",
             "assistant_id": "asst_x", "run_id": "run_x", "attachments": [], "metadata": {},
             "content": [{"type": "text", "text": {"value": "Hi.", "annotations": [{"type": "file_citation"}]}}]},
            {"id": "msg_1", "object": "thread.message", "created_at": 1700000001, "role": "user",
             "attachments": [{"file_id": "file-9", "tools": []}], "metadata": {},
             "content": [{"type": "text", "text": {"value": "Hello", "annotations": []}},
                         {"type": "image_file", "image_file": {"file_id": "file-8"}}]},
        ]},
    },
    {
        "id": "conv_dump2", "object": "conversation", "created_at": 1750000000, "metadata": {},
        "items": [
            {"id": "msg_a", "type": "message", "role": "user", "status": "completed",
             "content": [{"type": "input_text", "text": "Weather?"}]},
            {"id": "rs_a", "type": "reasoning", "summary": []},
            {"id": "fc_a", "type": "function_call", "call_id": "call_a", "name": "weather",
             "arguments": "{\"at\": \"Oslo\"}",
             "status": "completed"},
            {"id": "fco_a", "type": "function_call_output", "call_id": "call_a", "output": "rain"},
            {"id": "msg_b", "type": "message", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": "Rain.", "annotations": []}]},
        ],
    },
]  # fmt: skip

SHAREGPT = [
    {"id": "abc_0", "conversations": [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "Add 1 and 1."},
        {"from": "function_call", "value": "{\"name\": \"add\", \"arguments\": {\"a\": 1}}"},
        {"from": "observation", "value": "2"},
        {"from": "gpt", "value": "2."}]},
    {"conversations": [{"from": "human", "value": "No id"}, {"from": "gpt", "value": "None needed."}], "system": "Hm."},
]  # fmt: skip
