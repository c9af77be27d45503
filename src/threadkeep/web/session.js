// Who is signed in: the credential, where it is kept, the organizations to choose from.

import { ApiError, ConnectionLost, callAs, callIn, get } from "./api.js";
import { decoded } from "./route.js";
import { deviceStorage, tabStorage } from "./storage.js";
import { changed } from "./store.js";

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

/** Take a token out of the address at once, so that neither history nor a copied address holds it. */
export function takeTokenFromAddress() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return decoded(found[1]);
}

export function storedCredential() {
  return tabStorage.read("credential") ?? deviceStorage.read("credential");
}

export function staysSignedIn() {
  return deviceStorage.read("credential") !== null;
}

/** Keep the credential on this device, or until this tab is closed. */
export function staySignedIn(stays) {
  session.stays = stays;
  deviceStorage.write("credential", stays ? session.credential : null);
  tabStorage.write("credential", stays ? null : session.credential);
  changed();
}

/** Sign in with a token or a key; true when the server knows it. */
export async function signIn(credential, stays) {
  const text = credential.trim();
  if (!/^[\x21-\x7e]+$/.test(text)) return refuse("That is neither a token nor a key: paste it whole, without spaces.");
  Object.assign(session, { isBusy: true, credential: text, stays, sentence: null });
  callAs(text, (error) => session.credential === text && signOut(refusedSentence(error)));
  changed();
  try {
    session.user = await get("v1/user");
  } catch (error) {
    session.isBusy = false;
    if (error instanceof ConnectionLost || error.isTemporary) unreachable(error);
    else if (error.status !== 401) refuse(error.message);
    return false;
  }
  session.isBusy = false;
  staySignedIn(stays);
  return true;
}

export function signOut(sentence = null) {
  deviceStorage.write("credential", null);
  tabStorage.write("credential", null);
  callAs(null, () => {});
  Object.assign(session, { phase: "signedOut", sentence, credential: null, user: null, organization: null, isBusy: false });
  changed();
}

/** Go on with one of the user's organizations: the asked one, the last one, the only one, or ask. */
export function chooseOrganization(asked) {
  const ids = session.user.organizations.map((organization) => organization.id);
  const remembered = deviceStorage.read("organization");
  const chosen = [asked, remembered, ids.length === 1 ? ids[0] : null].find((id) => ids.includes(id));
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

function refuse(sentence) {
  Object.assign(session, { phase: "signedOut", sentence, isBusy: false });
  changed();
  return false;
}

function unreachable(error) {
  Object.assign(session, { phase: "unreachable", sentence: error.message });
  changed();
}

function refusedSentence(error) {
  return error instanceof ApiError && session.phase === "ready"
    ? "You have been signed out: the token or key has expired or was revoked. Sign in again; what you were writing is kept."
    : "The server does not know this token or key. It may have expired: ask for a new one.";
}
