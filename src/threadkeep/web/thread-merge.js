// How a freshly read top of the list goes into what is shown already.

/**
 * Return `{threads, nextCursor}`.
 *
 * `fresh` is the list's beginning as it is now. What was shown and belongs into that stretch, but is not in it, is gone;
 * what lies behind it stays. With `mayMove` false rows keep their places and new ones wait for the next time.
 */
export function merge(shown, fresh, mayMove) {
  const freshById = new Map(fresh.data.map((thread) => [thread.id, thread]));
  const behind = shownBehind(shown.threads, fresh, freshById);
  if (mayMove || shown.threads.length === 0) {
    return { threads: [...fresh.data, ...behind], nextCursor: behind.length > 0 ? shown.nextCursor : fresh.nextCursor };
  }
  const stays = new Set(behind.map((thread) => thread.id));
  const threads = shown.threads
    .filter((thread) => freshById.has(thread.id) || stays.has(thread.id))
    .map((thread) => freshById.get(thread.id) ?? thread);
  return { threads, nextCursor: shown.nextCursor };
}

function shownBehind(threads, fresh, freshById) {
  if (fresh.nextCursor === null) return [];
  const last = fresh.data.at(-1);
  const index = threads.findIndex((thread) => thread.id === last.id);
  const rest = index >= 0 ? threads.slice(index + 1) : threads.filter((thread) => thread.updatedAt < last.updatedAt);
  return rest.filter((thread) => !freshById.has(thread.id));
}
