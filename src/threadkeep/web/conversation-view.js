// The right half of the page: the open thread.

import { assistants, refreshAssistants } from "./assistants.js";
import { composer, fitComposer } from "./composer-view.js";
import { conversation, loadOlder, newestMessage, reopen } from "./conversation.js";
import { icon } from "./icons.js";
import { html, nothing, repeat } from "./lit.js";
import { failureRow, messageRow, pendingRow, retryButton } from "./message-view.js";
import { changed } from "./store.js";
import { threadHeader, newHeader } from "./thread-header-view.js";

const NEAR_TOP_PX = 400;
const NEAR_END_PX = 40;

// Whether the end stays in sight as it grows; else the first message, and where it was before the drawing.
const scroll = { followsEnd: true, first: null, offset: 0 };

export function conversationView() {
  const { status } = conversation;
  return html`<section class="conversation" aria-label="Conversation">
    ${conversation.thread ? threadHeader(conversation.thread) : newHeader(status === "new" ? "New thread" : "Thread")}
    ${conversation.error && status === "ready" ? staleNote() : nothing}
    ${status === "ready" || status === "new" ? messages() : substitute(status)}
    ${status === "ready" || status === "new" ? composer(showEnd) : nothing}
  </section>`;
}

/** Before each drawing: remember where the first message is; older ones may come in above it. */
export function noteScroll() {
  scroll.first = document.querySelector("#messages [data-message]");
  scroll.offset = scroll.first?.offsetTop ?? 0;
}

/** After each drawing: keep the end, or what was being read, in its place. */
export function settleScroll() {
  fitComposer();
  const area = document.getElementById("messages");
  if (!area) return;
  if (scroll.followsEnd) area.scrollTop = area.scrollHeight;
  else if (scroll.first?.isConnected) area.scrollTop += scroll.first.offsetTop - scroll.offset;
  if (area.scrollTop < NEAR_TOP_PX) loadOlder();
}

/** A newly opened thread, or a message just sent, is read from its end. */
export function showEnd() {
  scroll.followsEnd = true;
  changed();
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
    <p>${message} <code class="error-code">${code}</code></p>
    <button class="button" @click=${reopen}>Try again</button></div>`;
}

function staleNote() {
  return html`<p class="stale" role="status">${conversation.error.message} Trying again by itself.</p>`;
}

function messages() {
  const { messages, pending, failure, status } = conversation;
  return html`<div id="messages" class="messages" tabindex="0" role="region" aria-label="Messages" @scroll=${scrolled}>
    ${conversation.olderCursor === null ? nothing : html`<p class="older faint">Loading older messages…</p>`}
    <ol>
      ${repeat(messages, (message) => message.id, messageRow)}
      ${pending ? pendingRow(pending.text) : nothing}
      ${failure && !pending ? failureRow(failure) : unanswered()}
    </ol>
    ${status === "new" && !pending ? beginning() : nothing}
    ${status === "ready" && messages.length === 0 && !pending && !failure ? emptyThread() : nothing}
  </div>
  ${scroll.followsEnd ? nothing : toEndButton()}`;
}

function beginning() {
  refreshAssistants();
  return html`<div class="substitute"><h2>What is it about?</h2>
    <p>The thread is made with your first message.</p>
    ${assistants.all.length === 0 ? nothing : html`<label class="field">Assistant
      <select id="new-assistant" @change=${chooseAssistant}>
        <option value="" ?selected=${conversation.assistantId === null}>None: the server's default model</option>
        ${assistants.all.map((assistant) => html`<option value=${assistant.id}
          ?selected=${conversation.assistantId === assistant.id}>${assistant.name}</option>`)}
      </select></label>`}
  </div>`;
}

function chooseAssistant(event) {
  conversation.assistantId = event.target.value || null;
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

function toEndButton() {
  return html`<button class="to-end icon-button" aria-label="To the newest message" title="To the newest message"
    @click=${showEnd}>${icon("down")}</button>`;
}

function scrolled(event) {
  const area = event.currentTarget;
  const followsEnd = area.scrollHeight - area.scrollTop - area.clientHeight < NEAR_END_PX;
  if (followsEnd !== scroll.followsEnd) {
    scroll.followsEnd = followsEnd;
    changed();
  }
  if (area.scrollTop < NEAR_TOP_PX) loadOlder();
}
