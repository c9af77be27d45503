// The organization's assistants, for names and for choosing.

import { currentCaller, readAll } from "./api.js";
import { changed } from "./store.js";

const RELOAD_MS = 60_000;

export const assistants = { all: [], isLoaded: false };
let askedAt = -Infinity;

/** Begin anew: another organization has others. They are asked for when a name is needed, or somebody chooses. */
export function forgetAssistants() {
  Object.assign(assistants, { all: [], isLoaded: false });
  askedAt = -Infinity;
}

export async function loadAssistants() {
  askedAt = performance.now();
  const as = currentCaller();
  const all = await readAll("v1/assistants", as);
  if (as !== currentCaller()) return;
  Object.assign(assistants, { all: all.map(named).sort((a, b) => a.name.localeCompare(b.name)), isLoaded: true });
  changed();
}

/** One without a name goes by its id. */
function named(assistant) {
  return { ...assistant, name: assistant.name ?? assistant.id };
}

/** Load them again if the last time is long ago: before somebody chooses one. */
export function refreshAssistants() {
  if (performance.now() - askedAt > RELOAD_MS) loadAssistants().catch(() => {});
}

/** What a thread's assistant is called. */
export function assistantName(id) {
  if (!assistants.isLoaded) refreshAssistants();
  const known = assistants.all.find((assistant) => assistant.id === id);
  return known?.name ?? (assistants.isLoaded ? "deleted assistant" : "…");
}

export function isDeleted(id) {
  return id !== null && assistants.isLoaded && !assistants.all.some((assistant) => assistant.id === id);
}
