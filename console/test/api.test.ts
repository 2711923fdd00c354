import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import {
  ApiError, query, request, requestIfChanged, retryAfter, setUnauthenticatedHandler,
} from "../src/lib/api";

const real = globalThis.fetch;
afterEach(() => {
  globalThis.fetch = real;
  setUnauthenticatedHandler(() => {});
});

let asked: { path: string; init: RequestInit }[] = [];
function answer(status: number, body: unknown, headers: Record<string, string> = {}): void {
  asked = [];
  globalThis.fetch = ((path: string, init: RequestInit) => {
    asked.push({ path, init });
    const text = body === null ? null : typeof body === "string" ? body : JSON.stringify(body);
    return Promise.resolve(new Response(text, { status, headers }));
  }) as typeof fetch;
}
const failing = (promise: Promise<unknown>): Promise<ApiError> =>
  promise.then(() => assert.fail("it should have failed"), (e: ApiError) => e);

test("a success gives data, cursor and tag", async () => {
  answer(200, { success: true, data: [1], next_cursor: "c", timestamp: "" }, { ETag: '"a"' });
  assert.deepEqual(await requestIfChanged("GET", "/x"), { data: [1], next: "c", etag: '"a"' });
});

test("a tag is sent and 304 is no change", async () => {
  answer(304, null);
  assert.equal(await requestIfChanged("GET", "/x", undefined, { etag: '"a"' }), null);
  assert.equal((asked[0]!.init.headers as Record<string, string>)["If-None-Match"], '"a"');
});

test("a problem becomes an error with its code and sentence", async () => {
  answer(409, { success: false, code: "CONFLICT", error: "The name is taken.", detail: "d" });
  const error = await failing(request("POST", "/x", { a: 1 }));
  assert.deepEqual([error.status, error.code, error.message], [409, "CONFLICT", "The name is taken."]);
  assert.equal(asked[0]!.init.body, '{"a":1}');
});

test("an error without a body still has a sentence", async () => {
  answer(403, "<html>");
  assert.equal((await failing(request("GET", "/x"))).message, "You are not allowed to do this.");
});

test("a rate limit says when to come back", async () => {
  answer(429, { code: "RATE_LIMIT_EXCEEDED", error: "e" }, { "Retry-After": "42" });
  assert.equal((await failing(request("GET", "/x"))).retryMs, 42_000);
  assert.equal(retryAfter(null, 0), null);
  assert.equal(retryAfter("soon", 0), null);
  assert.equal(retryAfter("Thu, 01 Jan 1970 00:00:10 GMT", 4_000), 6_000);
});

test("401 ends the session, but not where it is an answer", async () => {
  let ended = 0;
  setUnauthenticatedHandler(() => ended++);
  answer(401, { code: "UNAUTHENTICATED", error: "e" });
  await failing(request("POST", "/login", {}, { keepSession: true }));
  assert.equal(ended, 0);
  await failing(request("GET", "/x"));
  assert.equal(ended, 1);
});

test("no answer is told apart from a refusal", async () => {
  globalThis.fetch = () => Promise.reject(new TypeError("fetch failed"));
  const error = await failing(request("GET", "/x"));
  assert.equal(error.unreachable, true);
  assert.equal(new ApiError(404, "NOT_FOUND", "").unreachable, false);
});

test("a success that is no JSON is an error", async () => {
  answer(200, "oops");
  assert.equal((await failing(request("GET", "/x"))).code, "BAD_ANSWER");
});

test("the caller's abort is passed on as it is", async () => {
  const abort = new AbortController();
  globalThis.fetch = ((_path: string, init: RequestInit) =>
    new Promise((_resolve, reject) => {
      init.signal!.addEventListener("abort", () => reject(init.signal!.reason));
    })) as typeof fetch;
  const pending = failing(request("GET", "/x", undefined, { signal: abort.signal }));
  abort.abort();
  assert.equal((await pending).name, "AbortError");
});

test("a query has only what is set", () => {
  assert.equal(query({}), "");
  assert.equal(query({ a: null, b: undefined, c: "" }), "");
  assert.equal(query({ a: 1, q: "x&y" }), "?a=1&q=x%26y");
});
