// Passkeys: asks the browser's person, and sends the answer with the form that stands on the page.
//
// <form data-passkey="get|create" data-begin="/path"> has hidden fields `pending` and `answer`, a button, and a
// place for what went wrong. Without WebAuthn the form stays hidden.

const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function withBytes(options) {
  const key = { ...options.publicKey, challenge: toBytes(options.publicKey.challenge) };
  for (const list of ["allowCredentials", "excludeCredentials"]) {
    key[list] = (key[list] ?? []).map((one) => ({ ...one, id: toBytes(one.id) }));
  }
  if (key.user) key.user = { ...key.user, id: toBytes(key.user.id) };
  return { publicKey: key };
}

function asJson(credential) {
  const { response } = credential;
  const answer = { clientDataJSON: toText(response.clientDataJSON) };
  for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[part]) answer[part] = toText(response[part]);
  }
  if (response.getTransports) answer.transports = response.getTransports();
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    extensions: credential.getClientExtensionResults(),
    response: answer,
  };
}

async function begin(form) {
  const response = await fetch(form.dataset.begin, {
    method: "POST",
    headers: { "x-csrf-token": form.elements._csrf.value, "hx-request": "true" },
  });
  if (response.headers.has("hx-redirect")) location.assign(response.headers.get("hx-redirect"));
  if (!response.ok || response.status === 204) throw new Error("begin");
  return response.json();
}

function say(form, text) {
  const place = form.querySelector("[role=alert]");
  place.textContent = text;
  place.hidden = !text;
}

let waiting = new AbortController();

async function ceremony(form, mediation) {
  waiting.abort();
  waiting = new AbortController();
  const { signal } = waiting;
  const { pending, options } = await begin(form);
  const request = { ...withBytes(options), signal };
  if (mediation) request.mediation = mediation;
  const credential =
    form.dataset.passkey === "create" ? await navigator.credentials.create(request) : await navigator.credentials.get(request);
  form.elements.pending.value = pending;
  form.elements.answer.value = JSON.stringify(asJson(credential));
  form.requestSubmit();
}

async function start(form) {
  form.hidden = false;
  form.querySelector("button").addEventListener("click", async () => {
    say(form, "");
    if (!form.reportValidity()) return;
    try {
      await ceremony(form);
    } catch (error) {
      if (error.name === "InvalidStateError") say(form, "This device has a passkey for your account already.");
      else if (error.name === "NotAllowedError") say(form, "That was cancelled, or took too long. Try again, or sign in another way.");
      else if (error.name !== "AbortError") say(form, "That did not work. Reload the page and try again.");
    }
  });
  // Passkeys among the suggestions for the address, where the browser can.
  const canSuggest = await PublicKeyCredential.isConditionalMediationAvailable?.();
  if (form.dataset.passkey === "get" && canSuggest) ceremony(form, "conditional").catch(() => {});
}

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("form[data-passkey]")) start(form);
}
