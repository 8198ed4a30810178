// The two calls of the first tutorial, made with curl as a person would.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

// Gives the status and the JSON body of the answer.
async function curl(...parameters) {
  const { stdout } = await run("curl", ["--silent", "--show-error", "--write-out", "\n%{http_code}", ...parameters]);
  const at = stdout.lastIndexOf("\n");
  const body = stdout.slice(0, at);
  return { status: Number(stdout.slice(at + 1)), body: body === "" ? undefined : JSON.parse(body) };
}

export function token(issuer, key, secret) {
  return curl("--user", `${key}:${secret}`, "--data", "grant_type=client_credentials&scope=anonymous", `${issuer}/v1/token`);
}

export function call(url, accessToken, subscription) {
  return curl("--header", `Authorization: Bearer ${accessToken}`, "--header", `Subscription-Id: ${subscription}`, url);
}
