// assistant-ui's own client of its cloud: threads, a conversation of 350 messages, branches, titles, and refusals.
import assert from "node:assert/strict";
import { AssistantCloud, CloudAPIError, generateThreadTitle } from "assistant-cloud";

const baseUrl = `${process.env.SERVER}/assistant-ui`;
const cloud = new AssistantCloud({ baseUrl, authToken: async () => process.env.TOKEN, telemetry: false });
const format = "ai-sdk/v6";
const said = (role, text) => ({ role, parts: [{ type: "text", text }] });
const refused = (status, code) => (error) => error instanceof CloudAPIError && error.status === status && error.code === code;

const { thread_id } = await cloud.threads.create({ last_message_at: new Date(), metadata: { topic: "bill" }, external_id: "one" });
assert.equal((await cloud.threads.create({ last_message_at: new Date(), external_id: "one", upsert: true })).thread_id, thread_id);
await assert.rejects(cloud.threads.create({ last_message_at: new Date(), external_id: "one" }), refused(409, "external_id_taken"));
const empty = await cloud.threads.get(thread_id);
assert.deepEqual([empty.title, empty.metadata, empty.is_archived], ["", { topic: "bill" }, false]);
assert.deepEqual(empty.last_message_at, empty.created_at);

let parent = null;
for (let n = 0; n < 350; n++) {
  const content = said(n % 2 ? "assistant" : "user", `m${n}`);
  parent = (await cloud.threads.messages.create(thread_id, { parent_id: parent, format, content, external_id: `x${n}` })).message_id;
}
const loaded = [];
for (let after; ; after = loaded.at(-1).id) {
  const query = { format, limit: 200, ...(after && { after }) };
  const { messages } = await cloud.threads.messages.list(thread_id, query);
  loaded.push(...messages);
  if (messages.length < 200) break;
}
assert.deepEqual(loaded.map(({ content }) => content.parts[0].text), Array.from({ length: 350 }, (_, n) => `m${349 - n}`));
assert.deepEqual(loaded.map(({ height }) => height), Array.from({ length: 350 }, (_, n) => 349 - n));
assert.equal(loaded.at(-1).parent_id, null);

// The copies that telemetry sends are not stored, also where nothing may be.
const copy = { parent_id: null, format: "aui/v0", content: { role: "user", content: [] }, external_id: "x349" };
assert.equal((await cloud.threads.messages.create(thread_id, copy)).message_id, parent);
await cloud.threads.update(thread_id, { is_archived: true });
assert.equal((await cloud.threads.messages.create(thread_id, { ...copy, external_id: parent })).message_id, parent);
await assert.rejects(cloud.threads.messages.create(thread_id, { ...copy, external_id: "new" }), refused(409, "thread_archived"));
assert.deepEqual((await cloud.threads.list()).threads, []);
assert.deepEqual((await cloud.threads.list({ is_archived: true })).threads.map(({ id }) => id), [thread_id]);
await cloud.threads.update(thread_id, { is_archived: false });

// Another answer to the same question, another text, feedback, and a deletion.
const other = await cloud.threads.messages.create(thread_id, { parent_id: loaded[1].id, format, content: said("assistant", "or") });
await cloud.threads.messages.update(thread_id, other.message_id, { content: said("assistant", "or this") });
assert.equal((await cloud.threads.messages.feedback(thread_id, parent, { type: "negative", comment: " no " })).comment, "no");
const [newest, before] = (await cloud.threads.messages.list(thread_id, { format, limit: 2 })).messages;
assert.deepEqual([newest.content, newest.parent_id, before.parent_id], [said("assistant", "or this"), loaded[1].id, loaded[1].id]);
await cloud.threads.messages.delete(thread_id, [other.message_id]);
await assert.rejects(cloud.threads.messages.delete(thread_id, [other.message_id]), refused(404, "message_not_found"));
await assert.rejects(cloud.threads.messages.create(thread_id, { ...copy, external_id: "l", open_run: true }), refused(400, "invalid_field"));

// Titles: the text of the stream is the title that is saved.
const messages = [{ role: "user", content: [{ type: "text", text: "hello there" }] }];
const title = await generateThreadTitle(cloud, { threadId: thread_id, messages });
assert.equal((await cloud.threads.get(thread_id)).title, title);
assert.ok(title);
await cloud.threads.update(thread_id, { title: "By hand" });
assert.equal(await generateThreadTitle(cloud, { threadId: thread_id, messages }), "By hand");

assert.ok((await cloud.runs.report({ thread_id, status: "completed" })).run_id.length <= 48);
await assert.rejects(cloud.threads.claim({ refresh_token: "x" }), refused(404, "not_found"));

// A backend with a key: it acts for its user, and gets that user's token.
const backend = new AssistantCloud({ baseUrl, apiKey: process.env.KEY, userId: "uid_lea", workspaceId: "uid_lea", telemetry: false });
const { token } = await backend.auth.tokens.create();
const lea = new AssistantCloud({ baseUrl, authToken: async () => token, telemetry: false });
const hers = await lea.threads.create({ last_message_at: new Date() });
assert.deepEqual((await backend.threads.list()).threads.map(({ id }) => id), [hers.thread_id]);
await assert.rejects(lea.threads.get(thread_id), refused(404, "thread_not_found"));

await cloud.threads.delete(thread_id);
await assert.rejects(cloud.threads.get(thread_id), refused(404, "thread_not_found"));
