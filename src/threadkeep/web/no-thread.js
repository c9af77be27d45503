// What is known of the open thread, while there is none: see conversation.js.

export function noThread() {
  return {
    status: "none",
    threadId: null,
    thread: null,
    tag: null,
    // The loaded ones of the shown line, without a gap, and whether it has more on either side: see message-window.js.
    messages: [],
    hasOlder: false,
    hasNewer: false,
    // Where the shown line ends, and whether that is the thread's newest message: see line.js.
    end: null,
    isCurrent: true,
    // Messages outside of these whose rows are in use: see reader.js.
    held: [],
    isLoadingMore: false,
    // Whether the end stays in sight as it grows.
    followsEnd: true,
    error: null,
    // Of a thread that is yet to be created: its assistant, and when it will be deleted.
    assistantId: null,
    expiresAt: null,
    // The model to name in requests; null for the server's default, undefined while it is not known: see models.js.
    model: undefined,
    // The answer that is being written: see answering.js.
    answer: null,
    // What was sent and is not stored yet.
    pending: null,
    // An answer that ended without leaving a message.
    failure: null,
    // Why messages are incomplete, by response.
    reasons: new Map(),
  };
}
