// Calls of the API: credential, organization, errors. Nothing else in the page uses fetch.

import { stir } from "./pace.js";

const ROOT = new URL(".", document.baseURI);
const CALL_MAX_MS = 60_000;
// Answers that have no body.
const EMPTY = new Set([204, 304]);
// With a weak tag, whatever it is, the server is asked to give the answer one.
const ANY_TAG = 'W/"0"';
const LAST_READ_MAX = 8;
const PAGES_MAX = 10;
const SIGNED_OUT = { message: "You are signed out.", code: "signed_out", requestId: null };

/** An answer that says no. `message` is the server's sentence. */
export class ApiError extends Error {
  constructor(status, error, retryAfter) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.requestId = error.requestId;
    this.retryAfterS = retryAfter === null ? null : Number(retryAfter);
  }

  /** Whether it is certain that nothing was done. What a proxy says of a server that fails is not. */
  get isCertain() {
    if (this.code === "request_in_progress") return false;
    const isOwnRefusal = this.requestId !== null && (this.status === 503 || this.status === 507);
    return (this.status >= 400 && this.status < 500) || isOwnRefusal;
  }

  /** Whether the same call may succeed a little later. */
  get isTemporary() {
    return this.status === 429 || this.status >= 500 || this.code === "request_in_progress";
  }
}

/** No answer at all, or one that broke off. */
export class ConnectionLost extends Error {
  constructor() {
    super("The server cannot be reached. Check that it runs and that you are online.");
    this.code = "connection_lost";
    this.isTemporary = true;
  }
}

const NOBODY = { credential: null, organization: null, refused: () => {} };

// What was read again and again, by its address. Whoever else asks for the same gets 304 for the same content alone.
const lastRead = new Map();

// Never changed, only replaced: who was noted for a later call stays who it was.
let caller = NOBODY;

/** Say who calls from now on; `refused` is called with an ApiError when the server does not know the credential. */
export function callAs(credential, refused) {
  caller = { credential, organization: null, refused };
}

export function callAsNobody() {
  caller = NOBODY;
}

export function callIn(organization) {
  if (organization !== caller.organization) caller = { ...caller, organization };
}

/** Who calls, and where: passed as `as`, it binds a call that is made later to whom it was asked by. */
export function currentCaller() {
  return caller;
}

/** Call, and return `{status, data, tag}`; `data` is a text with `isRaw`. Raises ApiError and ConnectionLost. */
export async function call(method, path, options = {}) {
  const timeout = AbortSignal.timeout(CALL_MAX_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const answer = await send(method, path, { ...options, signal });
  const tag = answer.headers.get("ETag");
  return { status: answer.status, data: EMPTY.has(answer.status) ? null : await read(answer, options.isRaw), tag };
}

export async function get(path, query, as) {
  return (await call("GET", path, { query, as })).data;
}

export async function post(path, body, key, as) {
  return (await call("POST", path, { body, key, as })).data;
}

/** Read a whole list: a thousand objects at most. */
export async function readAll(path, as) {
  const all = [];
  let after;
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer = await get(path, { limit: 100, after }, as);
    all.push(...answer.data);
    after = answer.nextCursor;
    if (!answer.hasMore) break;
  }
  return all;
}

/** Begin a call whose answer is a stream, and return the Response as soon as its head is there. */
export function openStream(method, path, options) {
  return send(method, path, { ...options, accept: "text/event-stream" });
}

async function send(method, path, { query = {}, body, signal, keepalive, as = caller, ...more } = {}) {
  if (as.credential === null) throw new ApiError(401, SIGNED_OUT, null);
  let answer;
  try {
    answer = await fetch(address(path, query, as.organization), {
      method,
      headers: headersOf(as, body, more),
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      keepalive,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    throw lost(error, signal);
  }
  if (!answer.ok && answer.status !== 304) throw await refusal(answer, as);
  return answer;
}

function headersOf(as, body, { key, lastId, ifMatch, ifNoneMatch, accept = "application/json" }) {
  const headers = { Authorization: `Bearer ${as.credential}`, Accept: accept };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key !== undefined) headers["Idempotency-Key"] = key;
  if (lastId) headers["Last-Event-ID"] = lastId;
  if (ifMatch) headers["If-Match"] = ifMatch;
  if (ifNoneMatch) headers["If-None-Match"] = ifNoneMatch;
  return headers;
}

function address(path, query, organization) {
  const url = new URL(path, ROOT);
  for (const [name, value] of Array.isArray(query) ? query : Object.entries(query)) {
    if (value !== undefined && value !== null) url.searchParams.append(name, value);
  }
  if (organization) url.searchParams.set("organizationId", organization);
  return url;
}

async function read(answer, isRaw) {
  try {
    return await (isRaw ? answer.text() : answer.json());
  } catch (error) {
    throw lost(error);
  }
}

async function refusal(answer, as) {
  const described = (await answer.json().catch(() => null))?.error;
  const isOwn = typeof described?.message === "string" && typeof described.requestId === "string";
  const unknown = { message: `The server answered ${answer.status}.`, code: `http_${answer.status}`, requestId: null };
  const error = new ApiError(answer.status, isOwn ? described : unknown, answer.headers.get("Retry-After"));
  // Whom it was sent by, who may not be who is signed in by now.
  if (answer.status === 401) as.refused(error);
  return error;
}

function lost(error, signal) {
  const wasAborted = error.name === "AbortError" || (signal?.aborted && signal.reason?.name === "AbortError");
  return wasAborted ? error : new ConnectionLost();
}

/** Read what is read again and again, and return what `call` does: what has not changed is not sent again. */
export async function reread(path, query, as = caller) {
  const where = address(path, query ?? {}, as.organization).href;
  const before = lastRead.get(where);
  const answer = await call("GET", path, { query, as, ifNoneMatch: before?.tag ?? ANY_TAG });
  const isSame = answer.status === 304;
  if (before && !isSame) stir();
  const now = isSame ? before : answer;
  // Put in anew, so that what has not been asked for longest is forgotten first.
  lastRead.delete(where);
  lastRead.set(where, now);
  if (lastRead.size > LAST_READ_MAX) lastRead.delete(lastRead.keys().next().value);
  return now;
}

/** A key for a POST that may be repeated. `crypto.randomUUID` exists on HTTPS and localhost only. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
