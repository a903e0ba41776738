// The compiled usher.ts and route.ts against a running `usher dev`: ask.mjs URL SESSION.
import assert from "node:assert/strict";

const [url, session] = process.argv.slice(2);
const real = globalThis.fetch;
globalThis.fetch = (input, init) => real(String(input).replace("http://127.0.0.1:8080", url), init);
const { chatToken, readable } = await import("./build/js/usher.js");

const token = await chatToken(async () => session);
assert.equal(token.member_id, "alice");
assert.deepEqual(readable(token).sort(), ["announcements", "support:alice"]);

const renewals = [];
const renewed = await chatToken(async (renew) => {
  renewals.push(renew);
  return renew ? session : "nonsense";
});
assert.equal(renewed.member_id, "alice");
assert.deepEqual(renewals, [false, true]);

// Whatever happens on the way, one renewal.
const answers = [401, 503, 200].map((status) => new Response(JSON.stringify({ token: "t", code: "c", status }), { status, headers: { "Retry-After": "1" } }));
const through = globalThis.fetch;
globalThis.fetch = async () => answers.shift();
const asked = [];
assert.equal((await chatToken(async (renew) => void asked.push(renew))).token, "t");
assert.deepEqual(asked, [false, true]);
globalThis.fetch = async () => new Response("busy", { status: 429, headers: { "Retry-After": "300" } });
await assert.rejects(chatToken(async () => session), { code: "unknown", status: 429 });
globalThis.fetch = through;

await assert.rejects(chatToken(async () => "nonsense"), { code: "session_invalid", status: 401 });
await assert.rejects(chatToken(async () => session, { channels: { zoo: { read: true } } }), { code: "channels_denied" });

process.env.USHER_URL = url;
const { POST } = await import("./build/js/route.js");
const post = (headers) => POST(new Request("http://site.example/chat-token", { method: "POST", headers }));
assert.equal((await post({ cookie: session })).status, 415);
const answer = await post({ cookie: session, "content-type": "application/json" });
assert.equal(answer.status, 200);
assert.equal((await answer.json()).member_id, "alice");
const refused = await post({ cookie: "nonsense", "content-type": "application/json" });
assert.equal(refused.status, 401);
assert.equal(refused.headers.get("content-type"), "application/problem+json");
assert.equal((await refused.json()).request_id, refused.headers.get("x-request-id"));
console.log("usher.ts and route.ts do what the page says");
