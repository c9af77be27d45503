// The right half of the page: the open thread.

import { composer, fitComposer } from "./composer-view.js";
import { conversation, jumpTo, loadMore, newestMessage, releaseHeld, reopen } from "./conversation.js";
import { leaveOtherThread, openFind } from "./find.js";
import { findBar, markFound } from "./find-view.js";
import { icon } from "./icons.js";
import { html, nothing, repeat } from "./lit.js";
import { failureRow, forgetDrawn, messageRow, pendingRow, retryButton } from "./message-view.js";
import { newThreadChoices } from "./new-thread-view.js";
import { isAtEnd, messagesArea, notePlaces, restorePlaces } from "./reader.js";
import { addActions } from "./shortcuts.js";
import { changed, drawNow } from "./store.js";
import { threadHeader, newHeader } from "./thread-header-view.js";

const NEAR_PX = 800;
const MORE = { older: { id: "older", words: "Loading older messages…" }, newer: { id: "newer", words: "Loading newer messages…" } };

// Where the rows were before the drawing; others may come and go above them.
let places = [];
// Brings the reader elsewhere at the next drawing.
let goThere = null;

addActions({ f: openFind, g: () => conversation.status === "ready" && showStart() });

export function conversationView() {
  const { status } = conversation;
  return html`<section class="conversation" aria-label="Conversation">
    ${conversation.thread ? threadHeader(conversation.thread) : newHeader(status === "new" ? "New thread" : "Thread")}
    ${findBar({ show: showMessage, start: showStart })}
    ${conversation.error && status === "ready" ? staleNote() : nothing}
    ${status === "ready" || status === "new" ? messages() : substitute(status)}
    ${status === "ready" || status === "new" ? composer(showEnd) : nothing}
  </section>`;
}

/** Before each drawing: remember where what is being read stands. */
export function noteScroll() {
  leaveOtherThread();
  releaseHeld();
  places = conversation.followsEnd ? [] : notePlaces(conversation.messages);
}

/** After each drawing: keep the end, or what was being read, in its place. */
export function settleScroll() {
  fitComposer();
  const area = messagesArea();
  if (!area) return;
  if (goThere) goThere();
  else if (conversation.followsEnd) area.scrollTop = area.scrollHeight;
  else restorePlaces(places);
  goThere = null;
  markFound();
  loadNear();
}

/** A message just sent is read from the thread's end. */
export async function showEnd() {
  if (conversation.hasNewer && !(await jumpTo("end"))) return;
  conversation.followsEnd = true;
  changed();
}

export async function showStart() {
  if (conversation.hasOlder && !(await jumpTo("start"))) return;
  leaveEnd(() => messagesArea().scrollTo(0, 0));
}

/** Show a message, wherever in the thread it is; `scroll` brings it into sight. Returns what jumpTo() does. */
async function showMessage(id, scroll) {
  const isLoaded = conversation.messages.some((message) => message.id === id) || (await jumpTo(id));
  if (isLoaded === true) leaveEnd(scroll);
  return isLoaded;
}

function leaveEnd(scroll) {
  conversation.followsEnd = false;
  goThere = scroll;
  drawNow();
}

function substitute(status) {
  if (status === "loading") {
    return html`<div class="substitute" role="status"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>
      <p>Loading the thread…</p></div>`;
  }
  if (status === "missing") {
    return html`<div class="substitute"><h2>There is no such thread</h2>
      <p>It was deleted, belongs to another organization, or you may not see it. Choose another one on the left.</p></div>`;
  }
  const { message, code } = conversation.error;
  return html`<div class="substitute" role="alert"><h2>The thread could not be loaded</h2>
    <p>${message} The page keeps trying. <code class="error-code">${code}</code></p>
    <button class="button" @click=${reopen}>Try again</button></div>`;
}

function staleNote() {
  return html`<p class="stale" role="status">${conversation.error.message} The page keeps trying.</p>`;
}

function messages() {
  const { messages, pending, failure, status, hasNewer } = conversation;
  const rows = shownRows();
  forgetDrawn(new Set(rows.map(({ id }) => id)));
  return html`<div id="messages" class="messages" tabindex="0" role="region" aria-label="Messages"
      @scroll=${scrolled} @keydown=${keys}>
    <ol>
      ${repeat(rows, ({ id }) => id, (row, index) => (row.words ? moreRow(row) : messageRow(row, rows[index - 1])))}
      ${hasNewer ? nothing : html`${pending ? pendingRow(pending.text, conversation.answer?.isLost) : nothing}
        ${failure && !pending ? failureRow(failure) : unanswered()}`}
    </ol>
    ${status === "new" && !pending ? beginning() : nothing}
    ${status === "ready" && messages.length === 0 && !pending && !failure ? emptyThread() : nothing}
  </div>
  ${conversation.followsEnd ? nothing : ways()}`;
}

/** The loaded messages, what stands for the others, and beyond that what is in use. */
function shownRows() {
  const { messages, held, hasOlder, hasNewer } = conversation;
  const [first, last] = [messages[0]?.seq, messages.at(-1)?.seq];
  return [
    ...held.filter(({ seq }) => seq < first),
    ...(hasOlder ? [MORE.older] : []), ...messages, ...(hasNewer ? [MORE.newer] : []),
    ...held.filter(({ seq }) => seq > last),
  ];
}

function moreRow({ id, words }) {
  return html`<li class="more faint" data-more=${id}>${words}</li>`;
}

function beginning() {
  return html`<div class="substitute"><h2>What is it about?</h2>
    <p>The thread is made with your first message.</p>
    ${newThreadChoices()}
  </div>`;
}

function emptyThread() {
  return html`<div class="substitute"><h2>Nothing has been said yet</h2><p>Write the first message below.</p></div>`;
}

/** A message that nobody has answered, and nothing says why: offer to. */
function unanswered() {
  const newest = newestMessage();
  const isWaiting = newest !== null && newest.role !== "assistant" && newest.role !== "system";
  if (!isWaiting || conversation.answer || conversation.pending || conversation.thread?.state !== "open") return nothing;
  return html`<li class="message assistant unanswered"><span class="faint">No answer yet.</span>
    ${retryButton("Ask for an answer")}</li>`;
}

function ways() {
  const way = (name, label, act) => html`<button class="icon-button" aria-label=${label} title=${label}
    @click=${act}>${icon(name)}</button>`;
  return html`<div class="ways">
    ${way("up", "To the first message", showStart)} ${way("down", "To the newest message", showEnd)}</div>`;
}

function keys(event) {
  if (event.target !== event.currentTarget) return;
  const act = { Home: showStart, End: showEnd }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function scrolled(event) {
  const area = event.currentTarget;
  const followsEnd = isAtEnd(area) && !conversation.hasNewer;
  if (followsEnd !== conversation.followsEnd) {
    conversation.followsEnd = followsEnd;
    changed();
  }
  loadNear();
}

function loadNear() {
  // A frame after a scroll the thread may be gone from the page.
  const area = messagesArea()?.getBoundingClientRect();
  if (!area) return;
  const [older, newer] = ["older", "newer"].map((id) => document.querySelector(`[data-more="${id}"]`)?.getBoundingClientRect());
  if (older && older.bottom > area.top - NEAR_PX) loadMore("desc");
  else if (newer && newer.top < area.bottom + NEAR_PX) loadMore("asc");
}
