// The AI SDK's own chat, without a framework around it, in each version that is served.
import assert from "node:assert/strict";

const headers = { Authorization: `Bearer ${process.env.KEY}` };
const api = `${process.env.SERVER}/ai-sdk/chat`;
const textOf = (message) => message.parts.filter((part) => part.type === "text").map((part) => part.text).join("");
const said = (chat) => chat.messages.map((message) => `${message.role}: ${textOf(message)}`);
// Without what is undefined.
const shown = (messages) => JSON.parse(JSON.stringify(messages));
const until = async (holds) => {
  for (let n = 0; !holds(); n++) {
    assert.ok(n < 500, `not within 10 s: ${holds}`);
    await new Promise((done) => setTimeout(done, 20));
  }
};

class State {
  status = "ready";
  error = undefined;
  constructor(messages) {
    this.messages = messages;
  }
  pushMessage = (message) => void (this.messages = [...this.messages, message]);
  popMessage = () => void (this.messages = this.messages.slice(0, -1));
  replaceMessage = (place, message) => void (this.messages = this.messages.with(place, structuredClone(message)));
  snapshot = (value) => structuredClone(value);
}

for (const name of ["ai5", "ai6", "ai7"]) {
  const ai = await import(name);
  class Chat extends ai.AbstractChat {
    constructor({ id, messages = [], ...options }) {
      const transport = new ai.DefaultChatTransport({ api, headers, ...options.transport });
      super({ id: `${name} ${id}`, state: new State(messages), ...options, transport });
    }
  }
  const stored = async (id) => {
    const answer = await fetch(`${api}/${encodeURIComponent(`${name} ${id}`)}/messages`, { headers });
    assert.equal(answer.status, 200);
    const { messages } = await answer.json();
    // Version 5 has no such function for pages, 6 and 7 check every part.
    if (messages.length && ai.validateUIMessages) await ai.validateUIMessages({ messages });
    return messages;
  };
  const same = async (chat, id) => assert.deepEqual(shown(await stored(id)), shown(chat.messages));

  // A page that resumes before the first message is in no error.
  const chat = new Chat({ id: "a chat" });
  await chat.resumeStream();
  assert.deepEqual([chat.status, chat.messages], ["ready", []]);

  await chat.sendMessage({ text: "hello" });
  await chat.sendMessage({ text: "and then?" });
  assert.deepEqual([chat.status, chat.error], ["ready", undefined]);
  assert.deepEqual(said(chat), ["user: hello", "assistant: said hello", "user: and then?", "assistant: said and then?"]);
  await same(chat, "a chat");

  // Again, and an edit: what was there stays on other branches.
  const answer = chat.lastMessage.id;
  await chat.regenerate();
  assert.equal(said(chat).at(-1), "assistant: said and then?");
  assert.notEqual(chat.lastMessage.id, answer);
  await same(chat, "a chat");
  await chat.sendMessage({ text: "or else?", messageId: chat.messages[2].id });
  assert.deepEqual(said(chat).slice(2), ["user: or else?", "assistant: said or else?"]);
  await same(chat, "a chat");
  await chat.sendMessage({ text: "hi", messageId: chat.messages[0].id });
  assert.deepEqual(said(chat), ["user: hi", "assistant: said hi"]);
  await same(chat, "a chat");

  // After a reload.
  const reloaded = new Chat({ id: "a chat", messages: await stored("a chat") });
  await reloaded.sendMessage({ text: "still there?" });
  assert.equal(said(reloaded).at(-1), "assistant: said still there?");
  await same(reloaded, "a chat");

  // Only the last message is sent.
  const prepareSendMessagesRequest = ({ id, messages, trigger, messageId }) =>
    ({ body: { id, message: messages.at(-1), trigger, messageId } });
  const brief = new Chat({ id: "a chat", messages: await stored("a chat"), transport: { prepareSendMessagesRequest } });
  await brief.sendMessage({ text: "briefly?" });
  assert.equal(brief.messages.length, 6);
  await same(brief, "a chat");

  // A second page comes in the middle of an answer.
  const first = new Chat({ id: "slow" });
  const sending = first.sendMessage({ text: "slowly" });
  await until(() => first.status === "streaming" && said(first).at(-1) === "assistant: said ");
  const second = new Chat({ id: "slow", messages: await stored("slow") });
  assert.deepEqual(said(second), ["user: slowly"]);
  await Promise.all([second.resumeStream(), sending]);
  assert.deepEqual([second.status, second.error], ["ready", undefined]);
  assert.deepEqual(shown(second.messages), shown(first.messages));
  await same(second, "slow");

  // A page that lost its connection sends the same again.
  const lost = new Chat({ id: "lost" });
  const losing = lost.sendMessage({ text: "slowly" });
  await until(() => lost.status === "streaming" && lost.messages.length === 2);
  await lost.stop();
  await losing;
  const again = new Chat({ id: "lost", messages: lost.messages.slice(0, 1) });
  await again.sendMessage();
  assert.deepEqual(said(again), ["user: slowly", "assistant: said slowly"]);
  await same(again, "lost");

  // Stop.
  const stopped = new Chat({ id: "stopped" });
  const stopping = stopped.sendMessage({ text: "slowly" });
  await until(() => stopped.status === "streaming" && said(stopped).at(-1) === "assistant: said ");
  const stop = await fetch(`${api}/${encodeURIComponent(stopped.id)}/stop`, { method: "POST", headers });
  assert.deepEqual(await stop.json(), { success: true });
  await stopping;
  assert.deepEqual([stopped.error, said(stopped)[1]], [undefined, "assistant: said "]);
  await same(stopped, "stopped");

  // A tool of the front end.
  const tools = { look: { description: "Looks.", parameters: { type: "object", properties: {} } } };
  const sendAutomaticallyWhen = ai.lastAssistantMessageIsCompleteWithToolCalls;
  const caller = new Chat({ id: "tools", sendAutomaticallyWhen, transport: { body: { tools } } });
  await caller.sendMessage({ text: "use tools slowly" });
  const calls = caller.lastMessage.parts.filter((part) => part.type === "tool-look");
  assert.deepEqual(calls.map((part) => [part.state, part.input]), [["input-available", {}], ["input-available", {}]]);
  await same(caller, "tools");
  const put = (result) => (caller.addToolOutput ?? caller.addToolResult)({ tool: "look", ...result });
  await put({ toolCallId: calls[0].toolCallId, output: { found: [1, "two"] } });
  await put({ toolCallId: calls[1].toolCallId, state: "output-error", errorText: "It broke." });
  await until(() => textOf(caller.lastMessage) === "said ");
  const watcher = new Chat({ id: "tools", messages: await stored("tools") });
  await watcher.resumeStream();
  await until(() => caller.status === "ready");
  assert.equal(caller.messages.length, 2);
  assert.equal(textOf(caller.lastMessage), "said use tools slowly");
  assert.deepEqual(textOf(watcher.lastMessage), textOf(caller.lastMessage));
  await same(caller, "tools");

  // An answer that ends while the page is loading.
  const leaver = new Chat({ id: "gap" });
  const going = leaver.sendMessage({ text: "slowly one" });
  await until(() => leaver.status === "streaming");
  const page = await (await fetch(`${api}/${encodeURIComponent(leaver.id)}/messages`, { headers })).json();
  assert.deepEqual([page.messages.length, typeof page.responseId], [1, "string"]);
  await going;
  const prepareReconnectToStreamRequest = () => ({ api: `${api}/${encodeURIComponent(leaver.id)}/stream?responseId=${page.responseId}` });
  const loader = new Chat({ id: "gap", messages: page.messages, transport: { prepareReconnectToStreamRequest } });
  await loader.resumeStream();
  assert.deepEqual(shown(loader.messages), shown(leaver.messages));

  // People are shown a sentence.
  let error;
  const refused = new ai.DefaultChatTransport({ api, headers });
  class Refused extends ai.AbstractChat {}
  const nowhere = new Refused({ id: "thread_that_is_not_there", state: new State([]), transport: refused, onError: (each) => void (error = each) });
  await nowhere.sendMessage({ text: "hello" });
  assert.equal(error.message, "There is no such thread, or you may not see it.");
  console.log(`${name}: all of it holds`);
}
