// Threads and messages through OpenAI's JavaScript client, unchanged but for base URL and key.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.env.SERVER}/openai/v1`, apiKey: process.env.KEY });
const { threads } = client.beta;

const thread = await threads.create({
  messages: [{ role: "user", content: "hello" }],
  metadata: { topic: "greeting" },
});
assert.equal((await threads.retrieve(thread.id)).metadata.topic, "greeting");
const changed = await threads.update(thread.id, { metadata: { topic: null, next: "1" } });
assert.deepEqual(changed.metadata, { next: "1" });

for (let n = 0; n < 45; n++) {
  await threads.messages.create(thread.id, { role: "user", content: `m${n}` });
}
const texts = [];
for await (const message of threads.messages.list(thread.id, { order: "asc", limit: 10 })) {
  texts.push(message.content[0].text.value);
}
assert.deepEqual(texts, ["hello", ...Array.from({ length: 45 }, (_, n) => `m${n}`)]);

await assert.rejects(threads.retrieve("thread_that_never_was"), OpenAI.NotFoundError);
await assert.rejects(
  threads.messages.create(thread.id, { role: "user", content: "x", attachments: [{ file_id: "f" }] }),
  (error) => error instanceof OpenAI.BadRequestError && error.code === "unsupported_value",
);
assert.equal((await threads.delete(thread.id)).deleted, true);

const assistant = await client.beta.assistants.create({ model: "scripted", name: "Math Tutor" });
assert.equal((await client.beta.assistants.retrieve(assistant.id)).name, "Math Tutor");
assert.ok((await client.models.list()).data.some((model) => model.id === "scripted"));
