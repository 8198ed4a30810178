// Every page that a link leads to, as each person of the sample data: accessible in both themes and at both widths, no
// wider than its window, at home on its own origin, and small. Pages are found by following links, so that a new one is
// looked at without being named here; those of one shape (another app, another key) are looked at once.
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { after, before, describe, test } from "node:test";
import { THEMES, WIDTHS, assertAccessible, assertNoSidewaysScrolling, assertStaysHome, env, launch } from "./support.mjs";
import { PEOPLE, assertQuiet, windowOf } from "./people.mjs";

const PAGE_BYTES_MAX = 100 * 1024;
// More than there are shapes of pages; a page that makes ever new links would go on for ever.
const PAGES_MAX = 150;
// Where each person certainly gets to: the walk itself must not quietly become short.
const MUST_SEE = {
  nobody: ["/", "/login"],
  operator: ["/", "/admin", "/admin/organizations", "/admin/keys", "/admin/audit", "/account/sessions"],
  developer: ["/", "/apps", "/apps/new", "/apps/{id}", "/subscriptions", "/organization"],
  provider: ["/", "/apis", "/apis/new"],
  buyer: ["/", "/subscriptions", "/subscriptions/{id}"],
};
const ID = /^([0-9a-f]{8}-[0-9a-f-]{27}|[A-Za-z0-9_-]{43}|v\d+-[a-z0-9-]+)$/;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

// `/apps/1f0c…/edit?x=1` is `/apps/{id}/edit`.
function shapeOf(href) {
  const { pathname } = new URL(href);
  return pathname
    .split("/")
    .map((segment) => (ID.test(decodeURIComponent(segment)) ? "{id}" : segment))
    .join("/");
}

// `found`: shape -> address of the first page found that has it. `wrong`: what should not be.
async function walk(page) {
  const seen = new Map([["/", `${env.PORTAL_URL}/`]]);
  const found = new Map();
  const wrong = [];
  const left = ["/"];
  while (left.length > 0 && seen.size < PAGES_MAX) {
    const shape = left.shift();
    const from = page.url();
    const answer = await page.goto(seen.get(shape)).catch((error) => ({ failed: error }));
    // A download, or a document for programs.
    if (answer.failed || !(answer.headers()["content-type"] ?? "").startsWith("text/html")) continue;
    if (answer.status() !== 200) {
      wrong.push(`${seen.get(shape)} is linked and answers ${answer.status()}; looked at before it: ${from}`);
      continue;
    }
    found.set(shape, seen.get(shape));
    const bytes = gzipSync(await answer.body()).length;
    if (bytes > PAGE_BYTES_MAX) wrong.push(`${shape} has ${bytes} bytes, compressed`);
    const links = await page.locator("a[href]").evaluateAll((all) => all.filter((link) => !link.hasAttribute("download")).map((link) => link.href));
    for (const link of links) {
      const url = new URL(link);
      if (url.origin !== new URL(env.PORTAL_URL).origin || /^\/(oauth2|v1|static)\//.test(url.pathname)) continue;
      const next = shapeOf(link);
      if (seen.has(next)) continue;
      seen.set(next, link.split("#")[0]);
      left.push(next);
    }
  }
  return { found, wrong };
}

for (const person of ["nobody", ...Object.keys(PEOPLE)]) {
  describe(`the pages of ${person}`, () => {
    let found = new Map();
    test("lead to one another", async () => {
      const { page, seen, close } = await windowOf(browser, person === "nobody" ? undefined : person);
      const walked = await walk(page);
      found = walked.found;
      assert.deepEqual(walked.wrong, []);
      for (const shape of MUST_SEE[person]) assert.ok(found.has(shape), `no link leads to ${shape}; found: ${[...found.keys()].join(" ")}`);
      assertStaysHome(seen, env.PORTAL_URL);
      assertQuiet(seen, "walking");
      await close();
    });
    for (const theme of THEMES) {
      for (const width of WIDTHS) {
        test(`are accessible in the ${theme} theme at ${width} px`, async () => {
          const { page, seen, close } = await windowOf(browser, person === "nobody" ? undefined : person, { theme, width });
          for (const [shape, address] of found) {
            await page.goto(address);
            await assertAccessible(page, shape);
            await assertNoSidewaysScrolling(page, shape);
            if (env.SCREENSHOTS) {
              const name = `${person}${shape.replaceAll(/[/{}]+/g, "_")}-${width}-${theme}.png`;
              await page.screenshot({ path: `${env.SCREENSHOTS}/${name}`, fullPage: true });
            }
          }
          assertQuiet(seen, `${theme}, ${width} px`);
          await close();
        });
      }
    }
  });
}
