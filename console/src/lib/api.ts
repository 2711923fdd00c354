// The REST client. A success gives `data`; everything else is one ApiError that says what a
// person can do about it.
import { time } from "./types";

export class ApiError extends Error {
  constructor(
    /** 0 when the server did not answer. */
    readonly status: number,
    readonly code: string,
    message: string,
    /** When a retry makes sense, in ms from now; only for 429 and 503. */
    readonly retryMs: number | null = null,
  ) {
    super(message);
  }

  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

export interface Reply<T> {
  data: T;
  next: string | null;
  etag: string | null;
}

type Method = "GET" | "POST" | "PATCH" | "DELETE";

interface Options {
  signal?: AbortSignal;
  etag?: string | null;
  /** A 401 here is an answer, not the end of the session (sign in). */
  keepSession?: boolean;
}

const TIMEOUT_MS = 15_000; // a server that is slower than this is not usable

let onUnauthenticated: () => void = () => {};
let bearer: string | null = null;

/** Who is here without the cookie: a guest, by a token of the chat. */
export function setBearer(token: string | null): void {
  bearer = token;
}
export const bearerToken = (): string | null => bearer;

/** Called on a 401 of any request that needed the session. */
export function setUnauthenticatedHandler(handler: () => void): void {
  onUnauthenticated = handler;
}

export function retryAfter(header: string | null, now: number): number | null {
  if (header === null || header === "") {
    return null;
  }
  const seconds = Number(header);
  if (Number.isFinite(seconds)) {
    return Math.max(0, seconds * 1000);
  }
  const at = time(header);
  return at === null ? null : Math.max(0, at - now);
}

function sentence(status: number): string {
  if (status === 401) return "You are not signed in.";
  if (status === 403) return "You are not allowed to do this.";
  if (status === 404) return "This does not exist.";
  if (status === 429) return "Too many requests.";
  return `The server answered ${status}.`;
}

/** Like request, but null for 304. */
export async function requestIfChanged<T>(
  method: Method,
  path: string,
  body?: unknown,
  options: Options = {},
): Promise<Reply<T> | null> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  if (bearer !== null) {
    headers["Authorization"] = `Bearer ${bearer}`;
  }
  if (options.etag) {
    headers["If-None-Match"] = options.etag;
  }
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const init: RequestInit = {
    method,
    headers,
    credentials: "same-origin",
    cache: "no-store",
    signal: options.signal ? either(options.signal, timeout) : timeout,
  };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
  }

  let response: Response;
  let text: string;
  try {
    response = await fetch(path, init);
    text = response.status === 304 ? "" : await response.text();
  } catch (error) {
    if (options.signal?.aborted) {
      throw error; // the caller's own wish
    }
    throw new ApiError(0, "UNREACHABLE", "The server cannot be reached.");
  }
  if (response.status === 304) {
    return null;
  }

  let parsed: Record<string, unknown> = {};
  try {
    parsed = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
  } catch {
    if (response.ok) {
      throw new ApiError(response.status, "BAD_ANSWER", "The answer was not understood.");
    }
  }
  if (!response.ok || parsed["success"] === false) {
    if (response.status === 401 && !options.keepSession) {
      onUnauthenticated();
    }
    const said = parsed["error"] ?? parsed["detail"] ?? parsed["title"];
    throw new ApiError(
      response.status,
      typeof parsed["code"] === "string" ? parsed["code"] : "UNKNOWN",
      typeof said === "string" ? said : sentence(response.status),
      retryAfter(response.headers.get("Retry-After"), Date.now()),
    );
  }
  const next = parsed["next_cursor"];
  return {
    data: parsed["data"] as T,
    next: typeof next === "string" && next !== "" ? next : null,
    etag: response.headers.get("ETag"),
  };
}

export async function request<T>(
  method: Method,
  path: string,
  body?: unknown,
  options: Options = {},
): Promise<T> {
  const reply = await requestIfChanged<T>(method, path, body, options);
  if (reply === null) {
    throw new ApiError(304, "BAD_ANSWER", "The answer was not understood.");
  }
  return reply.data;
}

/** AbortSignal.any, which Safari 16 lacks. */
function either(a: AbortSignal, b: AbortSignal): AbortSignal {
  const both = new AbortController();
  for (const signal of [a, b]) {
    if (signal.aborted) {
      both.abort(signal.reason);
    }
    signal.addEventListener("abort", () => both.abort(signal.reason), { once: true });
  }
  return both.signal;
}

/** A query string of the members that are set. */
export function query(values: Record<string, string | number | null | undefined>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== "") {
      params.set(key, String(value));
    }
  }
  const text = params.toString();
  return text === "" ? "" : "?" + text;
}

export const isAbort = (error: unknown): boolean =>
  error instanceof DOMException && error.name === "AbortError";

export const asError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(0, "UNKNOWN", String(error));
