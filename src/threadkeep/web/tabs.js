// Other tabs of the same browser learn at once what this one has changed; everybody else's changes are polled.

const channel = "BroadcastChannel" in window ? new BroadcastChannel("threadkeep") : null;

export function tellOtherTabs(threadId) {
  channel?.postMessage({ threadId });
}

export function whenOtherTabsTell(heard) {
  channel?.addEventListener("message", (event) => heard(event.data.threadId));
}
