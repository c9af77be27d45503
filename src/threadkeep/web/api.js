// Calls of the API: credential, organization, errors. Nothing else in the page uses fetch.

const ROOT = new URL(".", document.baseURI);
const CALL_MAX_MS = 60_000;

/** An answer that says no. `message` is the server's sentence. */
export class ApiError extends Error {
  constructor(status, error, retryAfter) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.requestId = error.requestId;
    this.retryAfterS = retryAfter === null ? null : Number(retryAfter);
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

const caller = { credential: null, organization: null, refused: () => {} };

/** Say who calls from now on; `refused` is called with an ApiError when the server does not know the credential. */
export function callAs(credential, refused) {
  caller.credential = credential;
  caller.organization = null;
  caller.refused = refused;
}

export function callIn(organization) {
  caller.organization = organization;
}

/** Call, and return `{status, data, tag}`. Raises ApiError and ConnectionLost. */
export async function call(method, path, options = {}) {
  const timeout = AbortSignal.timeout(CALL_MAX_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const answer = await send(method, path, { ...options, signal });
  const tag = answer.headers.get("ETag");
  return { status: answer.status, data: answer.status === 204 ? null : await read(answer), tag };
}

export async function get(path, query, signal) {
  return (await call("GET", path, { query, signal })).data;
}

export async function post(path, body, key) {
  return (await call("POST", path, { body, key })).data;
}

/** Begin a call whose answer is a stream, and return the Response as soon as its head is there. */
export function openStream(method, path, options) {
  return send(method, path, { ...options, accept: "text/event-stream" });
}

async function send(method, path, { query = {}, body, key, lastId, signal, keepalive, accept } = {}) {
  const headers = { Authorization: `Bearer ${caller.credential}`, Accept: accept ?? "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key !== undefined) headers["Idempotency-Key"] = key;
  if (lastId) headers["Last-Event-ID"] = lastId;
  let answer;
  try {
    answer = await fetch(address(path, query), {
      method,
      headers,
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
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

function address(path, query) {
  const url = new URL(path, ROOT);
  for (const [name, value] of Array.isArray(query) ? query : Object.entries(query)) {
    if (value !== undefined && value !== null) url.searchParams.append(name, value);
  }
  if (caller.organization) url.searchParams.set("organizationId", caller.organization);
  return url;
}

async function read(answer) {
  try {
    return await answer.json();
  } catch (error) {
    throw lost(error);
  }
}

async function refusal(answer) {
  const described = await answer.json().catch(() => null);
  const unknown = { message: `The server answered ${answer.status}.`, code: `http_${answer.status}`, requestId: null };
  const error = new ApiError(answer.status, described?.error ?? unknown, answer.headers.get("Retry-After"));
  if (answer.status === 401) caller.refused(error);
  return error;
}

function lost(error, signal) {
  const wasAborted = error.name === "AbortError" || (signal?.aborted && signal.reason?.name === "AbortError");
  return wasAborted ? error : new ConnectionLost();
}

/** A key for a POST that may be repeated. `crypto.randomUUID` exists on HTTPS and localhost only. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
