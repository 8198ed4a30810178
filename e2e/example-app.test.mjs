// The example app as a person sees it. What is needed of the server comes from dev.env, in the environment.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import {
  THEMES,
  WHOLE_TOKEN,
  WIDTHS,
  assertAccessible,
  assertKeepsSecrets,
  assertNoSidewaysScrolling,
  assertStaysHome,
  env,
  freePort,
  launch,
  open,
  startExampleApp,
} from "./support.mjs";

const APP = env.EXAMPLE_APP_URL;
const MASKED_TOKEN = /eyJ.{0,3}(…|\.\.\.|\*|•).{0,8}/;
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

const login = (page) => page.getByRole("button", { name: "Login to Portcullis" });

async function loggedIn(page) {
  await login(page).click();
  await page.getByRole("table").waitFor();
}

describe("the example app", () => {
  test("shows a masked token and the vehicles after the login", async () => {
    const { page, seen, close } = await open(browser, APP);
    await loggedIn(page);

    assert.match(await page.locator("body").innerText(), MASKED_TOKEN);
    const rows = page.getByRole("table").locator("tbody tr");
    assert.ok((await rows.count()) >= 3, "fewer than three vehicles");
    const images = page.getByRole("table").getByRole("img");
    assert.equal(await images.count(), await rows.count(), "not every vehicle has an image");
    await page.waitForFunction(() => [...document.querySelectorAll("table img")].every((image) => image.complete));
    const widths = await page.locator("table img").evaluateAll((all) => all.map((image) => image.naturalWidth));
    assert.ok(widths.every((width) => width > 0), `images that did not load: ${widths}`);
    assert.deepEqual(seen.errors, []);
    await close();
  });

  test("never hands a whole token or the secret to the browser", async () => {
    const { page, seen, close } = await open(browser, APP);
    await loggedIn(page);
    await page.waitForLoadState("networkidle");

    await assertKeepsSecrets(page, seen);
    assert.ok(seen.console.some((line) => MASKED_TOKEN.test(line)), "the masked token is not in the console");
    assertStaysHome(seen, APP);
    await close();
  });

  test("can be used with the keyboard alone", async () => {
    const { page, close } = await open(browser, APP);
    let focused = "";
    for (let presses = 0; presses < 20 && !/Login to Portcullis/.test(focused); presses += 1) {
      await page.keyboard.press("Tab");
      focused = await page.evaluate(() => document.activeElement?.textContent ?? "");
    }
    assert.match(focused, /Login to Portcullis/, "the button cannot be reached");
    const ring = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    });
    assert.ok(ring, "the focused button has no visible outline");

    await page.keyboard.press("Enter");

    await page.getByRole("table").waitFor();
    await close();
  });

  for (const theme of THEMES) {
    for (const width of WIDTHS) {
      test(`is accessible in the ${theme} theme at ${width} px`, async () => {
        const { page, close } = await open(browser, APP, { theme, width });
        await assertAccessible(page, "the page before the login");
        await assertNoSidewaysScrolling(page, "the page before the login");
        await loggedIn(page);
        await assertAccessible(page, "the page after the login");
        await assertNoSidewaysScrolling(page, "the page after the login");
        await close();
      });
    }
  }

  test("answers its own routes as documented", async () => {
    const token = await fetch(`${APP}/token`, { method: "POST" });
    assert.equal(token.status, 200);
    const text = await token.text();
    assert.doesNotMatch(text, WHOLE_TOKEN);
    assert.match(text, MASKED_TOKEN);
    assert.ok(JSON.parse(text));

    const vehicles = await fetch(`${APP}/vehicles`);
    assert.equal(vehicles.status, 200);
    assert.match(vehicles.headers.get("content-type"), /json/);
    assert.ok(JSON.stringify(await vehicles.json()).length > 100);
  });
});

describe("the example app explains", () => {
  const failures = [
    ["a wrong secret", async () => ({ API_SECRET: "pcs_wrong" }), /secret|credentials|invalid_client/i],
    ["an unknown key", async () => ({ API_KEY: "B".repeat(32) }), /key|credentials|invalid_client/i],
    ["a token server that is not there", async () => ({ AUTH_URL: `http://localhost:${await freePort()}/oauth2/default` }), /token server|reach|AUTH_URL/i],
    ["a gateway that is not there", async () => ({ API_CALL_URL: `http://localhost:${await freePort()}/sample/vehicles/v1/vehicles` }), /gateway|reach|API_CALL_URL/i],
    ["a customer who is not its own", async () => ({ SUBSCRIPTION_ID: randomUUID() }), /SUBSCRIPTION-MISMATCH/],
    ["an API that does not exist", async () => ({ API_CALL_URL: `${env.API_URL}/nobody/nothing/v1` }), /API-DOES-NOT-EXIST/],
  ];
  for (const [name, changes, expected] of failures) {
    test(name, async () => {
      const settings = await changes();
      const app = await startExampleApp(settings);
      try {
        const { page, seen, close } = await open(browser, app.url);
        await login(page).click();
        const alert = page.getByRole("alert").filter({ hasText: /\S/ });
        await alert.first().waitFor();

        assert.match(await alert.first().innerText(), expected);
        await assertAccessible(page, `the page after ${name}`);
        await assertKeepsSecrets(page, seen);
        await close();

        assert.doesNotMatch(app.output(), WHOLE_TOKEN, "a whole token is in the terminal");
        for (const secret of [env.API_SECRET, settings.API_SECRET].filter(Boolean)) {
          assert.ok(!app.output().includes(secret), "the secret is in the terminal");
        }
      } finally {
        await app.stop();
      }
    });
  }

  test("a failure in JSON, with a code and what to do", async () => {
    const app = await startExampleApp({ API_SECRET: "pcs_wrong" });
    try {
      for (const answer of [await fetch(`${app.url}/token`, { method: "POST" }), await fetch(`${app.url}/vehicles`)]) {
        assert.equal(answer.status, 502);
        const body = await answer.json();
        assert.equal(typeof body.code, "string");
        assert.equal(typeof body.remedy, "string");
        assert.ok(!JSON.stringify(body).includes("pcs_wrong"));
      }
    } finally {
      await app.stop();
    }
  });
});
