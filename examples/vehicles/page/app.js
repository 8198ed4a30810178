// The page of the example app: asks this app's own server, which asks Portcullis. Text from
// outside is only ever set as text, never as markup.

const element = (id) => document.getElementById(id);

const TITLES = {
  "NOT-CONFIGURED": "This app is not set up yet",
  "INVALID-CONFIGURATION": "This app's settings cannot be used",
  "TOKEN-SERVER-UNREACHABLE": "The token server cannot be reached",
  "TOKEN-SERVER-TIMED-OUT": "The token server did not answer in time",
  "TOKEN-SERVER-UNEXPECTED-ANSWER": "That does not look like a token server",
  "INVALID-CLIENT": "The API Key or the API Secret is wrong",
  "TEMPORARILY-UNAVAILABLE": "The token server is busy",
  "GATEWAY-UNREACHABLE": "The gateway cannot be reached",
  "GATEWAY-TIMED-OUT": "The gateway did not answer in time",
  "UNEXPECTED-ANSWER": "The answer is not what was expected",
  "API-DOES-NOT-EXIST": "There is no such API at the gateway",
  "UNAUTHORIZED-API-ACCESS": "This app has not selected the API",
  "MISSING-SUBSCRIPTION-ID": "The call names no customer",
  "SUBSCRIPTION-MISMATCH": "The Subscription-Id does not fit this app and API",
  "API-SUBSCRIPTION-INACTIVE": "The customer's subscription is not active",
  "SUBSCRIBER-CONFIGURATION-PENDING": "The API's owner has not finished the setup",
  "TOKEN-EXPIRED": "The access token has expired",
  "INVALID-TOKEN": "The access token is not accepted",
  "TOKEN-ISSUER-MISMATCH": "The token comes from another token server",
  "QUOTA-EXCEEDED": "The quota is used up",
  "TARGET-SYSTEM-UNREACHABLE": "The API behind the gateway is down",
  "TARGET-SYSTEM-TIMED-OUT": "The API behind the gateway did not answer in time",
  "APP-UNREACHABLE": "This app's server does not answer",
};

const SOURCES = {
  "token-server": "The token server said no",
  gateway: "The gateway refused the call",
  api: "The API answered with an error",
};

function node(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function pair(name, value) {
  return node("div", {}, node("dt", {}, name), node("dd", {}, value));
}

// Asks this app's server. Resolves to { value } or { failure }, whatever happens.
async function ask(method, path) {
  const unreachable = (message) => ({
    failure: {
      code: "APP-UNREACHABLE",
      message,
      remedy: "See that the example app still runs, start it again if not, and try again.",
      retry_after: 1,
    },
  });
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(75_000),
    });
  } catch {
    return unreachable("The page got no answer from its own server.");
  }
  let value;
  try {
    value = await response.json();
  } catch {
    return unreachable(`The page's own server answered ${response.status} without JSON.`);
  }
  return response.ok ? { value } : { failure: value };
}

function showFailure(place, failure, again) {
  const pairs = node("dl", { className: "pairs" }, pair("What to do", failure.remedy || "Try again."));
  pairs.append(pair("Code", node("code", {}, failure.code || "UNKNOWN")));
  if (failure.requestId) pairs.append(pair("Request id", node("code", {}, failure.requestId)));
  const title = TITLES[failure.code] || SOURCES[failure.source] || "Something went wrong";
  const notice = node(
    "div",
    { className: "notice" },
    node("h3", {}, title),
    node("p", {}, failure.message || "There is no further explanation."),
    pairs,
  );
  notice.dataset.code = failure.code;
  if (again) {
    const button = node("button", { type: "button" }, "Try again");
    button.addEventListener("click", async () => {
      await again();
      // This button is gone with its notice; the keyboard goes on from what came in its place.
      const section = place.closest("section");
      (place.querySelector("button") ?? section.querySelector("h2")).focus();
    });
    notice.append(button);
  }
  place.replaceChildren(notice);
  console.warn(`${failure.code}: ${failure.message}`, failure);
}

