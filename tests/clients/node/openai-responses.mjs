// Conversations and responses through OpenAI's JavaScript client.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.env.SERVER}/openai/v1`, apiKey: process.env.KEY });

const conversation = await client.conversations.create({ metadata: { topic: "x" } });
const first = await client.responses.create({ model: "scripted", input: "plain", conversation: conversation.id });
assert.equal(first.output_text, "said plain");
const items = [];
for await (const item of client.conversations.items.list(conversation.id, { order: "asc", limit: 1 })) items.push(item);
assert.deepEqual(items.map((item) => [item.type, item.role]), [["message", "user"], ["message", "assistant"]]);

const second = await client.responses.create({ model: "scripted", input: "again", previous_response_id: first.id });
assert.equal(second.output_text, "said again");

let text = "";
const numbers = [];
const stream = await client.responses.create({ model: "scripted", input: "streamed", stream: true });
for await (const event of stream) {
  numbers.push(event.sequence_number);
  if (event.type === "response.output_text.delta") text += event.delta;
}
assert.equal(text, "said streamed");
assert.deepEqual(numbers, numbers.map((_, n) => n));

const tool = { type: "function", name: "look", parameters: { type: "object", properties: {} }, strict: false };
const asked = await client.responses.create({ model: "scripted", input: "use tools", tools: [tool] });
const calls = asked.output.filter((item) => item.type === "function_call");
assert.equal(calls.length, 2);
const answered = await client.responses.create({
  model: "scripted",
  previous_response_id: asked.id,
  tools: [tool],
  input: calls.map((call) => ({ type: "function_call_output", call_id: call.call_id, output: "found" })),
});
assert.match(answered.output_text, /^said/);
await assert.rejects(
  client.responses.create({ model: "scripted", input: "x", previous_response_id: "resp_that_never_was" }),
  (error) => error instanceof OpenAI.BadRequestError && error.code === "previous_response_not_found",
);
