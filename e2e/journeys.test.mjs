// What people come to the portal for, from the first click to a call that goes through the gateway.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { call, token } from "./curl.mjs";
import { assertQuiet, windowOf } from "./people.mjs";
import { startProvider, startServe } from "./serve.mjs";
import { assertStaysHome, env, launch } from "./support.mjs";

const ORDERS = `openapi: 3.0.3
info:
  title: Orders
  description: Orders of a dealership.
  version: 1.0.0
servers:
  - url: https://orders.example.com/orders/v1
tags:
  - name: Orders
paths:
  /orders:
    get:
      operationId: listOrders
      summary: Orders, newest first
      tags: [Orders]
      responses:
        "200":
          description: The orders
          content:
            application/json:
              example: { orders: [] }
`;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

// The value that stands beside a name in the facts of a page.
async function fact(page, name) {
  const row = page.locator("dl > div").filter({ has: page.locator("dt", { hasText: new RegExp(`^${name}`) }) }).first();
  return (await row.locator("dd code").first().innerText()).trim();
}

// The panel that shows secrets once: gives the value of each name.
async function shownOnce(page) {
  const panel = page.locator("[data-once]");
  await panel.waitFor();
  const rows = await panel.locator("dl > div").evaluateAll((all) =>
    all.map((row) => [row.querySelector("dt").firstChild.textContent.trim(), row.querySelector("dd code").textContent.trim()]),
  );
  return Object.fromEntries(rows);
}

async function registerApp(page, portal, name, apis = []) {
  await page.goto(`${portal}/apps/new`);
  await page.getByLabel("App Name").fill(name);
  await page.getByLabel("App Description").fill("Made by a test of the portal.");
  await page.getByLabel("Website").fill("https://example.com");
  for (const api of apis) await page.getByRole("checkbox", { name: new RegExp(api) }).check();
  await page.getByRole("button", { name: "Register", exact: true }).click();
  return shownOnce(page);
}

describe("the registration of the second tutorial", () => {
  for (const javaScriptEnabled of [true, false]) {
    test(`works as written, ${javaScriptEnabled ? "with" : "without"} scripts`, async () => {
      const { page, seen, close } = await windowOf(browser, "developer", { javaScriptEnabled });

      // "Register the website using https://example.com and leave the callback URL blank."
      await page.getByRole("link", { name: "Apps", exact: true }).first().click();
      await page.getByRole("link", { name: /Register a New App/ }).first().click();
      await page.getByLabel("App Name").fill(`Tutorial app ${javaScriptEnabled}`);
      await page.getByLabel("Website").fill("https://example.com");
      assert.equal(await page.getByLabel("Callback URL").inputValue(), "");
      await page.getByRole("button", { name: "Register", exact: true }).click();
      const once = await shownOnce(page);
      const app = page.url();

      assert.match(once["API Key"], /^[A-Za-z0-9]{32}$/);
      assert.match(once["API Secret"], /^pcs_[A-Za-z0-9]{49}$/);
      const answer = await token(env.AUTH_URL, once["API Key"], once["API Secret"]);
      assert.equal(answer.status, 200);
      assert.equal(answer.body.scope, "anonymous");
      // What was shown once is nowhere afterwards.
      assert.ok(!app.includes(once["API Secret"]), "the secret is in the address");
      await page.getByRole("link", { name: "I stored it" }).click();
      await page.locator("[data-once]").waitFor({ state: "detached" });
      assert.ok(!(await page.content()).includes(once["API Secret"]), "the secret is shown a second time");
      await page.reload();
      assert.ok(!(await page.content()).includes(once["API Secret"]), "the secret is shown again");
      assertStaysHome(seen, env.PORTAL_URL);
      if (javaScriptEnabled) assertQuiet(seen, "the registration");
      await close();
    });
  }

  test("refuses what cannot be, beside the field, and keeps the rest", async () => {
    const { page, close } = await windowOf(browser, "developer");
    await page.goto(`${env.PORTAL_URL}/apps/new`);
    await page.getByLabel("App Name").fill("A name that is kept");
    await page.getByLabel("Website").fill("http://localhost:3000");
    await page.getByRole("button", { name: "Register", exact: true }).click();

    const website = page.getByLabel("Website");
    await page.waitForLoadState();
    assert.equal(await website.getAttribute("aria-invalid"), "true");
    const described = await website.getAttribute("aria-describedby");
    const said = await Promise.all(described.trim().split(/\s+/).map((id) => page.locator(`[id="${id}"]`).innerText()));
    assert.match(said.join(" "), /localhost/);
    assert.equal(await page.getByLabel("App Name").inputValue(), "A name that is kept");
    await close();
  });
});

