// The organization's assistants, for names and for choosing.

import { get } from "./api.js";
import { changed } from "./store.js";

const PAGES_MAX = 10;
const RELOAD_MS = 60_000;

export const assistants = { all: [], isLoaded: false };
let loadedAt = -Infinity;

export async function loadAssistants() {
  const all = [];
  let after;
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer = await get("v1/assistants", { limit: 100, after });
    all.push(...answer.data);
    after = answer.nextCursor;
    if (!answer.hasMore) break;
  }
  Object.assign(assistants, { all: all.sort((a, b) => a.name.localeCompare(b.name)), isLoaded: true });
  loadedAt = performance.now();
  changed();
}

/** Load them again if the last time is long ago: before somebody chooses one. */
export function refreshAssistants() {
  if (performance.now() - loadedAt > RELOAD_MS) loadAssistants().catch(() => {});
}

/** What a thread's assistant is called. */
export function assistantName(id) {
  const known = assistants.all.find((assistant) => assistant.id === id);
  return known?.name ?? (assistants.isLoaded ? "deleted assistant" : "…");
}

export function isDeleted(id) {
  return id !== null && assistants.isLoaded && !assistants.all.some((assistant) => assistant.id === id);
}
