// What is meant to be copied, run as it stands: examples/chat.html, and the recipes of docs/front-end.md that
// tests/front-end/run.sh has compiled.

import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Browser, Cleanup, Dev, SDKS, pages } from "./harness.mjs";
import { until } from "./chat.mjs";

const POLICY = await readFile(new URL("../../config/policy.toml", import.meta.url), "utf8");
const SDK = `/${SDKS["3.30.0"]}.js`;
const RECIPES = ["usher", "chat", "use-chat"];

const cleanup = new Cleanup();
let dev, browser, origin, example;

/** `text` with `from` replaced, of which there must be one. */
function replaced(text, from, to) {
  assert.equal(text.split(from).length, 2, `${from} stands there once`);
  return text.replace(from, to);
}

const read = (path) => readFile(new URL(path, import.meta.url), "utf8");

before(async () => {
  browser = await Browser.start(cleanup);
  dev = await Dev.start(cleanup, { policy: POLICY });
  example = await read("../../examples/chat.html");
  const texts = {
    "/chat.html": replaced(replaced(example, "https://cdn.signalwire.com/@signalwire/js@3", SDK), "http://127.0.0.1:8080", dev.url),
    "/react.js": await read("node_modules/react/umd/react.production.min.js"),
    "/react-dom.js": await read("node_modules/react-dom/umd/react-dom.production.min.js"),
    "/module/sdk.js": "export const { Chat } = SignalWire;",
    "/module/react.js": "export const { useCallback, useEffect, useRef, useState } = React;",
    "/recipes.html": `<!doctype html><link rel="icon" href="data:,"><title>recipes</title><div id="root"></div>
      <script type="importmap">{"imports": {"@signalwire/js": "/module/sdk.js", "react": "/module/react.js"}}</script>
      <script src="${SDK}"></script><script src="/react.js"></script><script src="/react-dom.js"></script>`,
  };
  for (const name of RECIPES) {
    const text = await read(`../front-end/build/js/${name}.js`).catch(() => assert.fail("run tests/front-end/run.sh first: it compiles the recipes"));
    texts[`/recipes/${name}.js`] = name === "usher" ? replaced(text, "http://127.0.0.1:8080", dev.url) : text;
  }
  origin = await pages(cleanup, texts);
});
after(() => cleanup.run());

async function done(...pages) {
  for (const page of pages) {
    page.expectations();
    await page.browserContext().close();
  }
  browser.check();
}