describe("an app with an API", () => {
  test("gets the first call seen, and two secrets that both work during a rotation", async () => {
    const { page, seen, close } = await windowOf(browser, "developer");
    const first = await registerApp(page, env.PORTAL_URL, "Rotating app", ["Vehicles"]);
    const key = first["API Key"];
    await page.getByRole("link", { name: "I stored it" }).click();
    const subscription = await fact(page, "Test Subscription ID");
    const old = await token(env.AUTH_URL, key, first["API Secret"]);
    const inTest = env.API_CALL_URL.replace("/sample/", "/sample-test/");

    // The first call is seen, without anybody loading the page again.
    const passed = await call(inTest, old.body.access_token, subscription);
    assert.equal(passed.status, 200, JSON.stringify(passed.body));
    await page.locator("#calls-seen").getByText(/first call/i).filter({ hasNotText: /waiting/i }).first().waitFor({ timeout: 60_000 });

    await page.getByRole("link", { name: "Rotate" }).click();
    await page.getByLabel(/24 h/).check();
    await page.getByRole("button", { name: "Rotate", exact: true }).click();
    const second = await shownOnce(page);
    assert.notEqual(second["API Secret"], first["API Secret"]);
    assert.equal((await token(env.AUTH_URL, key, first["API Secret"])).status, 200, "the old secret ended too early");
    assert.equal((await token(env.AUTH_URL, key, second["API Secret"])).status, 200, "the new secret does not work");

    await page.getByRole("link", { name: "I stored it" }).click();
    const hint = first["API Secret"].slice(-4);
    await page.getByRole("row").filter({ hasText: hint }).getByRole("link", { name: /Expire now/ }).click();
    const word = await page.locator("label[for=f-confirm] code").innerText();
    await page.locator("#f-confirm").fill(word);
    await page.getByRole("button", { name: /Expire/ }).click();
    await page.waitForURL(new RegExp(`/apps/[^/]+$`));
    assert.equal((await token(env.AUTH_URL, key, first["API Secret"])).status, 401, "the old secret goes on");
    assert.equal((await token(env.AUTH_URL, key, second["API Secret"])).status, 200);
    assertQuiet(seen, "the rotation");
    await close();
  });
});

