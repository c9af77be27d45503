// Chats with a list, kept by threadkeep. Open it as http://localhost:5173/#server=http://127.0.0.1:8000&token=…
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, generateId } from "ai";
import { useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";

const given = new URLSearchParams(location.hash.slice(1));
const server = given.get("server");
const api = `${server}/ai-sdk/chat`;
const headers = { Authorization: `Bearer ${given.get("token")}` };
const transport = new DefaultChatTransport({ api, headers });

async function call(path) {
  const answer = await fetch(server + path, { headers });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error.message);
  return body.data;
}

// The newest messages of a chat, by the native API: it knows which have others beside them. Parts of text look the same.
async function readChat(id, through) {
  const [thread] = id.startsWith("thread_") ? [{ id }] : await call(`/v1/threads?externalId=${encodeURIComponent(id)}`);
  if (!thread) return [];
  const line = through ? `through=${through}` : "branch=current";
  const messages = await call(`/v1/threads/${thread.id}/messages?order=desc&limit=100&include=siblings&${line}`);
  return messages.reverse().map(({ id, role, content, siblingIds }) => ({ id, role, parts: content, metadata: { siblingIds } }));
}

function App() {
  const [id, setId] = useState(given.get("chat") ?? generateId());
  const [messages, setMessages] = useState();
  const [threads, setThreads] = useState([]);
  const [trouble, setTrouble] = useState();

  useEffect(() => {
    given.set("chat", id);
    history.replaceState(null, "", `#${given}`);
    setMessages();
    readChat(id).then(setMessages, setTrouble);
  }, [id]);

  useEffect(() => {
    // Titles come a little after the first answer, and chats from other tabs.
    const look = () => call("/v1/threads?limit=50").then((found) => (setThreads(found), setTrouble()), setTrouble);
    look();
    const timer = setInterval(look, 2000);
    return () => clearInterval(timer);
  }, []);

  return (
    <>
      <nav>
        <button onClick={() => setId(generateId())}>New chat</button>
        {threads.map(({ id: threadId, externalId, title, chat = externalId ?? threadId }) => (
          <button key={chat} aria-current={chat === id} onClick={() => setId(chat)}>{title ?? "…"}</button>
        ))}
      </nav>
      <main>
        {messages && <Chat key={id} id={id} messages={messages} />}
        {trouble && <p role="alert">{trouble.message}</p>}
      </main>
    </>
  );
}

function Chat({ id, messages }) {
  const [text, setText] = useState("");
  const [edited, setEdited] = useState();
  const chat = useChat({ id, messages, transport, onFinish: ({ isError, isDisconnect }) => isError || isDisconnect || show() });
  const isBusy = chat.status === "submitted" || chat.status === "streaming";
  const isBusyNow = useRef();
  isBusyNow.current = isBusy;

  const show = (through) => readChat(id, through).then((found) => isBusyNow.current || chat.setMessages(found));
  // Takes up what runs; and what ended since the messages were read is shown too.
  useEffect(() => void chat.resumeStream().then(() => show()), []);
  const stop = () => fetch(`${api}/${encodeURIComponent(id)}/stop`, { method: "POST", headers });

  const edit = (message) => {
    setEdited(message?.id);
    setText(message ? textOf(message) : "");
  };
  const send = (event) => {
    event.preventDefault();
    chat.sendMessage({ text, messageId: edited });
    edit();
  };

  return (
    <>
      <ol>
        {chat.messages.map((message) => (
          <li key={message.id} data-role={message.role}>
            <p>{textOf(message)}</p>
            {!isBusy && (
              <small>
                <Versions message={message} open={show} />
                {message.role === "user" && <button onClick={() => edit(message)}>Edit</button>}
                {message.role === "assistant" && <button onClick={() => chat.regenerate({ messageId: message.id })}>Again</button>}
              </small>
            )}
          </li>
        ))}
      </ol>
      {chat.error && <p role="alert">{chat.error.message}</p>}
      <form onSubmit={send}>
        <input placeholder="Ask something" value={text} onChange={(event) => setText(event.target.value)} />
        {edited && <button type="button" onClick={() => edit()}>Cancel</button>}
        {isBusy ? <button type="button" onClick={stop}>Stop</button> : <button disabled={!text.trim()}>Send</button>}
      </form>
    </>
  );
}

function Versions({ message, open }) {
  const ids = message.metadata?.siblingIds ?? [];
  const at = ids.indexOf(message.id);
  if (ids.length < 2) return null;
  return (
    <>
      <button aria-label="Version before" disabled={at === 0} onClick={() => open(ids[at - 1])}>‹</button>
      {at + 1}/{ids.length}
      <button aria-label="Version after" disabled={at === ids.length - 1} onClick={() => open(ids[at + 1])}>›</button>
    </>
  );
}

const textOf = (message) => message.parts.filter((part) => part.type === "text").map((part) => part.text).join("");

createRoot(document.getElementById("root")).render(<App />);
