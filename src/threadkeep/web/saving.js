// Saving threads as files of the device: one as Markdown or JSON, or all of them. Loaded when it is first asked for.

import { ApiError, call, currentCaller } from "./api.js";
import { openDialog } from "./dialogs.js";
import { html } from "./lit.js";
import { exportLine, fileName, firstLine, lastLine, markdownOf, pages, rawPages } from "./thread-files.js";
import { errorToast, toast } from "./toasts.js";

// How many threads are read at once.
const TOGETHER = 4;

/** Save the shown line, which ends at the message `shown`; null for the current one. */
export function saveMarkdown(thread, shown) {
  return attempt(async (as) => {
    offer([await markdownOf(thread, shown, as)], fileName(thread, "md"), "text/markdown");
    toast({ text: "Saved as Markdown." });
  });
}

/** Save the thread with everything in it, as an export that `threadkeep import` reads. */
export function saveJson(thread) {
  return attempt(async (as) => {
    const { text, messageCount } = await exportLine(await rawThread(thread.id, as), await assistantNames(as), as);
    offer([firstLine(), text, lastLine(1, messageCount)], fileName(thread, "jsonl"), "application/jsonl");
    toast({ text: "Saved as JSON." });
  });
}

/** Save all threads that the person may see in this organization, archived and hidden ones too. */
export function saveAll() {
  return attempt(async (as) => {
    const progress = { threadCount: 0, messageCount: 0, isStopped: false };
    let close;
    let draw = () => {};
    const left = openDialog("Save all threads", (done, redraw) => {
      [close, draw] = [done, redraw];
      return html`<p role="status">${progress.threadCount} threads read. Nothing is saved before the last one.</p>
        <div class="dialog-foot"><button class="button quiet" autofocus @click=${() => done()}>Stop</button></div>`;
    });
    left.then((isComplete) => (progress.isStopped = !isComplete));
    try {
      const parts = await readAll(progress, draw, as);
      if (progress.isStopped) return toast({ text: "Stopped. Nothing was saved." });
      offer(parts, `threadkeep-${new Date().toISOString().slice(0, 10)}.jsonl`, "application/jsonl");
      toast({ text: `${progress.threadCount} threads saved.` });
    } finally {
      close(true);
    }
  });
}

async function readAll(progress, draw, as) {
  const names = await assistantNames(as);
  const parts = [firstLine()];
  for await (const page of rawPages("v1/threads", { state: "all" }, as)) {
    for (let at = 0; at < page.length && !progress.isStopped; at += TOGETHER) {
      const lines = await Promise.all(page.slice(at, at + TOGETHER).map((thread) => lineOrNothing(thread, names, as)));
      for (const each of lines.filter((found) => found !== null)) {
        // The browser may keep it on its disk: all threads together may be more than its memory.
        parts.push(new Blob([each.text]));
        progress.threadCount += 1;
        progress.messageCount += each.messageCount;
      }
      draw();
    }
    if (progress.isStopped) break;
  }
  return [...parts, lastLine(progress.threadCount, progress.messageCount)];
}

/** A thread that is deleted meanwhile, or about to be, is left out. */
async function lineOrNothing(thread, names, as) {
  const { expiresAt } = JSON.parse(thread);
  if (expiresAt !== null && expiresAt * 1000 <= Date.now()) return null;
  try {
    return await exportLine(thread, names, as);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

async function rawThread(threadId, as) {
  return (await call("GET", `v1/threads/${threadId}`, { as, isRaw: true })).data;
}

async function assistantNames(as) {
  const names = new Map();
  for await (const page of pages("v1/assistants", {}, as)) for (const { id, name } of page) names.set(id, name);
  return names;
}

function offer(parts, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  // After the browser has begun to read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function attempt(work) {
  try {
    await work(currentCaller());
  } catch (error) {
    if (error.status !== 401) errorToast(error);
  }
}
