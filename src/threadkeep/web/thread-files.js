// Threads as files: the lines of an export, as `threadkeep export` writes them, and Markdown for people.

import { call, get } from "./api.js";
import { fieldsOf, itemsOf } from "./raw-json.js";
import { isSeen, titleOf } from "./thread-words.js";

const BEGIN = { object: "threadkeep.export", version: 1 };
// Some readers end a line at these too. JSON has them in texts only.
const LINE_ENDS = /[\u0085\u2028\u2029]/g;
const WHO = { user: "User", assistant: "Assistant", system: "System", tool: "Tool result" };

/** The lines around an export, which prove that it is complete. */
export function firstLine() {
  return asLine(JSON.stringify(BEGIN));
}

export function lastLine(threadCount, messageCount) {
  return asLine(JSON.stringify({ object: "threadkeep.export.end", threadCount, messageCount }));
}

/** A thread, given as its JSON, with all its messages, payloads and branches as one line: `{text, messageCount}`. */
export async function exportLine(thread, assistantNames, as) {
  const fields = fieldsOf(thread);
  const [id, assistantId] = ["id", "assistantId"].map((name) => JSON.parse(fields.get(name)));
  const messages = [];
  for await (const page of rawPages(`v1/threads/${id}/messages`, { include: "payload" }, as)) {
    // What is being written is left out: a line with it would never be completed.
    messages.push(...page.filter((message) => JSON.parse(message).status !== "in_progress"));
  }
  fields.delete("messageCount");
  fields.set("assistantName", JSON.stringify(assistantNames.get(assistantId) ?? null));
  fields.set("messages", `[${messages.join(",")}]`);
  fields.set("messageCount", messages.length);
  const text = [...fields].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",");
  return { text: asLine(`{${text}}`), messageCount: messages.length };
}

/** The shown line of a thread, for people: who says what and when, calls of tools and what came of them. */
export async function markdownOf(thread, shown, as) {
  const place = shown === null ? { branch: "current" } : { through: shown };
  const parts = [`# ${oneLine(titleOf(thread))}`, `${stamp(thread.createdAt)} · \`${thread.id}\``];
  for await (const page of pages(`v1/threads/${thread.id}/messages`, { ...place, include: "siblings" }, as)) {
    for (const message of page) {
      parts.push(heading(message), ...bodyOf(message));
      if (message.id === shown) return `${parts.join("\n\n")}\n`;
    }
  }
  return `${parts.join("\n\n")}\n`;
}

/** Give a list page by page, the oldest first. */
export async function* pages(path, query, as) {
  let after;
  do {
    const page = await get(path, { order: "asc", limit: 100, ...query, after }, as);
    yield page.data;
    after = page.hasMore ? page.nextCursor : undefined;
  } while (after);
}

/** The same with each object as its JSON, as it came. */
export async function* rawPages(path, query, as) {
  let after;
  do {
    const { data } = await call("GET", path, { query: { order: "asc", limit: 100, ...query, after }, as, isRaw: true });
    const page = fieldsOf(data);
    yield itemsOf(page.get("data"));
    after = page.get("hasMore") === "true" ? JSON.parse(page.get("nextCursor")) : undefined;
  } while (after);
}

/** A name for a file: the title without what file systems do not take. */
export function fileName(thread, ending) {
  const words = titleOf(thread).replace(/[\p{C}\p{Z}"*/:<>?\\|.]+/gu, " ").trim();
  return `${[...words].slice(0, 60).join("") || thread.id}.${ending}`;
}

function asLine(json) {
  return `${json.replace(LINE_ENDS, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, "0")}`)}\n`;
}

function heading({ id, role, createdAt, status, siblingIds = [] }) {
  const version = siblingIds.length > 1 ? ` · version ${siblingIds.indexOf(id) + 1} of ${siblingIds.length}` : "";
  return `## ${WHO[role]} · ${stamp(createdAt)}${version}${status === "incomplete" ? " · cut off" : ""}`;
}

function bodyOf({ role, content, toolCalls }) {
  const texts = content.map((part) => (part.type === "text" ? part.text : attachment(part))).filter(isSeen);
  const body = role === "tool" ? texts.map((text) => fenced(text)) : texts;
  const calls = (toolCalls ?? []).map((call) => fenced(`${call.function.name}(${call.function.arguments})`));
  return [...body, ...calls];
}

function attachment({ type, url, name }) {
  const word = oneLine(name || (type === "image" ? "Picture" : "File"));
  // Data in an address would be longer than all that is said.
  if (/^data:/i.test(url)) return `*${word}, ${url.length} characters of data*`;
  return `${type === "image" ? "!" : ""}[${word.replace(/[[\]\\]/g, "\\$&")}](<${url.replace(/[<>\s]/g, encodeURIComponent)}>)`;
}

/** A block whose fence is longer than any in the text. */
function fenced(text) {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

function oneLine(text) {
  return text.replace(/\s+/g, " ").trim();
}

/** A time that reads the same everywhere. */
function stamp(seconds) {
  return `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
