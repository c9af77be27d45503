// How the shown line goes on: where what is written comes, and what of others' messages belongs to it.

import { conversation, putMessage } from "./conversation.js";
import { cutBehind } from "./line.js";

/** Whether new messages, of which this is the first, belong to the shown line. */
export function isOnLine(message) {
  const isShown = conversation.messages.some(({ id }) => id === message.id);
  return isShown || message.parentId === conversation.end;
}

/** What a message at the end of the shown line follows, where that has to be said: beside other lines. */
export function whereToGoOn() {
  const isOnly = conversation.isCurrent && conversation.messages.every(({ siblingIds }) => siblingIds.length === 0);
  return isOnly ? undefined : conversation.end ?? undefined;
}

/** Let the shown line go on with new messages; they follow `after`, if that is given, and what followed it goes. */
export function goOnWith(stored, after) {
  if (after !== undefined && after !== conversation.end) {
    const { kept, hasOlder, siblingIds } = cutBehind(conversation, after, stored[0]);
    Object.assign(conversation, { messages: kept, hasOlder, hasNewer: false, held: [], followsEnd: true });
    stored[0].siblingIds = siblingIds;
  }
  stored.forEach(putMessage);
  Object.assign(conversation, { end: stored.at(-1).id, isCurrent: true });
}
