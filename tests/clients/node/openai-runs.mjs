// Runs, with tools and as streams, through OpenAI's JavaScript client.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.env.SERVER}/openai/v1`, apiKey: process.env.KEY });
const { threads, assistants } = client.beta;
const look = { type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } };

const assistant = await assistants.create({ model: "scripted", instructions: "Be brief.", tools: [look] });
const thread = await threads.create({ messages: [{ role: "user", content: "plain" }] });

const run = await threads.runs.createAndPoll(thread.id, { assistant_id: assistant.id });
assert.equal(run.status, "completed");
const [newest] = (await threads.messages.list(thread.id)).data;
assert.equal(newest.content[0].text.value, "said plain");
assert.equal(newest.run_id, run.id);

await threads.messages.create(thread.id, { role: "user", content: "use tools" });
const waiting = await threads.runs.createAndPoll(thread.id, { assistant_id: assistant.id });
assert.equal(waiting.status, "requires_action");
const calls = waiting.required_action.submit_tool_outputs.tool_calls;
assert.deepEqual(calls.map((call) => call.function.name), ["look", "look"]);
const done = await threads.runs.submitToolOutputsAndPoll(waiting.id, {
  thread_id: thread.id,
  tool_outputs: calls.map((call) => ({ tool_call_id: call.id, output: "found" })),
});
assert.equal(done.status, "completed");
assert.equal(done.id, waiting.id);
const steps = (await threads.runs.steps.list(done.id, { thread_id: thread.id, order: "asc" })).data;
assert.deepEqual(steps.map((step) => step.type), ["tool_calls", "message_creation"]);

let text = "";
const seen = [];
const stream = threads.runs
  .stream(thread.id, { assistant_id: assistant.id, additional_messages: [{ role: "user", content: "streamed" }] })
  .on("event", (event) => seen.push(event.event))
  .on("textDelta", (delta) => (text += delta.value ?? ""));
const final = await stream.finalRun();
assert.equal(final.status, "completed");
assert.equal(text, "said streamed");
assert.equal((await stream.finalMessages())[0].content[0].text.value, "said streamed");
assert.equal(seen[0], "thread.run.created");
