// The OAuth and JWT libraries of Node against the server that the environment names. Prints a line for each check.
import assert from "node:assert/strict";
import OktaJwtVerifier from "@okta/jwt-verifier";
import { createRemoteJWKSet, jwtVerify, errors as joseErrors } from "jose";
import * as oauth from "openid-client";

const { AUTH_URL, API_KEY, API_SECRET, API_CALL_URL, SUBSCRIPTION_ID } = process.env;
const AUDIENCE = "api_providers";
const plainHttp = AUTH_URL.startsWith("http:");
const allowHttp = plainHttp ? [oauth.allowInsecureRequests] : [];

async function check(name, body) {
  const result = await body();
  console.log(`ok ${name}`);
  return result;
}

// Another signature of the same length, so that nothing but the signature is wrong.
function altered(token) {
  const [header, payload, signature] = token.split(".");
  const middle = signature.length / 2;
  const other = signature[middle] === "A" ? "B" : "A";
  return [header, payload, signature.slice(0, middle) + other + signature.slice(middle + 1)].join(".");
}

async function call(headers) {
  const response = await fetch(API_CALL_URL, { headers });
  return { status: response.status, body: await response.json() };
}

async function discovered(algorithm, clientAuthentication, secret = API_SECRET) {
  return oauth.discovery(new URL(AUTH_URL), API_KEY, undefined, clientAuthentication(secret), {
    algorithm,
    execute: allowHttp,
  });
}

const parameters = { scope: "anonymous" };

const token = await check("openid-client: OpenID discovery, Basic credentials", async () => {
  const server = await discovered("oidc", oauth.ClientSecretBasic);
  const answer = await oauth.clientCredentialsGrant(server, parameters);
  assert.equal(answer.token_type, "bearer");
  assert.equal(answer.expires_in, 3600);
  assert.equal(answer.scope, "anonymous");
  return answer.access_token;
});

await check("openid-client: RFC 8414 metadata, credentials in the body", async () => {
  const server = await discovered("oauth2", oauth.ClientSecretPost);
  const answer = await oauth.clientCredentialsGrant(server, parameters);
  assert.ok(answer.access_token);
});

await check("openid-client: a wrong secret is invalid_client", async () => {
  const server = await discovered("oidc", oauth.ClientSecretBasic, `${API_SECRET}x`);
  await assert.rejects(oauth.clientCredentialsGrant(server, parameters), (error) => {
    // The library reports a 401 with WWW-Authenticate as a challenge, the others as the body's error.
    return error.status === 401 || error.error === "invalid_client";
  });
});

await check("openid-client: an unknown scope is invalid_scope", async () => {
  const server = await discovered("oidc", oauth.ClientSecretBasic);
  await assert.rejects(oauth.clientCredentialsGrant(server, { scope: "everything" }), { error: "invalid_scope" });
});

const keys = createRemoteJWKSet(new URL(`${AUTH_URL}/v1/keys`));

await check("jose: the token verifies with the published keys", async () => {
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: AUTH_URL,
    audience: AUDIENCE,
    subject: API_KEY,
    algorithms: ["RS256"],
    requiredClaims: ["jti", "iat", "exp", "cid", "scp"],
  });
  assert.ok(protectedHeader.kid);
  assert.equal(payload.cid, API_KEY);
  assert.equal(payload.exp - payload.iat, 3600);
  assert.deepEqual(payload.scp, ["anonymous"]);
});

await check("jose: an altered token is refused", async () => {
  await assert.rejects(jwtVerify(altered(token), keys), joseErrors.JWSSignatureVerificationFailed);
});

await check("@okta/jwt-verifier: the token verifies", async () => {
  const verifier = new OktaJwtVerifier({
    issuer: AUTH_URL,
    assertClaims: { aud: AUDIENCE, sub: API_KEY },
    testing: { disableHttpsCheck: plainHttp },
  });
  const jwt = await verifier.verifyAccessToken(token, AUDIENCE);
  assert.equal(jwt.claims.cid, API_KEY);
  await assert.rejects(verifier.verifyAccessToken(altered(token), AUDIENCE));
  await assert.rejects(verifier.verifyAccessToken(token, "another-audience"));
});

const authorized = { Authorization: `Bearer ${token}`, "Subscription-Id": SUBSCRIPTION_ID };

await check("fetch: an authorized call answers 200 with JSON", async () => {
  const { status, body } = await call(authorized);
  assert.equal(status, 200);
  assert.ok(body);
});

for (const [name, headers, status, code] of [
  ["without Subscription-Id", { Authorization: authorized.Authorization }, 400, "MISSING-SUBSCRIPTION-ID"],
  ["for an unknown customer", { ...authorized, "Subscription-Id": crypto.randomUUID() }, 403, "SUBSCRIPTION-MISMATCH"],
  ["with an altered token", { ...authorized, Authorization: `Bearer ${altered(token)}` }, 401, "INVALID-TOKEN"],
  ["without a token", { "Subscription-Id": SUBSCRIPTION_ID }, 401, "MISSING-AUTHORIZATION"],
]) {
  await check(`fetch: a call ${name} is ${code}`, async () => {
    const refusal = await call(headers);
    assert.equal(refusal.status, status);
    assert.equal(refusal.body.code, code);
    assert.equal(typeof refusal.body.message, "string");
  });
}
