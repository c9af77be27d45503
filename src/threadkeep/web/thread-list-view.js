// The left half of the page: organizations, search and filters, the list.

import { filters } from "./filters-view.js";
import { conversation } from "./conversation.js";
import { icon } from "./icons.js";
import { html, nothing, repeat } from "./lit.js";
import { addressOf, go } from "./route.js";
import { isPerson, session, signOut, staysSignedIn, staySignedIn } from "./session.js";
import { openShortcuts } from "./shortcuts-dialog.js";
import { currentTheme, nextTheme } from "./theme.js";
import { filterBy, isFiltered, list, loadList, loadMore, NO_FILTERS, pointerMoved } from "./thread-list.js";
import { hasTitle, isSeen, marks, titleOf } from "./thread-words.js";
import { ago, exactTime } from "./times.js";

const NEAR_END_PX = 600;
const THEMES = { system: "As the system", light: "Light", dark: "Dark" };

let focusedRow = null;

export function threadListView() {
  return html`<nav class="sidebar" aria-label="Threads">
    <header class="sidebar-head">
      <a class="brand" href=${addressOf(session.organization.id)}>
        <img src="web/icon.svg" alt="" width="24" height="24">threadkeep</a>
      <a class="button small" href=${addressOf(session.organization.id, "new")} title="New thread (n)">${icon("add")} New</a>
    </header>
    ${organizations()}
    ${filters()}
    ${list.error && list.status === "ready" && !isSaidBeside() ? staleNote() : nothing}
    <div id="list" class="list" aria-busy=${list.isSearching ? "true" : "false"} @scroll=${scrolled}
      @pointermove=${pointerMoved}>${content()}</div>
    ${foot()}
  </nav>`;
}

/** Before drawing: which row has the focus. Moving a row in the document takes its focus away. */
export function noteFocus() {
  focusedRow = document.activeElement?.closest?.(".row")?.dataset.thread ?? null;
}

/** After drawing: give the focus back, and load more if the list does not fill its place. */
export function settleList() {
  const area = document.getElementById("list");
  if (!area) return;
  if (focusedRow && document.activeElement === document.body) rowOf(focusedRow)?.focus({ preventScroll: true });
  if (list.status === "ready" && !list.error && area.scrollHeight - area.clientHeight < NEAR_END_PX) loadMore();
}

/** Move the focus up or down in the list. */
export function moveInList(step) {
  const rows = [...document.querySelectorAll("#list .row")];
  if (rows.length === 0) return;
  const from = rows.indexOf(document.activeElement);
  const open = rows.findIndex((row) => row.hasAttribute("aria-current"));
  const to = from >= 0 ? from + step : Math.max(0, open);
  rows[Math.min(Math.max(to, 0), rows.length - 1)].focus();
}

function rowOf(threadId) {
  return document.querySelector(`#list .row[data-thread="${CSS.escape(threadId)}"]`);
}

function organizations() {
  const all = session.user.organizations;
  if (all.length === 1) return html`<p class="organization faint" dir="auto">${session.organization.name}</p>`;
  return html`<select class="organization" aria-label="Organization" @change=${(event) => go(event.target.value)}>
    ${all.map(({ id, name }) => html`<option value=${id} ?selected=${id === session.organization.id}>${name}</option>`)}
  </select>`;
}

function content() {
  if (list.status === "loading") return ghosts();
  if (list.status === "error") return failed();
  const threads = list.threads.filter((thread) => !list.goingIds.has(thread.id));
  if (threads.length === 0) return empty();
  const tabStop = threads.find((thread) => thread.id === conversation.threadId)?.id ?? threads[0].id;
  const item = (thread) => html`<li>${row(thread, thread.id === tabStop)}</li>`;
  return html`<ul>${repeat(threads, (thread) => thread.id, item)}</ul>
    ${list.isLoadingMore ? html`<p class="faint more" role="status">Loading more…</p>` : nothing}`;
}

function ghosts() {
  return html`<div class="ghosts" role="status"><span class="unseen">Loading threads</span><i></i><i></i><i></i><i></i></div>`;
}