// Runs `work` once at a time for a button, and says what is going on.
async function busy(button, state, text, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  state.textContent = text;
  state.classList.add("busy");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-disabled");
    state.classList.remove("busy");
    if (state.textContent === text) state.textContent = "";
  }
}

// The setup, known before anybody clicks.

async function showSetup() {
  const { value, failure } = await ask("GET", "/status");
  const setup = element("setup");
  if (failure || !value.configured) {
    const problem = failure || value.failure;
    showFailure(element("login-failure"), problem);
    const missing = problem.missing || [];
    setup.replaceChildren(
      ...(missing.length ? missing : ["Settings"]).map((name) =>
        pair(name, missing.length ? "missing" : "unknown"),
      ),
    );
    return;
  }
  setup.replaceChildren(
    pair("Token server", node("code", {}, value.token_server)),
    pair("API URL (gateway)", node("code", {}, value.api)),
    pair("API Key", node("code", {}, value.api_key)),
    pair("API Secret", "kept on the server"),
    pair("Subscription-Id", node("code", {}, value.subscription_id)),
  );
}

// The token.

const CLAIM_NAMES = {
  iss: "Issuer (iss)",
  aud: "Audience (aud)",
  sub: "Subject (sub)",
  cid: "API Key (cid)",
  scp: "Scopes (scp)",
  iat: "Issued (iat)",
  exp: "Expires (exp)",
  jti: "Token id (jti)",
  ver: "Version (ver)",
  gen: "Generation (gen)",
};

function claimText(name, value) {
  if (["iat", "exp", "nbf"].includes(name) && typeof value === "number") {
    const at = new Date(value * 1000);
    const text = at.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
    return node("time", { dateTime: at.toISOString(), title: at.toISOString() }, text);
  }
  const text = Array.isArray(value) ? value.join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value);
  return node("span", { className: "mono" }, text);
}

let ticking = 0;

function countDown(seconds, total) {
  clearInterval(ticking);
  const endsAt = performance.now() + seconds * 1000;
  const life = element("token-life");
  life.max = Math.max(total, seconds, 1);
  const tick = () => {
    const left = Math.max(0, Math.round((endsAt - performance.now()) / 1000));
    life.value = left;
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    element("token-countdown").textContent = left
      ? `${clock} left; the app renews it by itself`
      : "It has ended; the next call gets a new one";
    if (left === 0) clearInterval(ticking);
  };
  tick();
  ticking = setInterval(tick, 1000);
}

function showToken(answer) {
  element("token-masked").textContent = answer.access_token || answer.token;
  element("token-hint").textContent = answer.access_token
    ? "Shown whole because SHOW_TOKEN is set. Whoever reads it can call as this app until it ends."
    : "Masked: the whole token never leaves the app's server.";
  const claims = answer.claims || {};
  const known = Object.keys(CLAIM_NAMES).filter((name) => name in claims);
  const others = Object.keys(claims).filter((name) => !(name in CLAIM_NAMES));
  const rows = [...known, ...others].map((name) =>
    pair(CLAIM_NAMES[name] || name, claimText(name, claims[name])),
  );
  element("token-claims").replaceChildren(
    ...(rows.length ? rows : [pair("Claims", "This token cannot be read; only its issuer can.")]),
  );
  countDown(answer.expires_in, (claims.exp || 0) - (claims.iat || 0));
  element("token").hidden = false;
  console.log(`Access token: ${answer.token}`);
  console.log("Claims:", claims);
}

async function login() {
  const state = element("login-state");
  const failed = element("login-failure");
  let loggedIn = false;
  await busy(element("login"), state, "Getting an access token…", async () => {
    const { value, failure } = await ask("POST", "/token");
    if (failure) {
      element("token").hidden = true;
      element("vehicles").hidden = true;
      showFailure(failed, failure, failure.source === "configuration" ? undefined : login);
      return;
    }
    failed.replaceChildren();
    showToken(value);
    state.textContent = "Logged in: the app has an access token.";
    element("vehicles").hidden = false;
    loggedIn = true;
  });
  if (loggedIn) await getVehicles();
}

// The vehicles.

