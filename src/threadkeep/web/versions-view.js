// The switch at a message that has siblings: which of its versions is shown, and the way to the others.

import { announce } from "./announcer.js";
import { checkNow, conversation, jumpTo } from "./conversation.js";
import { icon } from "./icons.js";
import { html, nothing } from "./lit.js";
import { isAtEnd, messagesArea, rowOf } from "./reader.js";
import { changed, drawNow } from "./store.js";

// Where a step leads that is on its way: a further step goes on from there, and none is lost.
let leading = null;

export function versions(message) {
  const ids = message.siblingIds;
  if (ids.length < 2) return nothing;
  const place = ids.indexOf(message.id);
  const way = (name, label, step) => html`<button class="icon-button small" aria-label=${label} title=${label}
    data-step=${step} ?disabled=${ids[place + step] === undefined}
    @click=${() => show(message.id, ids, step)}>${icon(name)}</button>`;
  return html`<span class="versions" role="group" aria-label=${words(ids, place)}>
    ${way("previous", "Previous version", -1)}
    <span aria-hidden="true">${place + 1} / ${ids.length}</span>
    ${way("next", "Next version", 1)}</span>`;
}

function words(ids, place) {
  return `Version ${place + 1} of ${ids.length}`;
}

/** Show the version a step away from this one, or from that which is on its way, where this one stands. */
async function show(shownId, ids, step) {
  const place = (leading?.from === shownId ? leading.place : ids.indexOf(shownId)) + step;
  const id = ids[place];
  if (id === undefined) return undefined;
  const mine = { from: shownId, place };
  leading = mine;
  try {
    return await turnTo(id, shownId, words(ids, place));
  } finally {
    if (leading === mine) leading = null;
  }
}

async function turnTo(id, shownId, said) {
  const top = rowOf(shownId).getBoundingClientRect().top;
  const step = document.activeElement?.dataset.step;
  const isShown = await jumpTo(id, id);
  // It was deleted meanwhile: the count is read anew.
  if (isShown === "gone") return checkNow();
  if (!isShown) return undefined;
  drawNow();
  const area = messagesArea();
  area.scrollTop += rowOf(id).getBoundingClientRect().top - top;
  conversation.followsEnd = isAtEnd(area) && !conversation.hasNewer;
  changed();
  focusSwitch(id, step);
  announce(`${said}.`);
  return undefined;
}

/** Put the focus on the switch of a message: on the way on, if there is one. */
export function focusSwitch(id, step) {
  const buttons = rowOf(id)?.querySelector(".versions");
  const way = buttons?.querySelector(`[data-step="${step}"]:enabled`) ?? buttons?.querySelector(":enabled");
  way?.focus({ preventScroll: true });
}
