// The shown line of a thread: it stays the same, whatever others write elsewhere, until somebody chooses another one.
//
// `end` is the last message of that line that is known; null stands for the line that ends at the thread's newest one.

import { readAgain, readAround, readFirst, readNewest } from "./message-window.js";

// What a line was named by was deleted.
const LOST = new Set(["message_not_found", "invalid_cursor"]);

/** Where the messages of a line are read, as message-window.js wants it. */
export function lineTo(path, end) {
  return { path, line: end === null ? { branch: "current" } : { through: end } };
}

/** Read a shown window anew: `{messages, hasOlder, hasNewer, end, isCurrent}`. */
export async function readShown(path, shown) {
  const { messages, followsEnd } = shown;
  const isAtEnd = followsEnd || messages.length < 2;
  const current = isAtEnd ? await readNewest(lineTo(path, null), messages.length) : null;
  if (current !== null && goesOn(current, shown.end)) return { ...current, end: endOf(current), isCurrent: true };
  for (const end of [shown.end, messages.find(({ id }) => id === shown.end)?.parentId ?? null]) {
    if (end === null) continue;
    try {
      const source = lineTo(path, end);
      if (current === null) return { ...(await readAgain(source, shown)), end, isCurrent: shown.isCurrent };
      const held = await readNewest(source, messages.length);
      return { ...held, end: endOf(held), isCurrent: endOf(held) === endOf(current) };
    } catch (error) {
      if (!LOST.has(error.code)) throw error;
    }
  }
  const newest = current ?? (await readNewest(lineTo(path, null)));
  return { ...newest, end: endOf(newest), isCurrent: true };
}

/** Whether a window at the end of the current line shows what was shown before, or there is no other line. */
function goesOn({ messages, hasOlder }, end) {
  if (end === null || messages.some(({ id }) => id === end)) return true;
  return !hasOlder && messages.every(({ siblingIds }) => siblingIds.length === 0);
}

/** The id of the last message of a window at a line's end. */
export function endOf({ messages }) {
  return messages.at(-1)?.id ?? null;
}

/**
 * Leave the line behind a message: what of a window stays on the screen when `first` follows that one instead.
 *
 * `parentId` null is the thread's beginning.
 */
export function cutBehind({ messages, hasOlder }, parentId, first) {
  const at = messages.findIndex(({ id }) => id === parentId);
  const kept = messages.slice(0, at + 1);
  // Beside it: the message that followed until now, if that one is loaded.
  const beside = at >= 0 || (parentId === null && !hasOlder) ? messages[at + 1] : undefined;
  const older = beside && beside.siblingIds.length === 0 ? [beside.id] : beside?.siblingIds ?? [];
  const siblingIds = older.length > 0 ? [...older, first.id] : [];
  return { kept, hasOlder: kept.length > 0 ? hasOlder : parentId !== null, siblingIds };
}

/** Read a line's "start", its "end", or what is around a message; null when that is not there any more. */
export async function readPlace(source, place) {
  if (place === "start") return readFirst(source);
  if (place === "end") return readNewest(source);
  const window = await readAround(source, place);
  return window.messages.some(({ id }) => id === place) ? window : null;
}