function price(prices) {
  const amount = prices?.netPrice;
  if (typeof amount !== "number") return "on request";
  try {
    const whole = Number.isInteger(amount) ? { maximumFractionDigits: 0 } : {};
    const format = { style: "currency", currency: prices.currencyCode || "USD", ...whole };
    return new Intl.NumberFormat(navigator.language || "en-US", format).format(amount);
  } catch {
    return `${amount} ${prices.currencyCode ?? ""}`.trim();
  }
}

function picture(link, name) {
  const href = typeof link?.href === "string" ? link.href : "";
  if (!href.startsWith("data:image/") && !href.startsWith("/")) {
    return node("span", { className: "no-picture" }, "no picture");
  }
  return node("img", { src: href, alt: link.title || name, width: 300, height: 200 });
}

function facts(summary) {
  const miles = summary.mileage?.value;
  const unit = summary.mileage?.unit || "";
  const style = summary.bodyStyle || "";
  const parts = [
    style === "suv" ? "SUV" : style.charAt(0).toUpperCase() + style.slice(1),
    summary.exteriorColor,
    typeof miles === "number" ? `${miles.toLocaleString()} ${unit}`.trim() : undefined,
  ];
  return parts.filter(Boolean).join(" · ");
}

function row(vehicle) {
  const summary = vehicle?.summary || {};
  const made = [summary.year, summary.make, summary.model].filter(Boolean).join(" ");
  const name = summary.title || made || vehicle?.merchandisableVehicleId || "Vehicle";
  // The roles are lost where the table is laid out as cards, so they are said outright.
  return node(
    "tr",
    { role: "row" },
    node("td", { role: "cell", className: "picture" }, picture(summary.primaryImageLink, name)),
    node(
      "td",
      { role: "cell" },
      node("p", { className: "name" }, name),
      node("p", { className: "facts" }, facts(summary)),
      node("p", {}, vehicle?.description?.description || ""),
    ),
    node("td", { role: "cell", className: "price" }, price(vehicle?.prices)),
  );
}

function table(vehicles) {
  const heading = (text, className = "") => node("th", { role: "columnheader", scope: "col", className }, text);
  return node(
    "table",
    { role: "table" },
    node("caption", {}, "Fetched through the gateway for this app's customer."),
    node(
      "thead",
      { role: "rowgroup" },
      node("tr", { role: "row" }, heading("Picture"), heading("Description"), heading("Price", "price")),
    ),
    node("tbody", { role: "rowgroup" }, ...vehicles.map(row)),
  );
}

function listOf(answer) {
  if (Array.isArray(answer)) return answer;
  const lists = [answer?.items, answer?.vehicles, answer?.data];
  return lists.find(Array.isArray);
}

function getVehicles() {
  const state = element("vehicles-state");
  const list = element("vehicles-list");
  const failed = element("vehicles-failure");
  return busy(element("get-vehicles"), state, "Loading vehicles…", async () => {
    const { value, failure } = await ask("GET", "/vehicles");
    if (failure) {
      list.replaceChildren();
      showFailure(failed, failure, getVehicles);
      return;
    }
    failed.replaceChildren();
    const vehicles = listOf(value);
    if (!vehicles) {
      showFailure(failed, {
        code: "UNEXPECTED-ANSWER",
        message: "The API answered with JSON, but not with a list of vehicles.",
        remedy: "Check API_CALL_URL: it should be the URL of a list, such as …/vehicles.",
      });
      list.replaceChildren();
      return;
    }
    if (vehicles.length === 0) {
      list.replaceChildren(
        node("p", { className: "empty" }, "There are no vehicles for this customer. The call itself went well; add one with POST, and get them again."),
      );
      state.textContent = "No vehicles.";
      return;
    }
    list.replaceChildren(table(vehicles));
    const total = typeof value.total === "number" ? value.total : vehicles.length;
    const count = vehicles.length === 1 ? "1 vehicle" : `${vehicles.length} vehicles`;
    state.textContent = total > vehicles.length ? `${count} of ${total}.` : `${count}.`;
  });
}

element("login").addEventListener("click", login);
element("get-vehicles").addEventListener("click", getVehicles);
showSetup();
