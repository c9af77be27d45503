// The right half under one roof: what shows and writes messages, which the list can do without.

export { conversationView, noteScroll, settleScroll } from "./conversation-view.js";
export { forgetDrawn } from "./message-view.js";