function row(thread, isTabStop) {
  const isOpen = thread.id === conversation.threadId;
  const { title, isTitle, below, who } = wordsOf(thread);
  // The time that the list is sorted by: another one would contradict the order.
  const time = thread.updatedAt;
  return html`<a class="row" data-thread=${thread.id} href=${addressOf(session.organization.id, thread.id)}
      tabindex=${isTabStop ? "0" : "-1"} aria-current=${isOpen ? "true" : nothing}>
    <span class="row-title">${who && !isTitle ? html`<span class="no-title">${who}</span>` : nothing}<bdi class=${isTitle ? "" : "no-title"}>${title}</bdi>
      <time datetime=${new Date(time * 1000).toISOString()} title=${`Changed ${exactTime(time)}`}>${ago(time)}</time></span>
    <span class="row-preview">${who && isTitle ? html`<span>${who}</span>` : nothing}<bdi>${below}</bdi></span>
    <span class="row-marks">${marks(thread, { inList: true })}</span>
  </a>`;
}

/**
 * What stands in a row. What was said last tells threads without a title apart: it takes the title's place.
 *
 * `who` stands before what was said, apart from it: the other may be written from right to left.
 */
function wordsOf(thread) {
  const said = preview(thread);
  const who = said && isMine(thread) ? "You:" : "";
  if (hasTitle(thread)) return { title: thread.title, isTitle: true, below: said || messageCount(thread), who };
  return { title: said || titleOf(thread), isTitle: false, below: messageCount(thread), who };
}

function isMine({ lastMessage, userId }) {
  return lastMessage.role === "user" && userId === session.user.id;
}

function messageCount({ messageCount: count }) {
  if (count === 0) return "No messages yet";
  return count === 1 ? "1 message" : `${count.toLocaleString()} messages`;
}

function preview(thread) {
  const last = thread.lastMessage;
  if (!last || !isSeen(last.preview)) return "";
  return withoutMarks(last.preview);
}

/** Leave out the commonest signs of Markdown: in one line of text they only disturb. */
function withoutMarks(text) {
  return text.replace(/\*\*|`+|^#{1,6} /g, "");
}

function empty() {
  if (isFiltered()) {
    return html`<div class="substitute small"><h2>Nothing found</h2>
      <p>No thread matches this search. Archived ones are found with the state “Archived”, hidden ones with “Show
        hidden”.</p>
      <button class="button quiet" @click=${() => filterBy(NO_FILTERS)}>Clear the search</button></div>`;
  }
  return html`<div class="substitute small"><h2>No threads yet</h2><p>Begin one with New: it appears here.</p></div>`;
}

function failed() {
  return html`<div class="substitute small" role="alert"><h2>The list could not be loaded</h2>
    <p>${list.error.message} The page keeps trying. <code class="error-code">${list.error.code}</code></p>
    <button class="button" @click=${loadList}>Try again</button></div>`;
}

/** Whether the open thread says the same already. */
function isSaidBeside() {
  return conversation.error?.message === list.error.message;
}

function staleNote() {
  return html`<p class="stale" role="status">${list.error.message} The page keeps trying.</p>`;
}

async function saveAll() {
  (await import("./saving.js")).saveAll();
}

function foot() {
  const theme = `Theme: ${THEMES[currentTheme()]}`;
  const role = isPerson() ? session.organization.role : `${session.organization.role}, by API key`;
  return html`<footer class="sidebar-foot">
    <span class="account" title=${session.user.id}><bdi>${session.user.id}</bdi>
      <small class="faint">${role}</small></span>
    <label class="check small" title="Keep the credential on this device after the tab is closed">
      <input type="checkbox" .checked=${staysSignedIn()} @change=${(event) => staySignedIn(event.target.checked)}>
      Stay signed in</label>
    <button class="icon-button" aria-label=${theme} title=${theme} @click=${nextTheme}>${icon(currentTheme())}</button>
    <button class="icon-button" aria-label="Save all threads" title="Save all threads as a file"
      @click=${saveAll}>${icon("save")}</button>
    <button class="icon-button" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)"
      @click=${openShortcuts}>${icon("help")}</button>
    <button class="icon-button" aria-label="Sign out" title="Sign out"
      @click=${() => signOut("You are signed out.")}>${icon("signOut")}</button>
  </footer>`;
}

function scrolled(event) {
  const area = event.currentTarget;
  const first = area.querySelector(".row");
  if (first) list.lastRowInSight = Math.ceil((area.scrollTop + area.clientHeight) / first.parentElement.offsetHeight);
  if (area.scrollHeight - area.scrollTop - area.clientHeight < NEAR_END_PX) loadMore();
}
