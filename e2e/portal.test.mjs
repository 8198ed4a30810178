// The plain page at the portal's address: it names every other address, and announces nothing that is not there.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { THEMES, WIDTHS, assertAccessible, assertNoSidewaysScrolling, assertStaysHome, env, launch, open } from "./support.mjs";

let browser;

before(async () => {
  browser = await launch();
});
after(() => browser.close());

describe("the page at the portal's address", () => {
  test("lists where everything is", async () => {
    const { page, seen, close } = await open(browser, `${env.PORTAL_URL}/`);
    const text = await page.locator("body").innerText();
    for (const name of ["AUTH_URL", "API_CALL_URL", "MANAGEMENT_URL", "EXAMPLE_APP_URL", "OPS_URL"]) {
      const address = new URL(env[name]).href.replace(/\/$/, "");
      assert.ok(text.includes(address), `${name} ${address} is not on the page`);
    }
    assert.ok(!text.includes(env.API_SECRET), "the API Secret is on the page");
    assert.ok(!text.includes(env.MANAGEMENT_TOKEN), "the management token is on the page");
    assert.deepEqual(seen.errors, []);
    assertStaysHome(seen, env.PORTAL_URL);
    await close();
  });

  test("has links that answer", async () => {
    const { page, close } = await open(browser, `${env.PORTAL_URL}/`);
    const links = await page.getByRole("link").evaluateAll((all) => all.map((link) => link.href));
    for (const link of links) {
      // The bare address of an API may say that nothing is there; that somebody answers is what counts.
      const answer = await fetch(link);
      assert.ok(answer.status < 500, `${link} answers ${answer.status}`);
    }
    await close();
  });

  for (const theme of THEMES) {
    for (const width of WIDTHS) {
      test(`is accessible in the ${theme} theme at ${width} px`, async () => {
        const { page, close } = await open(browser, `${env.PORTAL_URL}/`, { theme, width });
        await assertAccessible(page, "the page");
        await assertNoSidewaysScrolling(page, "the page");
        await close();
      });
    }
  }
});
