// The models that a thread may be answered by, for choosing, and which one goes on with a thread.

import { currentCaller, get, readAll } from "./api.js";
import { conversation } from "./conversation.js";
import { changed } from "./store.js";

const RELOAD_MS = 60_000;

export const models = { all: [] };
const NOT_ASKED = { threadId: null, model: null };
// What is being asked for now.
let last = NOT_ASKED;
let loading = null;
let askedAt = -Infinity;

/** Load them again if the last time is long ago: before somebody chooses one. */
export function refreshModels() {
  if (performance.now() - askedAt > RELOAD_MS) loadModels().catch(() => {});
}

function loadModels() {
  askedAt = performance.now();
  loading = readAll("v1/models", currentCaller()).then((named) => {
    // The built-in one only repeats: beside others it is no choice.
    const all = named.filter(({ id, isDefault }) => isDefault || id !== "echo");
    models.all = all;
    changed();
    return all;
  });
  // After a failure the next one who needs them asks again.
  loading.catch(() => { loading = null; });
  return loading;
}

/**
 * The model to name in a request of the open thread: the one that was chosen for it, or that answered there last.
 *
 * None where an assistant says that, or where it is the server's default.
 */
export async function chosenModel() {
  if (conversation.thread?.assistantId ?? conversation.assistantId) return undefined;
  if (conversation.model === undefined) {
    const { threadId } = conversation;
    if (last.threadId !== threadId) last = { threadId, model: lastModel(threadId) };
    const model = await last.model;
    if (conversation.threadId !== threadId) return model ?? undefined;
    conversation.model = model;
  }
  return conversation.model ?? undefined;
}

async function lastModel(threadId) {
  try {
    const all = await (loading ?? loadModels());
    if (all.length < 2) return null;
    const { data } = await get(`v1/threads/${threadId}/responses`, { order: "desc", limit: 1 });
    const known = all.find(({ id }) => id === data[0]?.model);
    return known && !known.isDefault ? known.id : null;
  } finally {
    // What is asked for once more may have another answer.
    last = NOT_ASKED;
  }
}
