// A page with a client of the SDK on it, and what it has told.

import assert from "node:assert/strict";
import { sdkPage } from "./harness.mjs";

/**
 * A page whose client is `chat`, with what it has told in `seen` and the sockets that it has opened in `sockets`. It has the
 * `token`, or asks for its tokens as `refresh` says: `{ url, session, body, refreshing }`; then `newClient()` is a new one.
 */
export async function chatPage(browser, origin, version, token, { kind = "Chat", refresh, expected } = {}) {
  const page = await sdkPage(browser, origin, version, { expected });
  await page.evaluate(
    async (token, kind, refresh) => {
      const Socket = WebSocket;
      window.sockets = [];
      window.WebSocket = class extends Socket {
        constructor(...parameters) {
          super(...parameters);
          sockets.push(this);
          this.addEventListener("close", ({ code, reason }) => (window.closedWith = { code, reason }));
        }
      };
      window.tokens = [];
      window.get = async () => {
        const answer = await fetch(refresh.url, {
          method: "POST",
          headers: { Authorization: `Bearer ${refresh.session}`, "Content-Type": "application/json" },
          body: JSON.stringify(refresh.body),
        });
        const grant = await answer.json();
        if (!answer.ok) throw grant;
        tokens.push(grant.token);
        window.channels = grant.channels;
        return grant.token;
      };
      window.newClient = async () => {
        window.seen = [];
        const onRefreshToken = refresh?.refreshing && { onRefreshToken: get };
        window.chat = new SignalWire[kind].Client({ token: refresh ? await get() : token, ...onRefreshToken });
        const events = kind === "Chat" ? ["message", "member.joined", "member.left", "member.updated"] : ["message"];
        for (const event of events) {
          chat.on(event, ({ id, channel, content, meta, member, state, publishedAt }) => {
            seen.push(event === "message" ? { event, channel, content, meta, from: member?.id, publishedAt } : { event, id, channel, state });
          });
        }
      };
      await newClient();
    },
    token,
    kind,
    refresh,
  );
  return page;
}

/** Waits until the client has told this. */
export async function sees(page, wanted) {
  try {
    await page.waitForFunction(
      (wanted) => seen.some((one) => Object.entries(wanted).every(([key, value]) => JSON.stringify(one[key]) === JSON.stringify(value))),
      { timeout: 10_000 },
      wanted,
    );
  } catch {
    assert.fail(`${JSON.stringify(wanted)} is not among ${JSON.stringify(await page.evaluate("seen"))}`);
  }
}

/** Waits long for an expression on the page, asking from here: what waits on the page itself may be put to sleep with it. */
export async function until(page, expression, seconds) {
  for (let tries = 0; !(await page.evaluate(expression)); tries += 1) {
    assert.ok(tries < seconds * 2, `in ${seconds} s there was not: ${expression}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** What a call on the page rejects with. */
export async function refusal(page, call) {
  return page.evaluate(
    (call) => eval(call).then(() => "it was done", ({ name, code, message }) => ({ name, code, message })),
    call,
  );
}

/** Ends the pages, after which nothing may have happened on them that must not. */
export async function done(browser, ...pages) {
  for (const page of pages) {
    page.expectations();
    await page.evaluate("chat.disconnect()");
    await page.browserContext().close();
  }
  browser.check();
}
