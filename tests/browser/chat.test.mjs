// The unmodified SDK against `usher dev`: what a front end does with the token that usher gave it.

import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Browser, Cleanup, Dev, SDKS, pages } from "./harness.mjs";
import { chatPage, done, refusal, sees } from "./chat.mjs";

const cleanup = new Cleanup();
let dev, browser, origin;

before(async () => {
  dev = await Dev.start(cleanup);
  origin = await pages(cleanup);
  browser = await Browser.start(cleanup);
});
after(() => cleanup.run());

const SUPPORT = { channels: { "support:alice": { read: true, write: true } } };
const ALICE = ["alice", "customer"];
const BOB = ["bob", "agent"];

const client = (version, token, options) => chatPage(browser, origin, version, token, options);

for (const version of Object.keys(SDKS)) {
  describe(`@signalwire/js ${version}`, () => {
    test("two clients chat, and know of each other", async () => {
      const alice = await client(version, (await dev.grant(...ALICE, SUPPORT)).token);
      const bob = await client(version, (await dev.grant(...BOB, SUPPORT)).token);
      await alice.evaluate("chat.subscribe(['support:alice'])");
      await sees(alice, { event: "member.joined", id: "alice", channel: "support:alice" });
      await bob.evaluate("chat.subscribe('support:alice')");
      await sees(alice, { event: "member.joined", id: "bob", channel: "support:alice" });

      await alice.evaluate("chat.publish({ channel: 'support:alice', content: 'hello', meta: { mood: 'fine' } })");
      for (const page of [alice, bob]) {
        await sees(page, { event: "message", channel: "support:alice", content: "hello", meta: { mood: "fine" }, from: "alice" });
      }
      assert.ok(await bob.evaluate("seen.find(({ event }) => event === 'message').publishedAt instanceof Date"));
      await bob.evaluate("chat.publish({ channel: 'support:alice', content: { text: ['and', 'you'] } })");
      await sees(alice, { event: "message", content: { text: ["and", "you"] }, from: "bob" });

      const { members } = await alice.evaluate("chat.getMembers({ channel: 'support:alice' })");
      assert.deepEqual(members.map(({ id }) => id).sort(), ["alice", "bob"]);

      await bob.evaluate("chat.setMemberState({ channels: 'support:alice', memberId: 'bob', state: { typing: true } })");
      await sees(alice, { event: "member.updated", id: "bob", state: { typing: true } });
      const { channels } = await alice.evaluate("chat.getMemberState({ channels: ['support:alice'], memberId: 'bob' })");
      assert.deepEqual(channels, { "support:alice": { state: { typing: true } } });

      await bob.evaluate("chat.unsubscribe('support:alice')");
      await sees(bob, { event: "member.left", id: "bob" });
      await sees(alice, { event: "member.left", id: "bob" });
      await alice.evaluate("chat.publish({ channel: 'support:alice', content: 'gone?' })");
      await sees(alice, { event: "message", content: "gone?" });
      assert.ok(!(await bob.evaluate("seen.some(({ content }) => content === 'gone?')")));
      await done(browser, alice, bob);
    });

    test("the history comes in pages, newest first", async () => {
      const channel = `support:history-${version}`;
      const body = { channels: { [channel]: { read: true, write: true } } };
      const bob = await client(version, (await dev.grant(...BOB, body)).token);
      const found = await bob.evaluate(async (channel) => {
        const none = await chat.getMessages({ channel });
        for (let at = 0; at < 120; at += 1) await chat.publish({ channel, content: at });
        const pages = [];
        let cursor;
        do {
          const page = await chat.getMessages({ channel, ...(cursor && { cursor: { after: cursor.after } }) });
          pages.push(page.messages);
          cursor = page.cursor;
        } while (cursor.after);
        const back = await chat.getMessages({ channel, cursor: { before: cursor.before } });
        return {
          none: none.messages.length,
          sizes: pages.map((page) => page.length),
          contents: pages.flat().map(({ content }) => content),
          back: back.messages.map(({ content }) => content),
          isDate: pages[0][0].publishedAt instanceof Date,
          member: pages[0][0].member.id,
        };
      }, channel);
      assert.deepEqual(found, {
        none: 0,
        sizes: [50, 50, 20],
        contents: Array.from({ length: 120 }, (_, at) => 119 - at),
        back: Array.from({ length: 50 }, (_, at) => 69 - at),
        isDate: true,
        member: "bob",
      });
      await done(browser, bob);
    });

    test("what the token lacks is refused, and said", async () => {
      const alice = await client(version, (await dev.grant(...ALICE)).token);
      assert.deepEqual(await alice.evaluate("chat.getAllowedChannels()"), (await dev.grant(...ALICE)).channels);
      await alice.evaluate("chat.subscribe('announcements')");
      const refused = await refusal(alice, "chat.publish({ channel: 'announcements', content: 'me too' })");
      assert.equal(refused.code, -32003);
      assert.match(refused.message, /publish takes the right to write.*`announcements` \(it has read alone\)/);
      const unknown = await refusal(alice, "chat.subscribe('desk')");
      assert.match(unknown.message, /`desk` \(not in the token: a channel that a wildcard grants must be asked for by name\)/);
      const other = await refusal(alice, "chat.setMemberState({ channels: 'support:alice', memberId: 'bob', state: {} })");
      assert.match(other.message, /its own member alone, `alice`/);
      await done(browser, alice);
    });

    test("a token that is none of usher's is an AuthError", async () => {
      const { token } = await dev.grant(...ALICE);
      const [header, payload] = token.split(".");
      const alice = await client(version, `${header}.${payload}.${"A".repeat(86)}`, { expected: [/Auth Error/] });
      const refused = await refusal(alice, "chat.subscribe('announcements')");
      assert.deepEqual([refused.name, refused.code], ["AuthError", -32002]);
      assert.match(refused.message, /ask usher for a new one/);
      await done(browser, alice);
    });

    test("a PubSub client publishes and is told", async () => {
      const alice = await client(version, (await dev.grant(...ALICE, SUPPORT)).token, { kind: "PubSub" });
      const bob = await client(version, (await dev.grant(...BOB, SUPPORT)).token, { kind: "PubSub" });
      await Promise.all([alice, bob].map((page) => page.evaluate("chat.subscribe('support:alice')")));
      await alice.evaluate("chat.publish({ channel: 'support:alice', content: 'ping' })");
      await sees(bob, { event: "message", content: "ping", channel: "support:alice" });
      const warned = await bob.evaluate("seen.filter(({ event }) => event !== 'message').length");
      assert.equal(warned, 0);
      await bob.evaluate("chat.unsubscribe('support:alice')");
      await done(browser, alice, bob);
    });
  });
}
