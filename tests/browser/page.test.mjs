// The page to try `usher dev` on, clicked through: in both themes, on a wide screen and at a phone's width.

import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import axe from "axe-core";
import { Browser, Cleanup, Dev } from "./harness.mjs";

const POLICY = await readFile(new URL("../../config/policy.toml", import.meta.url), "utf8");
const REFUSED = /status of 403/;

const cleanup = new Cleanup();
let browser, dev;

before(async () => {
  browser = await Browser.start(cleanup);
  dev = await Dev.start(cleanup, { policy: POLICY });
});
after(() => cleanup.run());

/** The page, as somebody with such a screen has it; without faults when `body` is done with it. */
async function visit({ width = 1280, height = 900, scheme = "light", expected, usher = dev }, body) {
  const page = await browser.page("about:blank", { expected });
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.evaluateOnNewDocument(() => {
    window.shift = 0;
    const add = (list) => list.getEntries().forEach((entry) => (window.shift += entry.hadRecentInput ? 0 : entry.value));
    new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(usher.url);
  await page.waitForFunction("document.querySelector('#channel').value");
  await body(page);
  page.expectations();
  await page.browserContext().close();
  browser.check();
}

const text = (page, selector) => page.$eval(selector, (element) => element.textContent);

/** Waits until an element's text is so. */
async function says(page, selector, expression) {
  const parts = [selector, expression.source];
  const so = (selector, source) => new RegExp(source).test(document.querySelector(selector)?.textContent);
  await page.waitForFunction(so, { timeout: 10_000 }, ...parts).catch(async () => {
    assert.match(await text(page, selector), expression);
  });
}

/** Into a field, in place of what is there. */
async function fill(page, selector, value) {
  await page.$eval(selector, (field) => field.select());
  await page.type(selector, value);
}

async function accessible(page, where) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate("axe.run(document)");
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`)]), [], where);
  const { scrollWidth, clientWidth } = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return { scrollWidth, clientWidth };
  });
  assert.ok(scrollWidth <= clientWidth, `${where}: the page is ${scrollWidth} wide on a screen of ${clientWidth}`);
}

const person = (number) => `.person:nth-child(${number})`;

async function join(page, number) {
  await page.click(`${person(number)} [data-is=enter]`);
  await says(page, `${person(number)} [data-is=state]`, /^In .*: may /);
}

for (const width of [1280, 360]) {
  for (const scheme of ["light", "dark"]) {
    describe(`${scheme}, ${width} px wide`, () => {
      test("everything on it", () =>
        visit({ width, scheme, expected: [REFUSED] }, async (page) => {
          await says(page, "#policy p", /policy\.toml, in force since .*sha256 [0-9a-f]{8}/);
          assert.ok((await page.evaluate("shift")) < 0.1, `what is there moves by ${await page.evaluate("shift")}`);
          const paper = await page.evaluate("getComputedStyle(document.body).backgroundColor");
          assert.equal(paper, scheme === "dark" ? "rgb(18, 22, 29)" : "rgb(246, 247, 249)");
          await accessible(page, "at the start");

          await page.click("#go");
          await says(page, "#verdict", /^Granted: a token for alice with 4 channels for 15 minutes/);
          await says(page, "#rights", /yes support:alice read and writeallowed by "support:\{sub\}" of customer \(.*:20\)/);
          await says(page, "#ttl", /\[ttl\]\.max, which nothing outlives8 hours.*The least of these: 15 minutes, limited by the default/);
          for (const summary of await page.$$("summary")) await summary.click();
          await says(page, "#curl", /^curl -sS -X POST http:\/\/127.0.0.1:\d+\/chat-token/);
          await says(page, "#body", /^200\n/);
          await says(page, "#token", /"sandbox": true[^]*"m": "alice"[^]*ends: /);
          await says(page, "#session", /"iss": "https:\/\/dev\.usher\.invalid\/"/);
          await says(page, "#upstream", /^POST \/api\/chat\/tokens[^]*"member_id": "alice"/);
          await accessible(page, "with an answer");

          await page.click("#add");
          await page.type("#channels li:nth-child(1) [data-is=name]", "desk");
          await page.click("#go");
          await says(page, "#verdict", /^Refused with 403 channels_denied\./);
          await says(page, "#rights", /no desk readno rule allows it; another role has it: "desk" of agent/);
          await accessible(page, "with a refusal");
          await page.click("#add");
          await page.type("#channels li:nth-child(2) [data-is=name]", "announcements");
          await page.select("[name=mode]", "narrow");
          await page.type("[name=ttl]", "5");
          await page.click("#go");
          await says(page, "#verdict", /^Granted in part: .* with 1 channel for 5 minutes/);
          await says(page, "#ttl", /limited by the request/);
          for (const remove of await page.$$("[data-is=remove]")) await remove.click();

          await page.click("[value=guest]");
          await page.click("#go");
          await says(page, "#verdict", /^Granted: a token for guest/);
          await says(page, "#mapping", /visitor/);
          await page.click("[value=claims]");
          await fill(page, "[name=claims]", "{");
          await page.click("#go");
          await says(page, "#verdict", /^The claims are not JSON/);
          await fill(page, "[name=claims]", '{"sub":"carol","roles":["muted","agent"]}');
          await page.click("#go");
          await says(page, "#verdict", /^Granted: a token for carol/);
          await says(page, "#patterns", /support:\* read/);
          await accessible(page, "with claims");

          await join(page, 1);
          await join(page, 2);
          const evil = "<img src=x onerror=alert(1)> hello";
          await page.type(`${person(1)} [data-is=text]`, `${evil}\n`);
          for (const number of [1, 2]) await says(page, `${person(number)} [data-is=list]`, /alice [^]*<img src=x onerror=alert\(1\)> hello/);
          await page.type(`${person(2)} [data-is=text]`, "how can I help?");
          await page.click(`${person(2)} [data-is=send]`);
          await says(page, `${person(1)} [data-is=list]`, /bob is here\.[^]*bob [^]*how can I help\?/);
          for (const number of [1, 2]) await says(page, `${person(number)} [data-is=here]`, /^Here: alice, bob\.$/);
          assert.equal(await page.$("#people img"), null);
          await accessible(page, "with a chat");
          await page.click(`${person(2)} [data-is=enter]`);
          await says(page, `${person(1)} [data-is=list]`, /bob is gone\./);
          await says(page, `${person(1)} [data-is=here]`, /^Here: alice\.$/);
          await says(page, `${person(2)} [data-is=here]`, /^$/);
          await page.click(`${person(1)} [data-is=enter]`);
        }));
    });
  }
}

test("by keyboard alone, and the focus is always seen", () =>
  visit({}, async (page) => {
    const focused = () => page.evaluate(() => {
      const { name, id, dataset, value } = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return { is: name || id || dataset.is || value, isSeen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 };
    });
    const order = [];
    const tabTo = async (wanted) => {
      for (let step = 0; step < 40; step += 1) {
        await page.keyboard.press("Tab");
        const { is, isSeen } = await focused();
        order.push(is);
        if (is) assert.ok(isSeen, `the focus on ${is} is seen`);
        if (is === wanted) return;
      }
      assert.fail(`${wanted} is not among ${order}`);
    };
    await tabTo("sub");
    await page.keyboard.type("bob");
    await tabTo("add");
    await page.keyboard.press("Enter");
    assert.equal((await focused()).is, "name");
    await page.keyboard.type("support:bob\n");
    await says(page, "#verdict", /^Granted: a token for bob with 1 channel/);
    await tabTo("enter");
    await page.keyboard.press("Enter");
    await says(page, `${person(1)} [data-is=state]`, /^In support:alice/);
    await page.waitForFunction("document.activeElement.dataset.is === 'text'");
    await page.keyboard.type("hello\n");
    await says(page, `${person(1)} [data-is=list]`, /hello/);
  }));

test("a change of the policy changes what is there, and a file with faults is told", async () => {
  const mine = new Cleanup();
  try {
    const usher = await Dev.start(mine, { policy: POLICY });
    await visit({ usher, expected: [REFUSED] }, async (page) => {
      await page.click("#go");
      await says(page, "#verdict", /^Granted: .* with 4 channels/);
      await join(page, 1);
      await join(page, 2);
      const changed = POLICY.replace('"support:{sub}" = ["read", "write"]', '"support:{sub}" = ["read"]').replace('members = ["mallory"]', 'members = ["bob"]');
      await writeFile(usher.policy, changed);
      await says(page, "#rights", /yes support:alice readallowed/);
      await page.click(`${person(1)} [data-is=renew]`);
      await says(page, `${person(1)} [data-is=state]`, /may read, until/);
      await page.type(`${person(1)} [data-is=text]`, "may I?\n");
      await says(page, `${person(1)} [data-is=list]`, /publish takes the right to write/);
      await page.click(`${person(2)} [data-is=renew]`);
      await says(page, `${person(2)} [data-is=list]`, /Refused with session_revoked/);
      await writeFile(usher.policy, POLICY.replace('"support:{sub}" = ["read", "write"]', '"support:{sub}" = ["write"]'));
      await says(page, "#rights", /yes support:alice writeallowed/);
      await page.click(`${person(1)} [data-is=renew]`);
      await says(page, `${person(1)} [data-is=state]`, /may write, until/);
      await says(page, `${person(1)} [data-is=here]`, /^$/);
      await writeFile(usher.policy, POLICY);
      await says(page, "#rights", /yes support:alice read and writeallowed/);
      await page.click(`${person(1)} [data-is=renew]`);
      await says(page, `${person(1)} [data-is=here]`, /^Here: alice, bob\.$/);
      await page.type(`${person(2)} [data-is=text]`, "do you hear?\n");
      await says(page, `${person(1)} [data-is=list]`, /do you hear\?/);
      await writeFile(usher.policy, "version = 1\n[rolls]\n");
      await says(page, "#policy p", /has faults now, so this policy stays/);
      await says(page, "#faults", /policy\.toml:2:/);
      await accessible(page, "with faults");
      await writeFile(usher.policy, POLICY.replace('default = "15m"', 'default = "20m"'));
      await says(page, "#verdict", /for 20 minutes/);
      assert.ok(await page.$eval("#faults", (faults) => faults.hidden));
    });
  } finally {
    await mine.run();
  }
});

test("what does not answer is said in words", async () => {
  const mine = new Cleanup();
  try {
    const usher = await Dev.start(mine, { policy: POLICY });
    await visit({ usher, expected: [/ERR_CONNECTION_REFUSED/] }, async (page) => {
      await join(page, 1);
      await usher.stop();
      await says(page, `${person(1)} [data-is=list]`, /The relay has ended it/);
      await says(page, "#policy p", /^usher does not answer: is `usher dev` still running\?/);
      await page.click("#go");
      await says(page, "#verdict", /^usher does not answer/);
      await accessible(page, "without usher");
    });
  } finally {
    await mine.run();
  }
});
