// Where the reader is among the messages: what is in sight, what is far away, what is in use.

// Rows that far outside of what is seen may leave the document.
const FAR_VIEWS = 0.6;
const NEAR_END_PX = 40;

export function messagesArea() {
  return document.getElementById("messages");
}

/** Whether what is seen is the end of what is loaded. */
export function isAtEnd(area) {
  return area.scrollHeight - area.scrollTop - area.clientHeight < NEAR_END_PX;
}

export function rowOf(id) {
  return document.querySelector(`[data-message="${CSS.escape(id)}"]`);
}

/** Whether a message has a row in the document, and it is far from what is seen. */
export function isFar(id) {
  const rect = rowOf(id)?.getBoundingClientRect();
  if (!rect) return false;
  const area = messagesArea().getBoundingClientRect();
  const margin = area.height * FAR_VIEWS;
  return rect.bottom < area.top - margin || rect.top > area.bottom + margin;
}

/** Whether a message's row has the focus, an open editor, or a part of what is selected. */
export function isHeld(id) {
  const row = rowOf(id);
  if (row === null) return false;
  const selection = getSelection();
  return row.contains(document.activeElement) || row.querySelector(".editor") !== null
    || (!selection.isCollapsed && selection.containsNode(row, true));
}

/** How far below the upper edge the rows begin that are in sight or further down, by message. */
export function notePlaces(messages) {
  const area = messagesArea()?.getBoundingClientRect();
  if (!area) return [];
  return messages.map(({ id }) => ({ row: rowOf(id) }))
    .filter(({ row }) => row && row.getBoundingClientRect().bottom > area.top)
    .map(({ row }) => ({ row, offset: row.getBoundingClientRect().top - area.top }));
}

/** Bring what was noted back to where it was. */
export function restorePlaces(places) {
  const kept = places.find(({ row }) => row.isConnected);
  if (!kept) return;
  const area = messagesArea();
  area.scrollTop += kept.row.getBoundingClientRect().top - area.getBoundingClientRect().top - kept.offset;
}
