// The address: `#/<organization>/<thread>`, `#/<organization>/new`, `#/<organization>`.

const THREAD_ID = /^thread_[A-Za-z0-9_-]{1,121}$/;

let arrived = () => {};

/** What the address names; `isWrong` when something stands in a thread's place that cannot be one. */
export function currentRoute() {
  const [, organization, thread] = location.hash.split("/").map(decoded);
  // Ids become parts of paths: nothing else may get there.
  const isThread = thread === "new" || THREAD_ID.test(thread);
  const isWrong = Boolean(thread) && !isThread;
  return { organization: organization || null, thread: isThread ? thread : null, isWrong };
}

export function addressOf(organization, thread) {
  return `#/${encodeURIComponent(organization)}${thread ? `/${encodeURIComponent(thread)}` : ""}`;
}

/** Go there at once. Links change the address by themselves; the browser then tells a little later. */
export function go(organization, thread) {
  history.pushState(null, "", addressOf(organization, thread));
  arrived();
}

/** Call `arrive` whenever the address has changed. */
export function whenArrived(arrive) {
  arrived = arrive;
  addEventListener("hashchange", arrive);
  addEventListener("popstate", arrive);
}

/** Change the address without opening anything: what it names is on the screen already. */
export function rename(organization, thread) {
  history.replaceState(null, "", addressOf(organization, thread));
}

/** Decode what stands in an address; what cannot be decoded is nothing. */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