describe("a provider", () => {
  test("publishes an API from a file and calls it with its test Subscription-Id", async () => {
    const provider = await startProvider();
    const { page, seen, close } = await windowOf(browser, "provider");
    await page.goto(`${env.PORTAL_URL}/apis/new`);
    await page.getByRole("radio", { name: /^Test/ }).check();
    await page.getByLabel("API Spec").setInputFiles({ name: "orders.yaml", mimeType: "application/yaml", buffer: Buffer.from(ORDERS) });
    await page.getByRole("button", { name: "Check", exact: true }).click();
    await page.getByRole("heading", { name: "What the specification says" }).waitFor();
    assert.match(await page.locator("#derived-card").innerText(), /Orders[\s\S]*1\.0\.0[\s\S]*\/orders\/v1/);
    await page.getByLabel("Target URL").fill(provider.url);
    await page.getByRole("button", { name: "Create API" }).click();
    const once = await shownOnce(page);
    await page.getByRole("link", { name: "I stored it" }).click();
    await page.getByRole("link", { name: /^Test/ }).first().click();
    const subscription = await fact(page, "Test Subscription-Id");
    const proxy = await fact(page, "Proxy URL");
    const clientId = await fact(page, "Client ID");

    const own = await token(env.AUTH_URL, clientId, once["Client Secret"]);
    assert.equal(own.status, 200);
    const answer = await call(`${proxy}/orders`, own.body.access_token, subscription);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal(answer.body.path, "/orders/v1/orders");
    assert.equal(answer.body.subscription, subscription);

    // Others find its description.
    await page.getByRole("link", { name: /^Reference/ }).first().click();
    await page.getByText("Orders, newest first").first().waitFor();
    assertStaysHome(seen, env.PORTAL_URL);
    assertQuiet(seen, "publishing");
    await close();
    await provider.stop();
  });

  test("is told the line of what is wrong with a specification", async () => {
    const { page, close } = await windowOf(browser, "provider");
    await page.goto(`${env.PORTAL_URL}/apis/new`);
    const broken = ORDERS.replace("  title: Orders\n", "");
    await page.getByLabel("API Spec").setInputFiles({ name: "orders.yaml", mimeType: "application/yaml", buffer: Buffer.from(broken) });
    await page.getByRole("button", { name: "Check", exact: true }).click();
    const derived = page.locator("#derived-card");
    await derived.waitFor();
    assert.match(await derived.innerText(), /Cannot be published[\s\S]*line 2[\s\S]*title/i);
    await close();
  });
});

describe("a first start", () => {
  test("leads from the setup link to a call through the gateway", async () => {
    const [node, provider] = [await startServe(), await startProvider()];
    const context = await browser.newContext();
    const page = await context.newPage();

    // The first operator and the first organization.
    await page.goto(node.setupLink);
    await page.getByLabel("Your name").fill("Olive Operator");
    await page.getByLabel("Email address").fill("olive@example.com");
    await page.getByLabel("Password", { exact: true }).fill("seven quiet lighthouses");
    await page.getByLabel("Organization").fill("Lighthouse Works");
    await page.getByRole("button", { name: "Begin" }).click();
    await page.waitForURL(`${node.portal}/`);
    const again = await context.newPage();
    const second = await again.goto(node.setupLink);
    assert.ok(second.status() >= 400 && second.status() < 500, `the link works twice: ${second.status()}`);

    // A namespace, and an API in it.
    await page.goto(`${node.portal}/admin/organizations`);
    await page.getByRole("link", { name: "Lighthouse Works" }).first().click();
    await page.getByLabel("New namespace").fill("lighthouse");
    await page.getByRole("region", { name: "Namespaces" }).getByRole("button").click();
    await page.goto(`${node.portal}/apis/new`);
    await page.getByRole("radio", { name: /^Test/ }).check();
    await page.getByLabel("API Spec").setInputFiles({ name: "orders.yaml", mimeType: "application/yaml", buffer: Buffer.from(ORDERS) });
    await page.getByLabel("Target URL").fill(provider.url);
    await page.getByRole("button", { name: "Create API" }).click();
    await shownOnce(page);

    // An app that selects it, its credentials, a token, a call.
    const once = await registerApp(page, node.portal, "First app", ["Orders"]);
    await page.getByRole("link", { name: "I stored it" }).click();
    const subscription = await fact(page, "Test Subscription ID");
    const answer = await token(node.issuer, once["API Key"], once["API Secret"]);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const passed = await call(`${node.gateway}/lighthouse-test/orders/v1/orders`, answer.body.access_token, subscription);
    assert.equal(passed.status, 200, JSON.stringify(passed.body));
    assert.equal(passed.body.subscription, subscription);

    await context.close();
    await provider.stop();
    await node.stop();
  });
});
