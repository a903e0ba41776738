// What becomes of a session: tokens that are refreshed, that bring fewer channels or come to their end, connections that
// break, and an `usher dev` that stops. In real time, so all at once.

import { after, before, describe, test } from "node:test";
import { writeFile } from "node:fs/promises";
import assert from "node:assert/strict";
import { Browser, Cleanup, Dev, SDKS, pages } from "./harness.mjs";
import { chatPage, done, refusal, sees, until } from "./chat.mjs";

const POLICY = `
version = 1

[ttl]
min = "1m"

[member]
id = "{sub}"

[roles.customer.channels]
"lobby" = ["read", "write"]
"news" = ["read"]
`;

const cleanup = new Cleanup();
let browser, origin;

before(async () => {
  origin = await pages(cleanup);
  browser = await Browser.start(cleanup);
});
after(() => cleanup.run());

/** A page whose client fetches its tokens, of this ttl in minutes, as a front end does: across origins. */
async function fetching(version, dev, sub, ttl, { refreshing = true, expected } = {}) {
  const refresh = { url: `${dev.url}/chat-token`, session: await dev.session(sub), body: { ttl }, refreshing };
  return chatPage(browser, origin, version, null, { refresh, expected });
}

describe("sessions", { concurrency: true }, () => {
  for (const version of Object.keys(SDKS)) {
    test(`${version}: a client that refreshes chats across the end of its first token`, async () => {
      const dev = await Dev.start(cleanup, { policy: POLICY });
      // A token of one minute is expiring from birth, so the SDK comes back at once and then every 20 s.
      const alice = await fetching(version, dev, "alice", 1);
      await alice.evaluate("chat.subscribe('lobby')");
      await until(alice, "Date.now() > (JSON.parse(atob(tokens[0].split('.')[1])).iat + 61) * 1_000 && tokens.length >= 4", 100);
      await alice.evaluate("chat.publish({ channel: 'lobby', content: 'still here' })");
      await sees(alice, { event: "message", content: "still here" });
      assert.equal(await alice.evaluate("sockets.length"), 1, "the connection is the first still");
      await done(browser, alice);
    });

    test(`${version}: without a refresh the end is an AuthError, and a new client goes on`, async () => {
      const dev = await Dev.start(cleanup, { policy: POLICY });
      // The relay closes the connection a little after the token's end; the SDK comes back with the same token.
      const alice = await fetching(version, dev, "alice", 1, { refreshing: false, expected: [/Auth Error/] });
      await alice.evaluate("void chat._session.session.on('session.auth_error', (error) => (window.ended = error))");
      await alice.evaluate("chat.subscribe('lobby')");
      await until(alice, "Boolean(window.ended)", 100);
      const ended = await alice.evaluate("({ name: ended.name, code: ended.code, message: ended.message })");
      assert.deepEqual([ended.name, ended.code], ["AuthError", -32002]);
      assert.match(ended.message, /the token ended \d+ s ago/);
      assert.deepEqual(await alice.evaluate("closedWith"), { code: 1008, reason: "the token has ended" });
      await alice.evaluate("newClient()");
      await alice.evaluate("chat.subscribe('lobby')");
      await sees(alice, { event: "member.joined", id: "alice", channel: "lobby" });
      await done(browser, alice);
    });

    test(`${version}: what the policy takes away is gone with the next token, without a word`, async () => {
      const dev = await Dev.start(cleanup, { policy: POLICY });
      const carol = await fetching(version, dev, "carol", 2);
      await carol.evaluate("chat.subscribe(['lobby', 'news'])");
      await sees(carol, { event: "member.joined", channel: "news" });
      await writeFile(dev.policy, POLICY.replace('"news" = ["read"]', ""));
      await until(carol, "!('news' in channels)", 60);
      // Which the client learns a little later than the page.
      await until(carol, "chat.getAllowedChannels().then((channels) => !('news' in channels))", 10);
      assert.equal((await refusal(carol, "chat.getMessages({ channel: 'news' })")).code, -32003);
      await carol.evaluate("chat.publish({ channel: 'lobby', content: 'here' })");
      await sees(carol, { event: "message", content: "here" });
      const ofNews = await carol.evaluate("seen.filter(({ channel }) => channel === 'news').map(({ event }) => event)");
      assert.deepEqual(ofNews, ["member.joined"]);
      await done(browser, carol);
    });

    test(`${version}: a connection that breaks comes back, subscribed to nothing until it subscribes again`, async () => {
      const dev = await Dev.start(cleanup, { policy: POLICY });
      const alice = await fetching(version, dev, "alice", 10);
      const bob = await fetching(version, dev, "bob", 10);
      for (const page of [bob, alice]) await page.evaluate("chat.subscribe('lobby')");
      await sees(bob, { event: "member.joined", id: "alice" });
      await alice.evaluate("sockets[0].close()");
      await sees(bob, { event: "member.left", id: "alice" });
      await until(alice, "sockets.length === 2 && sockets[1].readyState === 1", 20);
      await bob.evaluate("seen.length = 0");
      await bob.evaluate("chat.publish({ channel: 'lobby', content: 'are you there?' })");
      await sees(bob, { event: "message", content: "are you there?" });
      await alice.evaluate("chat.subscribe('lobby')");
      await sees(bob, { event: "member.joined", id: "alice" });
      await bob.evaluate("chat.publish({ channel: 'lobby', content: 'welcome back' })");
      await sees(alice, { event: "message", content: "welcome back" });
      assert.ok(!(await alice.evaluate("seen.some(({ content }) => content === 'are you there?')")));
      await done(browser, alice, bob);
    });

    test(`${version}: an usher dev that stops says so, and does not wait for its clients`, async () => {
      const dev = await Dev.start(cleanup, { policy: POLICY });
      const alice = await fetching(version, dev, "alice", 10, { expected: [/ERR_CONNECTION_REFUSED/] });
      await alice.evaluate("chat.subscribe('lobby')");
      await dev.stop();
      await until(alice, "window.closedWith?.code === 1001", 10);
      // It goes on trying, and a page can tell.
      await until(alice, "sockets.length > 1 && closedWith.code === 1006", 20);
      await done(browser, alice);
    });
  }
});