describe("examples/chat.html", () => {
  test("is what the README shows", async () => {
    const readme = await read("../../README.md");
    const script = example.match(/<script type="module">\n([^]*?)<\/script>/)[1];
    assert.ok(readme.includes("```js\n" + script + "```\n"), "the script of examples/chat.html stands in README.md");
  });

  test("two people write to each other", async () => {
    const open = async (sub, role) => browser.page(`${origin}/chat.html#${await dev.session(sub, role)}`);
    const alice = await open("alice", "customer");
    const bob = await open("bob", "agent");
    const say = async (page, text) => page.type("input", `${text}\n`);
    const lines = "[...document.querySelectorAll('li')].map((line) => line.textContent).join()";
    // Whoever subscribes later has missed what was said.
    for (let tries = 1; !(await bob.evaluate(lines)).includes("alice: hello"); tries += 1) {
      assert.ok(tries < 40, await alice.evaluate(lines));
      await say(alice, "hello");
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    await say(bob, "<b>and you</b>");
    for (const page of [alice, bob]) await until(page, `${lines}.includes("bob: <b>and you</b>")`, 10);
    assert.equal(await alice.$("li b"), null);
    await done(alice, bob);
  });

  test("says why there is no chat", async () => {
    const page = await browser.page(`${origin}/chat.html#nonsense`, { expected: [/status of 401/] });
    await until(page, "document.querySelector('li')?.textContent.startsWith('session_invalid: ')", 10);
    await done(page);
  });
});

describe("docs/front-end.md", () => {
  /** The page of recipes with somebody's session, and which events there were in `told`. */
  const recipes = async (sub, role, options) => {
    const page = await browser.page(`${origin}/recipes.html`, options);
    await page.evaluate((session) => {
      window.session = async () => session;
      window.told = [];
      window.sockets = [];
      window.WebSocket = class extends WebSocket {
        constructor(...parameters) {
          super(...parameters);
          sockets.push(this);
        }
      };
    }, await dev.session(sub, role));
    return page;
  };

  test("openChat: two people write to each other", async () => {
    const alice = await recipes("alice", "customer");
    const bob = await recipes("bob", "agent");
    for (const page of [alice, bob]) {
      await page.evaluate(async () => {
        const { openChat } = await import("/recipes/chat.js");
        const events = Object.fromEntries(["message", "lost", "failed"].map((kind) => [kind, (...what) => told.push([kind, ...what])]));
        window.chat = openChat(session, events, { channels: { "support:alice": { read: true, write: true } } });
      });
    }
    const told = (what) => `JSON.stringify(told).includes(${JSON.stringify(JSON.stringify(what))})`;
    for (let tries = 1; !(await bob.evaluate(told(["message", "support:alice", "hello"]))); tries += 1) {
      assert.ok(tries < 40, JSON.stringify(await bob.evaluate("told")));
      await alice.evaluate("chat.publish('support:alice', 'hello').catch(() => {})");
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    await bob.evaluate("chat.publish('support:alice', { and: 'you' })");
    await until(alice, told(["message", "support:alice", { and: "you" }]), 10);
    assert.deepEqual(await alice.evaluate("told.filter(([kind]) => kind !== 'message')"), []);

    await alice.evaluate("sockets[0].close()");
    await until(alice, "sockets.length === 2 && sockets[1].readyState === 1", 20);
    for (let tries = 1; !(await alice.evaluate(told(["message", "support:alice", "back?"]))); tries += 1) {
      assert.ok(tries < 60, "who comes back hears again");
      await bob.evaluate("chat.publish('support:alice', 'back?')");
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    await alice.evaluate("chat.publish('support:alice', 'yes')");
    await until(bob, told(["message", "support:alice", "yes"]), 10);

    await alice.evaluate("chat.close()");
    await bob.evaluate("chat.publish('support:alice', 'gone?')");
    await until(bob, told(["message", "support:alice", "gone?"]), 10);
    assert.ok(!(await alice.evaluate(told(["message", "support:alice", "gone?"]))));
    await bob.evaluate("chat.close()");
    await done(alice, bob);
  });

  test("openChat: why there is none", async () => {
    const page = await recipes("alice", "customer", { expected: [/status of 403/] });
    await page.evaluate(async () => {
      const { openChat } = await import("/recipes/chat.js");
      window.chat = openChat(session, { failed: ({ code }) => told.push(code) }, { channels: { zoo: { read: true } } });
    });
    await until(page, "told.includes('channels_denied')", 10);
    assert.match(await page.evaluate("chat.publish('zoo', 1).catch((why) => why.message)"), /no chat yet/);
    await done(page);
  });

  test("useChat: what is said comes to be seen, and it ends with its component", async () => {
    const page = await recipes("alice", "customer");
    await page.evaluate(async () => {
      const { useChat } = await import("/recipes/use-chat.js");
      const Room = () => {
        const { messages, failure, publish } = useChat(session);
        window.publish = publish;
        return React.createElement("p", null, JSON.stringify({ messages, failure }));
      };
      window.root = ReactDOM.createRoot(document.querySelector("#root"));
      root.render(React.createElement(Room));
    });
    const seen = "document.querySelector('#root').textContent";
    for (let tries = 1; !(await page.evaluate(seen)).includes("hello"); tries += 1) {
      assert.ok(tries < 40, await page.evaluate(seen));
      await page.evaluate("publish('support:alice', 'hello').catch(() => {})");
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    await page.evaluate("root.unmount()");
    assert.match(await page.evaluate("publish('support:alice', 1).catch((why) => why.message)"), /no chat any more/);
    await done(page);
  });
});
