// Requests and streams. All that talks to the server is here.

import { authorization, hasKey, session, signOut } from "./session.mjs";
import { store } from "./store.mjs";

const API = new URL("api/v1/images/", document.baseURI);
const SILENT_MS = 45_000; // The server comments on a silent stream every 15 s by default.
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;

/** `{state: "live" | "lost" | "degraded", told?}` */
export const connection = store({ state: "live" });

/** A problem that the server told of. */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.code = body.code ?? "unknown";
    this.errors = body.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

/** The server could not be reached. */
export class Lost extends Error {
  constructor() {
    super("The server cannot be reached.");
  }
}

function connectionIs(state, told) {
  const now = connection.get();
  if (now.state !== state || now.told !== told) connection.set({ state, told });
}

addEventListener("offline", () => connectionIs("lost"));

function address(path, query) {
  const url = new URL(path, API);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

async function send(url, options) {
  try {
    return await fetch(url, { credentials: "omit", redirect: "error", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    connectionIs("lost");
    throw new Lost();
  }
}

async function refusal(answer) {
  const body = await answer.json().catch(() => ({}));
  const problem = new Problem(answer.status, body, Number(answer.headers.get("Retry-After")) || null);
  if (problem.status === 401 && session.get().state !== "asking") {
    signOut(hasKey() ? problem.message : undefined);
  }
  if (problem.status === 503) connectionIs("degraded", problem.message);
  return problem;
}

/** An id that makes a POST harmless to send again. */
function once() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Send a request; gives the answer's JSON. Throws `Problem`, `Lost`. */
export async function call(path, { method = "GET", body, query, signal } = {}) {
  const headers = { Accept: "application/json", ...authorization() };
  if (method === "POST") {
    headers["Content-Type"] = "application/json";
    headers["Idempotency-Key"] = once();
  }
  const content = method === "POST" ? JSON.stringify(body ?? {}) : undefined;
  const answer = await send(address(path, query), { method, headers, body: content, signal });
  if (!answer.ok) throw await refusal(answer);
  connectionIs("live");
  return answer.json();
}

export const post = (path, body, more) => call(path, { method: "POST", body, ...more });

/** Whether the server's API has a path, or a field of a schema: `has.path(…)`, `has.field(…)`. */
export const described = (() => {
  let asked;
  const document_ = () => {
    asked ??= fetch(new URL("openapi.json", document.baseURI))
      .then((answer) => (answer.ok ? answer.json() : {}))
      .catch(() => {
        asked = undefined;
        return {};
      });
    return asked;
  };
  return {
    path: async (path) => Boolean((await document_()).paths?.[`/api/v1/images${path}`]),
    field: async (schema, name) =>
      Boolean((await document_()).components?.schemas?.[schema]?.properties?.[name]),
  };
})();

/**
 * Follow a stream of events until it is over or `signal` is aborted, also over lost connections;
 * `tell` gets each event's name and data. `EventSource` cannot send a key.
 */
export async function follow(path, query, tell, signal) {
  let last, pause = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    const watchdog = new AbortController();
    const stop = () => watchdog.abort();
    signal.addEventListener("abort", stop);
    addEventListener("offline", stop);
    let timer = setTimeout(stop, SILENT_MS);
    try {
      const headers = { Accept: "text/event-stream", ...authorization() };
      if (last) headers["Last-Event-ID"] = last;
      const answer = await send(address(path, query), { headers, signal: watchdog.signal });
      if (answer.status === 204) return;
      if (!answer.ok) throw await refusal(answer);
      connectionIs("live");
      for await (const event of eventsIn(answer.body)) {
        clearTimeout(timer);
        timer = setTimeout(stop, SILENT_MS);
        if (!event.data) continue;
        pause = FIRST_PAUSE_MS;
        last = event.id ?? last;
        tell(event.event, JSON.parse(event.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) return;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      removeEventListener("offline", stop);
    }
    await rest(pause, signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

/** The events in a body, after the HTML standard, 9.2; a comment is an event without data. */
async function* eventsIn(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const blocks = text.split(/\r?\n\r?\n/);
      text = blocks.pop();
      for (const block of blocks) yield parsed(block);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(block) {
  const event = { event: "message" };
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (name === "data") event.data = event.data === undefined ? value : `${event.data}\n${value}`;
    else if (name) event[name] = value;
  }
  return event;
}

/** A pause that ends early when the network comes back, or `signal` is aborted. */
export function rest(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    signal?.addEventListener("abort", done);
  });
}
