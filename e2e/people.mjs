// Signing in, and what a page must never do, whoever looks at it.
import assert from "node:assert/strict";
import { env, watch } from "./support.mjs";

// The people of the sample data.
export const PEOPLE = {
  operator: () => [env.OPERATOR_EMAIL, env.OPERATOR_PASSWORD],
  developer: () => [env.DEVELOPER_EMAIL, env.DEVELOPER_PASSWORD],
  provider: () => [env.PROVIDER_EMAIL, env.PROVIDER_PASSWORD],
  buyer: () => [env.BUYER_EMAIL, env.BUYER_PASSWORD],
};

export async function signIn(page, [email, password], portal = env.PORTAL_URL) {
  await page.goto(`${portal}/login`);
  await page.getByLabel("Email address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL((url) => url.pathname !== "/login");
}

// A signed-in browser window of its own. `close` ends it.
export async function windowOf(browser, person, { theme = "light", width = 1280, javaScriptEnabled = true } = {}) {
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height: 800 }, javaScriptEnabled });
  const page = await context.newPage();
  const seen = watch(page);
  if (person) await signIn(page, PEOPLE[person]());
  return { page, seen, context, close: () => context.close() };
}

// Errors of scripts, refusals of the content security policy, requests to elsewhere.
export function assertQuiet(seen, where) {
  assert.deepEqual(seen.errors, [], `${where}: errors of scripts`);
  const policy = seen.console.filter((line) => /Content Security Policy|Refused to/.test(line));
  assert.deepEqual(policy, [], `${where}: the browser refused something the page asked for`);
}
