// The watch that the other tests rely on: what no page may do is seen.

import { test } from "node:test";
import assert from "node:assert/strict";
import { Browser, Cleanup, pages } from "./harness.mjs";

test("errors and requests to other hosts are seen", async () => {
  const cleanup = new Cleanup();
  try {
    const origin = await pages(cleanup);
    const browser = await Browser.start(cleanup);
    const faults = async (act, options) => {
      const page = await browser.page(origin, options);
      await page.evaluate(act);
      // An answer to a later call: what came of the one before has been told.
      await page.evaluate("new Promise((resolve) => setTimeout(resolve, 100))");
      return { page, faults: browser.faults.splice(0).join("\n") };
    };
    assert.equal((await faults("console.log('fine')")).faults, "");
    assert.match((await faults("console.error('broken')")).faults, /console: broken/);
    assert.match((await faults("setTimeout(() => { throw new Error('thrown') })")).faults, /uncaught: Error: thrown/);
    assert.match((await faults("fetch('http://192.0.2.1/').catch(() => {})")).faults, /a request to http:\/\/192\.0\.2\.1/);
    assert.match((await faults("void new WebSocket('wss://relay.example.com')")).faults, /a request to wss:\/\/relay\.example\.com/);
    const { page, faults: none } = await faults("console.error('meant')", { expected: [/meant/] });
    assert.equal(none, "");
    page.expectations();
    const { page: quiet } = await faults("0", { expected: [/never came/] });
    assert.throws(() => quiet.expectations(), /never came/);
  } finally {
    await cleanup.run();
  }
});
