// The list of threads: its pages, its filters, its refreshing.

import { currentCaller, reread } from "./api.js";
import { paced } from "./pace.js";
import { session } from "./session.js";
import { changed } from "./store.js";
import { merge } from "./thread-merge.js";

const PAGE_SIZE = 30;
const PAGE_MAX = 100;
// What is refreshed reaches this far beyond the last row in sight, and never further than that many rows.
const MARGIN = 20;
const REFRESHED_MAX = 300;
const REFRESH_MS = 5000;
const REFRESH_SOON_MS = 250;
// Rows do not change places under a pointer that has just moved over them.
const POINTER_REST_MS = 3000;

export const NO_FILTERS = { title: "", state: "", assistantId: "", metadata: [], showsHidden: false, onlyMine: false };

/** `status`: loading, ready, error. */
export const list = {
  status: "loading",
  threads: [],
  nextCursor: null,
  isLoadingMore: false,
  // Another search was begun; what is shown is still the last one's.
  isSearching: false,
  error: null,
  filters: { ...NO_FILTERS },
  // Threads that are about to be deleted: out of sight while that can be undone.
  goingIds: new Set(),
  lastRowInSight: 0,
};

const NOTHING_EARLY = { as: {}, page: null };
let early = NOTHING_EARLY;
let generation = 0;
let timer = null;
let pointerMovedAt = -Infinity;

/** Ask for the list that is likely to be shown, before it is known who is signed in, and what they may see. */
export function askEarly(organization) {
  const as = { ...currentCaller(), organization };
  early = { as, page: organization === null ? null : fetchPage({ limit: PAGE_SIZE }, as).catch(() => null) };
}

/** Begin anew: another organization, or after an error. */
export function loadList() {
  Object.assign(list, { status: "loading", threads: [], nextCursor: null });
  return search();
}

async function search() {
  const mine = ++generation;
  Object.assign(list, { isSearching: true, isLoadingMore: false, error: null });
  changed();
  await attempt(mine, async () => {
    const page = (await takeEarly()) ?? (await fetchPage({ limit: PAGE_SIZE }));
    if (mine !== generation) return;
    Object.assign(list, { status: "ready", threads: page.data, nextCursor: page.nextCursor, lastRowInSight: 0 });
  });
  if (mine !== generation) return;
  list.isSearching = false;
  changed();
  plan(paced(REFRESH_MS));
}

export async function loadMore() {
  if (list.isLoadingMore || list.isSearching || list.nextCursor === null || list.status === "error") return;
  const mine = generation;
  list.isLoadingMore = true;
  changed();
  await attempt(mine, async () => {
    const page = await fetchPage({ limit: PAGE_SIZE, after: list.nextCursor });
    if (mine !== generation) return;
    const known = new Set(list.threads.map((thread) => thread.id));
    list.threads = [...list.threads, ...page.data.filter((thread) => !known.has(thread.id))];
    list.nextCursor = page.nextCursor;
  });
  if (mine !== generation) return;
  list.isLoadingMore = false;
  changed();
}

export async function refreshList() {
  if (list.isSearching || list.status === "loading") return;
  const mine = generation;
  await attempt(mine, async () => {
    const fresh = await fetchTop(Math.min(Math.max(PAGE_SIZE, list.lastRowInSight + MARGIN), REFRESHED_MAX));
    if (mine !== generation) return;
    const mayMove = performance.now() - pointerMovedAt > POINTER_REST_MS;
    const merged = merge(list, fresh, mayMove);
    Object.assign(list, { status: "ready", error: null, ...merged });
  });
}

/** Refresh a little later, once for many reasons. */
export function refreshSoon() {
  plan(REFRESH_SOON_MS);
}

/** Show a thread as it is now, without asking again; `isNew` puts it on top. */
export function showInList(thread, isNew = false) {
  const index = list.threads.findIndex((other) => other.id === thread.id);
  if (index >= 0) list.threads = list.threads.with(index, { ...list.threads[index], ...thread });
  else if (isNew) list.threads = [thread, ...list.threads];
  changed();
}

export function filterBy(change) {
  Object.assign(list.filters, change);
  return list.status === "ready" ? search() : loadList();
}

export function isFiltered() {
  const { title, state, assistantId, metadata, onlyMine } = list.filters;
  return Boolean(title || state || assistantId || metadata.length || onlyMine);
}

export function pointerMoved() {
  pointerMovedAt = performance.now();
}

export function startRefreshing() {
  document.addEventListener("visibilitychange", () => document.hidden || refreshSoon());
  addEventListener("online", refreshSoon);
}

function plan(delay) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    if (!document.hidden && session.phase === "ready") await refreshList();
    plan(paced(REFRESH_MS));
  }, delay);
}

async function attempt(mine, work) {
  try {
    await work();
  } catch (error) {
    if (mine !== generation || error.status === 401) return;
    // What was loaded stays in sight; the list says beside it that it is not up to date.
    list.error = error;
    if (list.status === "loading" || list.isSearching) list.status = "error";
  }
  changed();
}

/** What was asked for early, once, if it is what is needed now. */
function takeEarly() {
  const { as, page } = early;
  early = NOTHING_EARLY;
  const { credential, organization } = currentCaller();
  const isRight = as.credential === credential && as.organization === organization && !isFiltered() && !list.filters.showsHidden;
  return isRight ? page : null;
}

async function fetchTop(count) {
  const first = await fetchPage({ limit: Math.min(count, PAGE_MAX) });
  while (first.data.length < count && first.nextCursor !== null) {
    const next = await fetchPage({ limit: Math.min(count - first.data.length, PAGE_MAX), after: first.nextCursor });
    first.data.push(...next.data);
    first.nextCursor = next.nextCursor;
  }
  return first;
}

async function fetchPage(position, as) {
  const { title, state, assistantId, metadata, showsHidden, onlyMine } = list.filters;
  const query = { include: "lastMessage", sort: "updatedAt", ...position };
  if (title) query.titleContains = title;
  if (state) query.state = state;
  if (assistantId) query.assistantId = assistantId;
  if (!showsHidden) query.visibleInUi = true;
  if (onlyMine) query.userId = session.user.id;
  // The same key may be asked for twice: both values must then be there.
  const pairs = metadata.map(({ key, value }) => [`metadata.${key}`, value]);
  const { data: page } = await reread("v1/threads", [...Object.entries(query), ...pairs], as);
  return { ...page, data: page.data.map(withWords) };
}

/** An answer that has only begun says nothing yet: what was said before it stays in sight. */
function withWords(thread) {
  if (thread.status !== "streaming" || thread.lastMessage?.preview !== "") return thread;
  const known = list.threads.find((other) => other.id === thread.id)?.lastMessage;
  return known ? { ...thread, lastMessage: known } : thread;
}
