// The page: what is on the screen in which phase, and what happens when the address changes.

import { forgetAssistants } from "./assistants.js";
import { comingView, missingView, welcome } from "./beginning-view.js";
import { checkNow, closeThread, conversation, openNew, openThread, startChecking } from "./conversation.js";
import { closeDialogs } from "./dialogs.js";
import { html, render } from "./lit.js";
import { forgetDrafts } from "./drafts.js";
import { endEdit } from "./message-actions.js";
import { paced, whenSomebodyComes } from "./pace.js";
import { currentRoute, rename, whenArrived } from "./route.js";
import {
  beforeLeaving, chooseOrganization, lastOrganization, listenToOtherTabs, refuse, session, signIn, staysSignedIn,
  storedCredential, takeTokenFromAddress, unreachable, userOf,
} from "./session.js";
import { focusComposer, listenToKeys } from "./shortcuts.js";
import { askAboutLink, organizationChoice, signInView, startingView, unreachableView } from "./sign-in-view.js";
import { changed, drawNow, drawWith } from "./store.js";
import { whenOtherTabsTell } from "./tabs.js";
import { askEarly, list, loadList, NO_FILTERS, refreshSoon, startRefreshing } from "./thread-list.js";
import { noteFocus, settleList, threadListView } from "./thread-list-view.js";
import { titleOf } from "./thread-words.js";
import { expireAll, toast } from "./toasts.js";

const REDRAW_MS = 30_000;
const RETRY_MS = 5000;

// What shows threads is most of the page, and comes behind the list: until it is there, this stands in its place.
const COMING = {
  conversationView: comingView, forgetDrawn() {}, noteScroll() {}, settleScroll() {},
};

let half = COMING;
let shownOrganization = null;
// The token of a link that has not signed anybody in yet.
let link = null;

function view() {
  if (session.phase === "starting") return startingView();
  if (session.phase === "signedOut") return signInView(enter);
  if (session.phase === "unreachable") return unreachableView(tryAgain);
  if (session.phase === "choosing") return organizationChoice();
  return html`<div class="halves" data-screen=${conversation.status === "none" ? "list" : "conversation"}>
    ${threadListView()}<main>${conversation.status === "none" ? welcome() : half.conversationView()}</main></div>`;
}

async function loadHalf() {
  if (half !== COMING) return;
  try {
    half = await import("./conversation-half.js");
  } catch {
    half = { ...COMING, conversationView: missingView };
  }
  drawNow();
  if (conversation.status === "new") focusComposer();
}

function draw() {
  const app = document.getElementById("app");
  noteFocus();
  half.noteScroll();
  render(view(), app);
  settleList();
  half.settleScroll();
  const thread = session.phase === "ready" ? conversation.thread : null;
  document.title = thread ? `${titleOf(thread)} · threadkeep` : "threadkeep";
}

async function enter(credential, stays, user = null) {
  link = null;
  const signingIn = signIn(credential, stays, user);
  // Asked for while the server is still asked who this is: on a slow network that is the longest wait.
  if (session.user === null) askEarly(currentRoute().organization ?? lastOrganization());
  if (!(await signingIn)) return;
  // Nothing of whoever was signed in before stays on the screen.
  shownOrganization = null;
  arrive();
}

/**
 * Sign in by a link, if the server knows its token, and whoever is here agrees: anybody can make a link.
 *
 * Until then everything stays as it was, and so does what is kept on the device.
 */
async function enterByLink(token) {
  const known = session.credential ?? storedCredential();
  if (session.user === null && known !== null) await enter(known, staysSignedIn());
  link = token;
  const user = await userOf(token).catch((error) => refuseLink(token, error));
  // Meanwhile somebody may have signed in otherwise.
  if (!user || link !== token) return;
  if (user.id !== session.user?.id) {
    const agrees = await askAboutLink(user, session.user);
    if (!agrees) return session.user === null ? refuse(null) : undefined;
  }
  await enter(token, session.user !== null && user.id === session.user.id && staysSignedIn(), user);
}

function refuseLink(token, error) {
  if (link !== token) return;
  const text = `The link did not sign you in. ${error.message}`;
  if (session.user !== null) toast({ text, code: error.code, isError: true, shownMs: 8000 });
  else if (error.isTemporary) unreachable(error);
  else refuse(error.message);
}

/** Let the address name again what is on the screen. */
function stayHere() {
  if (session.phase !== "ready") return;
  rename(session.organization.id, conversation.status === "new" ? "new" : conversation.threadId);
}

function tryAgain() {
  return link === null ? enter(session.credential, session.stays) : enterByLink(link);
}

/** While the server cannot be reached, try again from time to time. */
function keepTrying() {
  setTimeout(() => {
    if (session.phase === "unreachable" && !session.isBusy && !document.hidden) tryAgain();
    keepTrying();
  }, paced(RETRY_MS));
}

/** Show what the address names. */
function arrive() {
  const token = takeTokenFromAddress();
  if (token !== null) {
    stayHere();
    return enterByLink(token);
  }
  if (session.user === null) return undefined;
  const route = currentRoute();
  chooseOrganization(route.organization ?? session.organization?.id);
  if (session.phase !== "ready") return undefined;
  if (session.organization.id !== shownOrganization) showOrganization();
  const thread = session.organization.id === (route.organization ?? session.organization.id) ? route.thread : null;
  const shown = conversation.status === "new" ? "new" : conversation.threadId;
  if (thread !== shown) showThread(thread);
  if (route.isWrong) sayWrong();
  return undefined;
}

function sayWrong() {
  rename(session.organization.id, null);
  toast({ text: "This address names no thread: here is the list.", isError: true });
}

function showOrganization() {
  shownOrganization = session.organization.id;
  closeThread();
  list.filters = { ...NO_FILTERS };
  list.goingIds.clear();
  loadList().finally(loadHalf);
  forgetAssistants();
  const { organization, thread } = currentRoute();
  if (organization !== shownOrganization) rename(shownOrganization, organization ? null : thread);
}

function showThread(thread) {
  half.forgetDrawn();
  endEdit();
  if (thread !== null) loadHalf();
  if (thread === null) closeThread();
  else if (thread === "new") openNew();
  else openThread(thread);
  drawNow();
  if (thread === "new") focusComposer();
  else if (thread !== null && matchMedia("(max-width: 760px)").matches) document.querySelector(".head h1")?.focus();
}

function leaveAll(isWanted) {
  expireAll();
  closeDialogs();
  closeThread();
  if (isWanted) forgetDrafts();
}

function begin() {
  drawWith(draw);
  beforeLeaving(leaveAll);
  whenArrived(arrive);
  // What waits to be deleted is deleted now: nobody is here any more to undo it.
  addEventListener("pagehide", expireAll);
  whenOtherTabsTell((threadId) => {
    refreshSoon();
    if (threadId === conversation.threadId) checkNow();
  });
  listenToOtherTabs();
  whenSomebodyComes(() => {
    refreshSoon();
    checkNow();
  });
  startRefreshing();
  startChecking();
  keepTrying();
  listenToKeys();
  // "5 minutes ago" gets older by itself.
  setInterval(changed, REDRAW_MS);
  const token = takeTokenFromAddress();
  const credential = storedCredential();
  if (token !== null) enterByLink(token);
  else if (credential === null) session.phase = "signedOut";
  else enter(credential, staysSignedIn());
  changed();
}

begin();
