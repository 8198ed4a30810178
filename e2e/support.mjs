// A browser, and what every page has to hold: accessible, silent about secrets, and at home on its own origin.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const env = process.env;

// Three parts of base64url, the first of them an encoded JSON object.
export const WHOLE_TOKEN = /eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/;

export const THEMES = ["light", "dark"];
export const WIDTHS = [1280, 375];

export function launch() {
  return chromium.launch({
    executablePath: env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

// Writes down what a page says and where it goes.
export function watch(page) {
  const seen = { console: [], errors: [], requests: [], bodies: [] };
  page.on("console", (message) => seen.console.push(message.text()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("response", async (response) => {
    const body = await response.text().catch(() => "");
    seen.bodies.push(`${response.url()} ${JSON.stringify(response.headers())} ${body}`);
  });
  return seen;
}

// A page that writes down what it says and where it goes. `close` ends its context.
export async function open(browser, url, { theme = "light", width = 1280 } = {}) {
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height: 800 } });
  const page = await context.newPage();
  const seen = watch(page);
  const response = await page.goto(url);
  assert.equal(response.status(), 200, `${url} answered ${response.status()}`);
  return { page, seen, close: () => context.close() };
}

export async function assertAccessible(page, where) {
  const { violations } = await new AxeBuilder({ page, axeSource })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  const told = violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" | ")}`);
  assert.deepEqual(told, [], `${where} has axe violations`);
}

export async function assertNoSidewaysScrolling(page, where) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${where} is ${content} px wide in a window of ${window} px`);
}

export async function assertKeepsSecrets(page, seen) {
  const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie);
  const everything = [await page.content(), stored, ...seen.console, ...seen.bodies, ...seen.requests];
  for (const text of everything) {
    assert.doesNotMatch(text, WHOLE_TOKEN, "a whole token is visible to the browser");
    assert.ok(!text.includes(env.API_SECRET), "the API Secret is visible to the browser");
  }
}

export function assertStaysHome(seen, url) {
  const origin = new URL(url).origin;
  const away = seen.requests.filter((one) => !one.startsWith("data:") && new URL(one).origin !== origin);
  assert.deepEqual(away, [], "requests left the origin");
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// `portcullis example-app` with some settings changed. `output` gives what it printed so far.
export async function startExampleApp(changes) {
  const port = await freePort();
  const names = ["AUTH_URL", "API_KEY", "API_SECRET", "API_CALL_URL", "SUBSCRIPTION_ID"];
  const settings = Object.fromEntries(names.map((name) => [name, env[name]]));
  const child = spawn(env.PORTCULLIS_BIN, ["example-app"], {
    env: { PATH: env.PATH, HOME: env.HOME, ...settings, ...changes, PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (printed += data));
  const url = `http://localhost:${port}`;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  for (let attempt = 0; attempt < 1200; attempt += 1) {
    if (child.exitCode !== null) break;
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) {
      return {
        url,
        output: () => printed,
        stop: async () => {
          child.kill("SIGTERM");
          await ended;
        },
      };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill("SIGKILL");
  throw new Error(`the example app did not start: ${printed}`);
}
