// Find in the open thread: all its messages are read, a hundred at a time, from the newest back.

import { get } from "./api.js";
import { conversation, messagesPath } from "./conversation.js";
import { changed, drawNow } from "./store.js";

const PAGE_MAX = 100;
const NOTHING = { words: "", hits: [], current: -1, readCount: 0, cursor: null, isRunning: false, error: null };

/** `hits` are the ids of messages, the newest first; `current` is the place among them of the one that is shown. */
export const finding = { isOpen: false, threadId: null, ...NOTHING };

let walksCount = 0;

export function openFind() {
  if (conversation.status !== "ready") return;
  if (finding.threadId !== conversation.threadId) forget();
  Object.assign(finding, { isOpen: true, threadId: conversation.threadId });
  drawNow();
  document.getElementById("find").select();
}

export function closeFind() {
  forget();
  drawNow();
  document.getElementById("messages")?.focus();
}

/** What was being found belongs to another thread. */
export function leaveOtherThread() {
  if (finding.isOpen && finding.threadId !== conversation.threadId) forget();
}

export function stopFinding() {
  walksCount++;
  finding.isRunning = false;
  changed();
}

/** Find anew; `show` is called with the first message that has the words. */
export function find(words, show) {
  Object.assign(finding, NOTHING, { words: folded(words.trim()), hits: [] });
  return finding.words === "" ? changed() : goOn(show);
}

/** Read on where it was stopped, or broke off. */
export async function goOn(show) {
  const mine = ++walksCount;
  Object.assign(finding, { isRunning: true, error: null });
  changed();
  try {
    do {
      const query = { order: "desc", limit: PAGE_MAX, after: finding.cursor };
      const page = await get(messagesPath(), query);
      if (mine !== walksCount) return;
      take(page, show);
    } while (finding.cursor !== null);
  } catch (error) {
    if (mine !== walksCount) return;
    finding.error = error;
  }
  finding.isRunning = false;
  changed();
}

/** Go to the next older (1) or newer (-1) message that has the words; one that was deleted meanwhile is left out. */
export async function step(direction, show) {
  const { hits, current } = finding;
  if (hits.length === 0) return;
  finding.current = (current + direction + hits.length) % hits.length;
  const id = hits[finding.current];
  changed();
  if ((await show(id)) !== "gone") return;
  finding.hits = finding.hits.filter((hit) => hit !== id);
  finding.current = Math.min(finding.current, finding.hits.length - 1);
  changed();
}

export function folded(text) {
  return text.normalize("NFC").toLowerCase();
}

function take(page, show) {
  finding.hits.push(...page.data.filter((message) => folded(textsIn(message)).includes(finding.words)).map(({ id }) => id));
  finding.readCount += page.data.length;
  finding.cursor = page.nextCursor;
  if (finding.current < 0) step(1, show);
  changed();
}

function textsIn({ content, toolCalls, toolCallId }) {
  const parts = content.map((part) => part.text ?? part.name ?? "");
  const calls = (toolCalls ?? []).map((made) => `${made.function.name}\n${made.function.arguments}`);
  return [...parts, ...calls, toolCallId ?? ""].join("\n");
}

function forget() {
  walksCount++;
  Object.assign(finding, NOTHING, { isOpen: false, hits: [] });
}
