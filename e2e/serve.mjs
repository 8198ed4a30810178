// `portcullis serve` on a folder of its own, as a production node is started for the first time, and a small provider.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, freePort } from "./support.mjs";

const START_SECONDS = 60;

// `setupLink` is what a first start prints. `stop` ends the process and deletes the folder.
export async function startServe() {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-serve-"));
  const [portal, gateway, operations] = [await freePort(), await freePort(), await freePort()];
  const file = join(folder, "portcullis.toml");
  writeFileSync(
    file,
    `[listeners]
portal = ["127.0.0.1:${portal}"]
gateway = ["127.0.0.1:${gateway}"]
operations = ["127.0.0.1:${operations}"]
public_url = "http://localhost:${portal}"
gateway_url = "http://localhost:${gateway}"
[store]
url = "sqlite:${folder}/portcullis.db"
[keys]
master_key_file = "${folder}/master.key"
[outgoing]
allowed_networks = [{ network = "127.0.0.0/8" }]
[telemetry]
request_records = "${folder}/requests"
`,
  );
  const child = spawn(env.PORTCULLIS_BIN, ["serve", "--config", file], {
    cwd: folder,
    env: { PATH: env.PATH, HOME: env.HOME },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (printed += data));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const limit = Date.now() + START_SECONDS * 1000;
  while (child.exitCode === null && Date.now() < limit) {
    const ready = await fetch(`http://127.0.0.1:${operations}/readyz`).catch(() => undefined);
    const setupLink = printed.match(/http:\/\/\S*\/welcome\?token=\S+/)?.[0];
    if (ready?.ok && setupLink) {
      const issuer = `http://localhost:${portal}/oauth2/default`;
      return { portal: `http://localhost:${portal}`, gateway: `http://localhost:${gateway}`, issuer, setupLink, output: () => printed, stop };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await stop();
  throw new Error(`portcullis serve did not print a setup link and become ready: ${printed}`);
}

// A provider that tells what reached it.
export async function startProvider() {
  const server = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ path: request.url, subscription: request.headers["subscription-id"] }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => new Promise((resolve) => server.close(resolve)) };
}
