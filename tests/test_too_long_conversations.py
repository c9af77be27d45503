"""By which words a server's error is known to be about the length of the conversation, and by which it is not."""

import json
from typing import Any

import pytest

from support.hearing import KEY, PATIENCE, hear
from support.scripted_model import Head, ScriptedModel
from threadkeep.providers.openai_chat import OpenAiChat
from threadkeep.providers.too_long import says_too_long

TOO_LONG = [
    # Of field-cases: the numbers and names differ from day to day.
    "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
    "prompt is too long: 213462 tokens > 200000 maximum",
    "The decoder prompt (length 5012) is longer than the maximum model length of 4096. Make sure that "
    "`max_model_len` is "
    "no smaller than the number of text tokens plus multimodal tokens. For image inputs, the number of image tokens "
    "depends on the number of images.",
    "tokens in request more than max tokens allowed",
    "Please reduce the length of the messages",
    "Input is too long for requested model.",
    "prompt token count of 128001 exceeds the limit of 128000",
    "Range of input length should be [1, 30720]",
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 100 `max_new_tokens`",
    # Of public reports.
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 8545 tokens. Please reduce "
    "the length of the messages.",
    "This model's maximum context length is 8191 tokens, however you requested 10346 tokens (10346 in your "
    "prompt; 5 for "
    "the completion). Please reduce your prompt; or completion length.",
    "This model's maximum context length is 262144 tokens. However, you requested 0 output tokens and your prompt "
    "contains at least 262145 input tokens, for a total of at least 262145 tokens.",
    "This endpoint's maximum context length is 131072 tokens. However, you requested about 200000 tokens "
    "(150000 of text "
    'input, 20000 of tool input, 30000 in the output). Please reduce the length of either one, or use the "middle-out" '
    "transform to compress your prompt automatically.",
    "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 4096 "
    "tokens and "
    "your request has 500 input tokens (4096 > 4096 - 500).",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "Please reduce the length of the messages or completion.",
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    "request (66202 tokens) exceeds the available context size (65536 tokens), try increasing it",
    "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the "
    "model with "
    "a larger context length, or provide a shorter input",
    "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with "
    "context length of "
    "only 4096 tokens, which is not enough.",
    "invalid params, context window exceeds limit (2013)",
    "Invalid request: Your request exceeded model token limit: 262144 (requested: 300000)",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "input length and `max_tokens` exceed context limit: 170636 + 34048 > 200000, decrease input length or "
    "`max_tokens` "
    "and try again",
    "ValidationException: Input exceeds the max input token limit",
    "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
    "total tokens exceeds the model's max of 4096",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000",
    "prompt too long; exceeded max context length by 1234 tokens",
    "ollama: context length exceeded for llama3",
    "Current length is 9000 while limit is 8192",
    "Input length (5000 tokens) exceeds the maximum allowed length (4096 tokens). Use a shorter input.",
    "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    "Requested token count exceeds the model's maximum context length of 4096 tokens.",
    "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
    "prompt length (5000) exceeds max_input_len (4096)",
    "Unable to submit request because the input token count is 33000 but model only supports up to 32768.",
    "The prompt is too long: 40000, model maximum context length: 32767",
    "Prompt has 300000 tokens, but must be less than 262144 tokens",
    "Prompt exceeds max length",
    "Request body too large for gpt-4o model. Max size: 8000 tokens.",
    "the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model",
    "Invalid 'messages[3].content': string too long. Expected a string with maximum length 1048576, but got a "
    "string with "
    "length 1102345 instead.",
    "Invalid 'messages': array too long. Expected an array with maximum length 2048, but got an array with "
    "length 3000.",
    'litellm.BadRequestError: AnthropicException - {"type":"error","error":{"type":"invalid_request_error","message":'
    '"prompt is too long: 213462 tokens > 200000 maximum"},"request_id":"req_1"}',
    "litellm.ContextWindowExceededError: x",
    "Total tokens of image and text exceed max message tokens",
    "The total number of tokens of text and images exceeds the maximum of 4096",
    "Only 4,096 tokens of input are supported",
    "The prompt must have at most 8192 tokens",
    "context_length_exceeded",
    "exceed_context_size_error",
    "model_max_prompt_tokens_exceeded",
    "Prompt 超长",
    "输入长度超过模型最大上下文限制",
]

