// What every browser test needs: a real `usher dev`, a page server, Chromium with an empty profile, and two things that no
// test may bring about unseen: an error on a page's console, and a request to any host but this machine.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";
import puppeteer from "puppeteer-core";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** The versions of the SDK, by the folder that npm puts each in. */
export const SDKS = { "3.30.0": "signalwire-js-3-30", "3.27.0": "signalwire-js-3-27" };

/** The binary under test, as `tests/browser.rs` says. */
const usher = process.env.USHER_BINARY ?? fail("USHER_BINARY must name the usher binary");

function fail(why) {
  throw new Error(why);
}

/** Things to undo, last first. */
export class Cleanup {
  #steps = [];

  add(step) {
    this.#steps.push(step);
  }

  async run() {
    while (this.#steps.length) await this.#steps.pop()();
  }
}

async function temporary(cleanup) {
  const directory = await mkdtemp(join(tmpdir(), "usher-browser-"));
  cleanup.add(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

/** A running `usher dev` in a folder of its own, with this policy or the one that is built in. */
export class Dev {
  static async start(cleanup, { policy, args = [] } = {}) {
    const dev = new Dev();
    dev.directory = await temporary(cleanup);
    if (policy) {
      dev.policy = join(dev.directory, "policy.toml");
      await writeFile(dev.policy, policy);
      args = ["--policy", dev.policy, ...args];
    }
    await dev.run(args);
    cleanup.add(() => dev.stop());
    return dev;
  }

  /** Starts the process, and reads its addresses off what it prints. */
  async run(args) {
    this.args = args;
    this.output = "";
    this.process = spawn(usher, ["dev", ...args], { cwd: this.directory, env: this.environment(), stdio: ["ignore", "pipe", "pipe"] });
    this.exited = once(this.process, "exit");
    this.process.stderr.on("data", (data) => (this.output += data));
    let printed = "";
    for await (const data of this.process.stdout.iterator({ destroyOnReturn: false })) {
      printed += data;
      if (/^curl .*\n$/m.test(printed.slice(printed.lastIndexOf("Paste it")))) break;
    }
    this.process.stdout.resume();
    const address = (name) => printed.match(new RegExp(`^ +${name} +(http://\\S+)`, "m"))?.[1] ?? fail(`usher dev: ${printed}${this.output}`);
    this.url = address("usher");
    this.sandbox = address("sandbox");
  }

  environment() {
    return { XDG_RUNTIME_DIR: this.directory };
  }

  /** A session for somebody, by `usher session`. */
  async session(sub, role = "customer") {
    const port = new URL(this.url).port;
    const made = spawn(usher, ["session", "--sub", sub, "--role", role, "--port", port], { env: this.environment() });
    let session = "";
    for await (const data of made.stdout) session += data;
    return session.trim();
  }

  /** The whole answer to `POST /chat-token`. */
  async grant(sub, role, body = {}) {
    const answer = await fetch(`${this.url}/chat-token`, {
      method: "POST",
      headers: { Authorization: `Bearer ${await this.session(sub, role)}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const grant = await answer.json();
    assert.equal(answer.status, 200, JSON.stringify(grant));
    return grant;
  }

  async stop(signal = "SIGTERM") {
    this.process.kill(signal);
    await this.exited;
  }
}

/**
 * Serves the SDKs and what `texts` has by path, and for every other path an empty page, on a loopback port of its own.
 */
export async function pages(cleanup, texts = {}) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (texts[pathname]) {
      response.setHeader("Content-Type", pathname.endsWith(".js") ? "text/javascript" : "text/html; charset=utf-8");
      response.end(texts[pathname]);
      return;
    }
    const sdk = Object.values(SDKS).find((folder) => pathname === `/${folder}.js`);
    if (sdk) {
      response.setHeader("Content-Type", "text/javascript");
      createReadStream(join(HERE, "node_modules", sdk, "dist/index.umd.js")).pipe(response);
      return;
    }
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    const script = Object.values(SDKS).find((folder) => pathname === `/with/${folder}`);
    response.end(`<!doctype html><link rel="icon" href="data:,"><title>test</title>${script ? `<script src="/${script}.js"></script>` : ""}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${server.address().port}`;
}

/** Chromium with an empty profile. Every page that is opened by `page()` is watched. */
export class Browser {
  static async start(cleanup) {
    const browser = new Browser();
    browser.faults = [];
    browser.browser = await puppeteer.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      userDataDir: await temporary(cleanup),
      args: [
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-features=InfiniteTabsFreezing,FreezingOnBatterySaver",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
      ],
    });
    cleanup.add(() => browser.browser.close());
    return browser;
  }

  /**
   * A new page, in a context of its own. `expected` are the errors that its console may have: a list of expressions, of
   * which each must be met.
   */
  async page(url, { expected = [] } = {}) {
    const context = await this.browser.createBrowserContext();
    const page = await context.newPage();
    const wanted = new Set(expected);
    const fault = (text) => {
      const met = expected.find((expression) => expression.test(text));
      if (met) wanted.delete(met);
      else this.faults.push(`${page.url()}: ${text}`);
    };
    page.on("console", (message) => message.type() === "error" && fault(`console: ${message.text()} ${message.location().url ?? ""}`));
    page.on("pageerror", (error) => fault(`uncaught: ${error?.stack ?? error}`));
    const devtools = await page.createCDPSession();
    await devtools.send("Network.enable");
    // Chromium stops the timers of a page that nobody sees; here each of several is to be as if in front.
    await devtools.send("Emulation.setFocusEmulationEnabled", { enabled: true });
    const seen = (address) => {
      const { protocol, hostname } = new URL(address);
      const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
      if (!isHere && !["data:", "blob:", "about:"].includes(protocol)) fault(`a request to ${address}`);
    };
    devtools.on("Network.requestWillBeSent", ({ request }) => seen(request.url));
    devtools.on("Network.webSocketCreated", ({ url }) => seen(url));
    page.expectations = () => assert.deepEqual([...wanted], [], "errors that were to be seen on the console");
    await page.goto(url);
    return page;
  }

  /** To be called at the end of each test. */
  check() {
    const faults = this.faults.splice(0);
    assert.deepEqual(faults, [], "what no page may do");
  }
}

/** A page on which the SDK of this version is, as the global `SignalWire`. */
export async function sdkPage(browser, origin, version, options) {
  const page = await browser.page(`${origin}/with/${SDKS[version]}`, options);
  await page.waitForFunction("typeof SignalWire === 'object'");
  return page;
}
