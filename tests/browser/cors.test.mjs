// `usher serve` from pages of other origins: what an allowed one can send and read, and what every other cannot.

import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { Browser, Cleanup, pages } from "./harness.mjs";

const SECRET = "thirty-two bytes of a shared secret, or a few more";
const ISSUER = "https://login.example.com/";
const COOKIE = "__test_session";

const cleanup = new Cleanup();
let browser, usher, allowed, refused;

/** A session of alice's, as her app has it. */
function session(claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const payload = { iss: ISSUER, aud: "api", sub: "alice", iat: now, exp: now + 600, roles: ["customer"], ...claims };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(payload)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A command of usher's that runs until the end of the tests; `is` is asked of all that it has said. */
async function run(args, env, is) {
  const child = spawn(process.env.USHER_BINARY, args, { env, cwd: new URL("../..", import.meta.url), stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  cleanup.add(async () => {
    child.kill("SIGTERM");
    await exited;
  });
  let said = "";
  await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (data) => is((said += data)) && resolve());
    exited.then(() => reject(new Error(`usher ${args[0]} has ended: ${said}`)));
  });
  return said;
}

before(async () => {
  browser = await Browser.start(cleanup);
  allowed = await pages(cleanup);
  refused = allowed.replace("localhost", "127.0.0.1");
  const sandbox = await run(["sandbox", "--listen", "127.0.0.1:0"], {}, (said) => /^SIGNALWIRE_API_TOKEN=.*\n/m.test(said) && /^SIGNALWIRE_SPACE=.*\n/m.test(said));
  const signalwire = Object.fromEntries([...sandbox.matchAll(/^(SIGNALWIRE_\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
  const port = await freePort();
  const env = {
    ...signalwire,
    USHER__SERVER__LISTEN: `127.0.0.1:${port}`,
    USHER__SESSION__ISSUERS: `[{name = "app", issuer = "${ISSUER}", audiences = ["api"], secret = "${SECRET}"}]`,
    USHER__SESSION__COOKIE__NAME: COOKIE,
    USHER__CORS__ALLOWED_ORIGINS: allowed,
    USHER__LIMITS__PER_MEMBER: '{rate = "1/m", burst = 6}',
  };
  await run(["serve"], env, (said) => said.includes("listening"));
  usher = `http://localhost:${port}`;
});
after(() => cleanup.run());

/** What a page at `origin` gets of `fetch`; `expected` are the errors that Chromium writes to its console. */
async function ask(origin, init, { path = "/chat-token", expected, cookie } = {}) {
  const page = await browser.page(origin, { expected });
  if (cookie) await page.evaluate((cookie) => (document.cookie = `${cookie}; SameSite=Lax`), cookie);
  const seen = await page.evaluate(
    async (url, init) => {
      try {
        const answer = await fetch(url, init);
        const headers = Object.fromEntries(["x-request-id", "retry-after", "content-type"].map((name) => [name, answer.headers.get(name)]));
        return { status: answer.status, headers, body: await answer.json() };
      } catch (error) {
        return { failed: error.name };
      }
    },
    usher + path,
    init,
  );
  page.expectations();
  await page.browserContext().close();
  browser.check();
  return seen;
}

const bearer = (token) => ({ Authorization: `Bearer ${token}`, "Content-Type": "application/json" });
const STATUS = (status) => [new RegExp(`status of ${status}`)];
const BLOCKED = [/blocked by CORS policy/, /Failed to load resource/];

describe("a page of an allowed origin", () => {
  test("sends a session as a Bearer, with a body and an id, which needs a preflight", async () => {
    const headers = { ...bearer(session()), "X-Request-Id": "from-the-page" };
    const { status, body, ...seen } = await ask(allowed, { method: "POST", headers, body: '{"ttl": 5}' });
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.member_id, "alice");
    assert.equal(seen.headers["x-request-id"], "from-the-page");
  });

  test("sends a session in a cookie", async () => {
    const cookie = `${COOKIE}=${session({ sub: "carol" })}`;
    const init = { method: "POST", credentials: "include" };
    const { status, body } = await ask(allowed, { ...init, headers: { "Content-Type": "application/json" } }, { cookie });
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.member_id, "carol");
    // What a form of any site could send as well.
    const simple = await ask(allowed, init, { cookie, expected: STATUS(403) });
    assert.deepEqual([simple.status, simple.body.code], [403, "origin_refused"]);
  });

  test("reads what is wrong, and the request's id", async () => {
    const { status, headers, body } = await ask(allowed, { method: "POST", headers: bearer("no.session.this") }, { expected: STATUS(401) });
    assert.deepEqual([status, body.code], [401, "session_invalid"]);
    assert.equal(headers["x-request-id"], body.request_id);
    assert.match(headers["content-type"], /problem\+json/);
  });

  test("reads when to come again", async () => {
    const headers = bearer(session({ sub: "bob" }));
    for (let asked = 0; asked < 6; asked++) assert.equal((await ask(allowed, { method: "POST", headers })).status, 200);
    const { status, headers: answered, body } = await ask(allowed, { method: "POST", headers }, { expected: STATUS(429) });
    assert.deepEqual([status, body.code], [429, "rate_limited"]);
    assert.ok(Number(answered["retry-after"]) >= 1, answered["retry-after"]);
  });
});

describe("a page of any other origin", () => {
  test("cannot send a Bearer: the preflight says no", async () => {
    const seen = await ask(refused, { method: "POST", headers: bearer(session()) }, { expected: BLOCKED });
    assert.deepEqual(seen, { failed: "TypeError" });
  });

  test("cannot read what a simple request was answered, and its cookie counts for nothing", async () => {
    const cookie = `${COOKIE}=${session({ sub: "dave" })}`;
    const seen = await ask(refused, { method: "POST", credentials: "include" }, { cookie, expected: BLOCKED });
    assert.deepEqual(seen, { failed: "TypeError" });
  });
});