OTHERS = [
    "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000, Requested "
    "5000. Please try again in 8s.",
    "Request too large for model `x` in organization `org` on tokens per minute (TPM): Limit 6000, Requested "
    "9000, please "
    "reduce your message size and try again.",
    "tokens per minute limit exceeded",
    "Rate limit exceeded: tokens per day limit of 500000",
    "This request would exceed your organization's rate limit of 40,000 input tokens per minute.",
    "Quota exceeded for metric: generate_content_free_tier_input_token_count, limit: 250000",
    "You exceeded your current quota, please check your plan and billing details.",
    "Your account exceeded its monthly token limit for prompts.",
    "Too many tokens, please wait before trying again.",
    "Too many requests, please slow down: prompts exceed the limit of tokens",
    "The number of concurrent requests exceeds the limit",
    "The server is overloaded: too many tokens in waiting requests",
    "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only "
    "afford 2000.",
    "max_tokens must be at most 4096",
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you "
    "provided 100000.",
    "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for this model",
    "max_tokens=5000 cannot be greater than max_model_len=4096.",
    "`max_new_tokens` must be <= 1024. Given: 3000",
    "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 1 instead.",
    "`max_tokens` must be greater than `thinking.budget_tokens`",
    "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 7000000 bytes > 5242880 bytes",
    "too many images in request: the maximum is 20 images for a context",
    "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length "
    "200 instead.",
    "Invalid 'messages[0].name': string too long. Expected a string with maximum length 64, but got a string "
    "with length "
    "80 instead.",
    "Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length 40, but "
    "got a string "
    "with length 70 instead.",
    "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 instead.",
    "tools.0.function.description: string too long, at most 1024",
    "metadata value exceeds maximum length 512",
    "Token limit exceeded for your plan",
    "Your subscription's limit of tokens was exceeded by this request",
    "Input tokens: only text is supported",
    "Only one system message is allowed in messages; context must be at most one",
    "temperature: must be less than 2 for this context",
    "top_p: only 0.95 is supported in this context",
    "presence_penalty must be at most 2.0 in a context of this length",
    "Input should be less than or equal to 2",
    "String should have at most 64 characters",
    "top_logprobs must be <= 20",
    "The audio file is too long: maximum 25 MB",
    "The request took longer than 60 seconds",
    "Request took too long to process",
    "Request entity too large",
    "Request exceeds the maximum allowed number of bytes.",
    "Unrecognized request argument supplied: max_context_length",
    "context_length must be a positive integer",
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
    "Conversation roles must alternate user/assistant/user/assistant",
    "The model `x` does not exist or you do not have access to it.",
    "Incorrect API key provided: the token has a wrong length",
    "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.",
    "The response was filtered due to the prompt triggering the content management policy.",
    "",
]


@pytest.mark.parametrize("said", TOO_LONG)
def test_that_a_conversation_is_too_long_is_understood_in_any_words(said):
    assert says_too_long({"message": said, "type": "invalid_request_error", "param": None, "code": 400})


@pytest.mark.parametrize("said", OTHERS)
def test_what_is_about_something_else_is_not_taken_for_it(said):
    assert not says_too_long({"message": said, "type": "invalid_request_error", "param": "messages", "code": None})


LONG = "prompt is too long: 213462 tokens > 200000 maximum"
FORMS: dict[str, Any] = {
    "an object": {"error": {"message": LONG}},
    "an object without its frame": {"object": "error", "message": LONG},
    "a text in it": {"error": LONG},
    "a text": LONG,
    "a list": [{"error": {"code": 400, "message": LONG, "status": "INVALID_ARGUMENT"}}],
    "a list in it": {"detail": [{"msg": LONG, "loc": ["body"]}]},
    "an error in an error": {
        "error": {"message": "Provider returned error", "metadata": {"raw": json.dumps({"error": {"message": LONG}})}}
    },
    "a code": {"error": {"message": "", "code": "context_length_exceeded"}},
}


@pytest.fixture
async def model():
    model = await ScriptedModel.start()
    yield model
    await model.stop()


@pytest.fixture
async def provider(model):
    provider = OpenAiChat(model.url, KEY, PATIENCE)
    yield provider
    await provider.close()


@pytest.mark.parametrize("status", [400, 413, 422, 500, 503])
@pytest.mark.parametrize("form", FORMS)
async def test_it_is_understood_with_every_form_and_status_of_an_error(form, status, model, provider):
    model.script = [Head(status, {"content-type": "application/json"}), json.dumps(FORMS[form]).encode()]

    heard = await hear(provider)

    assert heard.code == "context_too_long"
    assert "213462" not in heard.error.message


@pytest.mark.parametrize("status", [401, 403, 404, 429])
async def test_statuses_with_a_meaning_of_their_own_keep_it(status, model, provider):
    model.script = [Head(status, {"content-type": "application/json"}), json.dumps(FORMS["an object"]).encode()]

    heard = await hear(provider)

    assert heard.code == "model_unavailable"


@pytest.mark.parametrize("body", [LONG.encode(), f"event: error\ndata: {LONG}\n\n".encode(), json.dumps(LONG).encode()])
async def test_it_is_understood_as_plain_text_and_within_a_stream(body, model, provider):
    model.script = [Head(400, {"content-type": "text/plain"}), body]
    refused = await hear(provider)
    model.script = ["Hel", "lo", b"event: error\ndata: " + LONG.encode() + b"\n\n"]
    broken = await hear(provider)

    assert (refused.code, broken.code, broken.text) == ("context_too_long", "context_too_long", "Hello")


def test_a_huge_error_is_looked_at_in_part():
    nested: Any = LONG
    for _ in range(500):
        nested = [nested]

    assert not says_too_long(nested)
    assert says_too_long(["x" * 100_000] * 1_000 + [LONG]) is False
    assert not says_too_long("prompt " * 100_000)
