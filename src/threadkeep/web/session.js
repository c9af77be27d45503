// Who is signed in: the credential, where it is kept, the organizations to choose from.

import { ApiError, ConnectionLost, callAs, callAsNobody, callIn, get } from "./api.js";
import { decoded } from "./route.js";
import { deviceStorage, tabStorage } from "./storage.js";
import { changed } from "./store.js";

const UNKNOWN = "The server does not know this token or key. It may have expired: ask for a new one.";

/** `phase`: starting, signedOut, unreachable, choosing (an organization), ready. */
export const session = {
  phase: "starting",
  sentence: null,
  isBusy: false,
  stays: false,
  credential: null,
  user: null,
  organization: null,
};

let leave = (_isWanted) => {};

/**
 * Call `function_` before somebody leaves, or goes to another organization: while calls are still theirs.
 *
 * Its argument says whether they sign out because they want to: then what they were writing goes too.
 */
export function beforeLeaving(function_) {
  leave = function_;
}

/**
 * Take a token out of the address at once, so that a copied address does not hold it.
 *
 * The browser's history of visited addresses may keep it: no page can take that back. Such tokens should end soon.
 */
export function takeTokenFromAddress() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return decoded(found[1]);
}

export function storedCredential() {
  return tabStorage.read("credential") ?? deviceStorage.read("credential");
}

/** The organization that was shown the last time, or null. */
export function lastOrganization() {
  return deviceStorage.read("organization");
}

/** Whether this tab's credential is the one that the device keeps. */
export function staysSignedIn() {
  return tabStorage.read("credential") === null && deviceStorage.read("credential") !== null;
}

/** Ask the server whose credential it is, and change nothing. Raises ApiError and ConnectionLost. */
export async function userOf(credential) {
  const refused = { message: UNKNOWN, code: "invalid_credentials", requestId: null };
  if (!isWritable(credential)) throw new ApiError(401, refused, null);
  return get("v1/user", {}, { credential, organization: null, refused: () => {} });
}

/** Keep the credential on this device, or until this tab is closed. */
export function staySignedIn(stays) {
  session.stays = stays;
  if (stays) deviceStorage.write("credential", session.credential);
  else forgetOnDevice(session.credential);
  tabStorage.write("credential", stays ? null : session.credential);
  changed();
}

/** Sign in with a token or a key; true when the server knows it. `user` is who that is, when it has been asked. */
export async function signIn(credential, stays, user = null) {
  const text = credential.trim();
  if (!isWritable(text)) return refuse("That is neither a token nor a key: paste it whole, without spaces.");
  if (session.user !== null) forgetPerson("starting");
  Object.assign(session, { isBusy: true, credential: text, stays, sentence: null });
  callAs(text, (error) => session.credential === text && endSession(refusedSentence(error)));
  changed();
  try {
    session.user = user ?? (await get("v1/user"));
  } catch (error) {
    session.isBusy = false;
    // Somebody else has signed in while this was asked.
    if (session.credential !== text) return false;
    if (error instanceof ConnectionLost || error.isTemporary) unreachable(error);
    else if (error.status !== 401) endSession(error.message);
    return false;
  }
  session.isBusy = false;
  staySignedIn(stays);
  return true;
}

/** Sign out because a person asked for it: what they were writing goes too. */
export function signOut(sentence = null) {
  leave(true);
  endSession(sentence);
}

/** What a person was writing stays for them: they have not asked to leave. */
function endSession(sentence) {
  const { credential } = session;
  forgetPerson("signedOut");
  forgetOnDevice(credential);
  tabStorage.write("credential", null);
  callAsNobody();
  Object.assign(session, { sentence, credential: null, isBusy: false });
  changed();
}

function forgetPerson(phase) {
  leave(false);
  Object.assign(session, { phase, user: null, organization: null });
}

/** What somebody else keeps on this device stays. */
function forgetOnDevice(credential) {
  if (deviceStorage.read("credential") === credential) deviceStorage.write("credential", null);
}

/** Go on with one of the user's organizations: the asked one, the last one, the only one, or ask. */
export function chooseOrganization(asked) {
  const ids = session.user.organizations.map((organization) => organization.id);
  const chosen = [asked, lastOrganization(), ids.length === 1 ? ids[0] : null].find((id) => ids.includes(id));
  if (session.organization !== null && session.organization.id !== chosen) leave(false);
  session.organization = session.user.organizations.find((organization) => organization.id === chosen) ?? null;
  session.phase = session.organization ? "ready" : "choosing";
  callIn(chosen ?? null);
  if (chosen) deviceStorage.write("organization", chosen);
  changed();
}

/** Whether a signed-in person calls, not a program's key. */
export function isPerson() {
  return session.user?.credential === "token";
}

export function seesAllThreads() {
  return session.organization.role !== "member";
}

/** Signing out in one tab signs out the others that were to stay signed in. */
export function listenToOtherTabs() {
  addEventListener("storage", (event) => {
    const wasTakenAway = event.key === "threadkeep.credential" && event.newValue === null;
    if (wasTakenAway && session.stays && session.phase === "ready") signOut("You have signed out in another tab.");
  });
}

/** Say why nobody is signed in. */
export function refuse(sentence) {
  Object.assign(session, { phase: "signedOut", sentence, isBusy: false });
  changed();
  return false;
}

export function unreachable(error) {
  Object.assign(session, { phase: "unreachable", sentence: error.message });
  changed();
}

function refusedSentence(error) {
  return error instanceof ApiError && session.phase === "ready"
    ? "You have been signed out: the token or key has expired or was revoked. Sign in again; what you were writing is kept."
    : UNKNOWN;
}

/** Whether it can be sent in a header at all. */
function isWritable(credential) {
  return /^[\x21-\x7e]+$/.test(credential);
}
