// AG-UI's own client: a conversation, a reload, a tool of the front end, an edit, and what is refused.
import assert from "node:assert/strict";
import { HttpAgent } from "@ag-ui/client";

const headers = { Authorization: `Bearer ${process.env.KEY}` };
const agentOf = (threadId, options = {}) => new HttpAgent({ url: `${process.env.SERVER}/ag-ui`, threadId, headers, ...options });
const user = (id, content) => ({ id, role: "user", content });
const said = (agent) => agent.messages.map(({ role, content }) => `${role}: ${content ?? ""}`);

const agent = agentOf("a chat");
await agent.runAgent();
assert.deepEqual(agent.messages, []);

agent.addMessage(user("m1", "hello"));
let text = "";
await agent.runAgent({}, { onTextMessageContentEvent: ({ event }) => void (text += event.delta) });
assert.equal(text, "said hello");
assert.deepEqual(said(agent), ["user: hello", "assistant: said hello"]);
agent.addMessage(user("m2", "and then?"));
await agent.runAgent();
assert.deepEqual(said(agent).slice(2), ["user: and then?", "assistant: said and then?"]);

const reloaded = agentOf("a chat");
await reloaded.runAgent();
assert.deepEqual(reloaded.messages, agent.messages);
await reloaded.runAgent();
assert.equal(reloaded.messages.length, 4);

const changed = agentOf("a chat", { initialMessages: [...agent.messages.slice(0, 2), user("m3", "or else?")] });
await changed.runAgent();
assert.deepEqual(said(changed).slice(2), ["user: or else?", "assistant: said or else?"]);

const look = { name: "look", description: "Looks.", parameters: { type: "object", properties: {} } };
const caller = agentOf("with tools", { initialMessages: [user("t1", "use tools")] });
await caller.runAgent({ tools: [look] });
const calls = caller.messages.at(-1).toolCalls;
assert.deepEqual(calls.map((call) => call.function.name), ["look", "look"]);
for (const { id } of calls) caller.addMessage({ id: `of-${id}`, role: "tool", toolCallId: id, content: "found" });
await caller.runAgent({ tools: [look] });
assert.equal(caller.messages.at(-1).role, "assistant");
assert.equal(caller.messages.length, 5);

await assert.rejects(agentOf("thread_that_is_not_there").runAgent(), /404/);

// The same threads, natively.
const listed = await fetch(`${process.env.SERVER}/v1/threads?externalId=a%20chat`, { headers });
const [thread] = (await listed.json()).data;
assert.equal(thread.messageCount, 6);
