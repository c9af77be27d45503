// LangGraph's own client: threads, streams, history, branches, tools, stopping, joining, and a connection that breaks.
import assert from "node:assert/strict";
import net from "node:net";
import { Client } from "@langchain/langgraph-sdk";

const clientAt = (server, apiKey = process.env.TOKEN) => new Client({ apiUrl: `${server}/langgraph`, apiKey });
const client = clientAt(process.env.SERVER);
const human = (content, id) => ({ messages: [{ type: "human", content, ...(id && { id }) }] });
const texts = (values) => values.messages.map((each) => `${each.type}: ${each.content}`);

async function told(stream, onPart = () => {}) {
  const parts = [];
  for await (const part of stream) {
    parts.push(part);
    await onPart(part);
  }
  return parts;
}

// A conversation.
const thread = await client.threads.create({ metadata: { topic: "seas" } });
let created;
const parts = await told(client.runs.stream(thread.thread_id, "agent", {
  input: human("hello", "m1"), streamMode: ["values", "updates", "messages-tuple"], onRunCreated: (run) => (created = run),
}));
assert.equal(parts[0].event, "metadata");
assert.equal(created.thread_id, thread.thread_id);
assert.equal(created.run_id, parts[0].data.run_id);
const said = parts.filter(({ event }) => event === "messages").map(({ data }) => data[0].content).join("");
assert.equal(said, "said hello");
const last = parts.findLast(({ event }) => event === "values");
assert.deepEqual(texts(last.data), ["human: hello", "ai: said hello"]);
assert.deepEqual((await client.threads.getState(thread.thread_id)).values, last.data);

// Sent again: nothing twice.
assert.deepEqual(await client.runs.wait(thread.thread_id, "agent", { input: human("hello", "m1") }), last.data);
assert.equal((await client.runs.list(thread.thread_id)).length, 1);
assert.equal((await client.runs.get(thread.thread_id, created.run_id)).status, "success");
assert.deepEqual(await client.runs.join(thread.thread_id, created.run_id), last.data);

// Lists.
const found = await client.threads.search({ metadata: { topic: "seas" } });
assert.deepEqual(found.map((each) => each.thread_id), [thread.thread_id]);
assert.equal((await client.threads.search({ metadata: { graph_id: "agent" } })).length, 1);
assert.equal(await client.threads.count({ metadata: { topic: "seas" } }), 1);
assert.equal((await client.threads.update(thread.thread_id, { metadata: { read: true } })).metadata.topic, "seas");
assert.equal((await client.assistants.search()).length, 1);
assert.equal((await client.assistants.get("agent")).graph_id, "agent");

// A history, and an edit as a branch.
const history = await client.threads.getHistory(thread.thread_id, { limit: 1000 });
assert.deepEqual(history.map((state) => state.values.messages.length), [2, 1, 0]);
const { parent_checkpoint: checkpoint } = history.find((state) => state.values.messages.length === 1);
const edited = await client.runs.wait(thread.thread_id, "agent", { input: human("goodbye"), checkpoint });
assert.deepEqual(texts(edited), ["human: goodbye", "ai: said goodbye"]);
assert.equal((await client.threads.getHistory(thread.thread_id, { limit: 1000 })).length, 5);

// A copy, and a message that is added.
const copy = await client.threads.copy(thread.thread_id);
await client.threads.updateState(copy.thread_id, { values: human("and more") });
assert.equal(texts((await client.threads.get(copy.thread_id)).values).at(-1), "human: and more");
await client.threads.delete(copy.thread_id);
await assert.rejects(client.threads.get(copy.thread_id), /404/);

// Stopping, and what a busy thread says.
const busy = await client.threads.create();
const run = await client.runs.create(busy.thread_id, "agent", { input: human("slowly") });
await assert.rejects(client.runs.create(busy.thread_id, "agent", { input: human("more") }), /409/);
await client.runs.cancel(busy.thread_id, run.run_id, true);
assert.equal((await client.runs.get(busy.thread_id, run.run_id)).status, "interrupted");

// Leaving with the wish to stop: what useStream's Stop does.
const left = await client.threads.create();
const leaving = new AbortController();
let ended;
await told(client.runs.stream(left.thread_id, "agent", {
  input: human("slowly, please"), streamMode: "messages-tuple", onDisconnect: "cancel", signal: leaving.signal,
  onRunCreated: (its) => (ended = its.run_id),
}), ({ event }) => event === "messages" && leaving.abort()).catch((error) => assert.equal(error.name, "AbortError"));
await client.runs.join(left.thread_id, ended);
assert.equal((await client.runs.get(left.thread_id, ended)).status, "interrupted");

// Another page joins what runs.
const joined = await client.threads.create();
const running = await client.runs.create(joined.thread_id, "agent", { input: human("slowly, too") });
const followed = await told(client.runs.joinStream(joined.thread_id, running.run_id, { streamMode: "values" }));
assert.deepEqual(texts(followed.findLast(({ event }) => event === "values").data).slice(1), ["ai: said slowly, too"]);

// The connection breaks in the middle: the client goes on where it was.
let cuts = 0;
const { hostname, port } = new URL(process.env.SERVER);
const proxy = net.createServer((near) => {
  const far = net.connect(port, hostname);
  near.on("error", () => far.destroy()).on("close", () => far.destroy()).pipe(far);
  far.on("error", () => near.destroy()).on("close", () => near.destroy()).on("data", (data) => {
    near.write(data, () => {
      if (cuts === 0 && data.includes("event: messages")) {
        cuts += 1;
        near.resetAndDestroy();
      }
    });
  });
});
await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
const cut = clientAt(`http://127.0.0.1:${proxy.address().port}`);
const long = await cut.threads.create();
const whole = await told(cut.runs.stream(long.thread_id, "agent", {
  input: human("slowly on"), streamMode: ["values", "messages-tuple"], streamResumable: true,
}));
assert.equal(cuts, 1);
const pieces = whole.filter(({ event }) => event === "messages").map(({ data }) => data[0].content);
assert.equal(pieces.join(""), "said slowly on");
assert.deepEqual(texts(whole.findLast(({ event }) => event === "values").data), ["human: slowly on", "ai: said slowly on"]);
proxy.close();

// A key in the same field; and what is no credential.
assert.equal((await clientAt(process.env.SERVER, process.env.KEY).threads.get(thread.thread_id)).thread_id, thread.thread_id);
await assert.rejects(clientAt(process.env.SERVER, "nobody").threads.search(), /401/);
process.exit(0);
