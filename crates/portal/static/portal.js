// What pages gain where scripts run. Everything works without it.

const announcer = document.createElement("div");
announcer.className = "announced";
announcer.setAttribute("role", "status");
document.body.append(announcer);
let silence;

function announce(text) {
  announcer.textContent = "";
  clearTimeout(silence);
  requestAnimationFrame(() => (announcer.textContent = text));
  silence = setTimeout(() => (announcer.textContent = ""), 2500);
}

// Copy buttons: hidden until a script can do it.
async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    announce("Copied");
  } catch {
    announce("Select the text and copy it with the keyboard");
  }
}

// Instants: relative and in the visitor's time, with the whole in UTC as title.
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

function told(instant) {
  const seconds = (instant - Date.now()) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return seconds > 0 ? "in less than a minute" : "just now";
}

function tellTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const instant = new Date(time.dateTime);
    if (Number.isNaN(instant.getTime())) continue;
    time.textContent = told(instant);
    time.title = `${instant.toLocaleString("en", { dateStyle: "medium", timeStyle: "medium" })} (${instant.toISOString()})`;
  }
}

// A filter above a list of many boxes.
function addFilter(list) {
  const input = document.createElement("input");
  input.type = "search";
  input.className = "filter";
  input.placeholder = list.dataset.filter;
  input.setAttribute("aria-label", list.dataset.filter);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const option of list.children) {
      const text = option.textContent.toLowerCase();
      option.hidden = !words.every((word) => text.includes(word));
    }
  });
  list.before(input);
}

// The button of something that cannot be taken back waits for the word.
function guard(input) {
  const button = input.form.querySelector(".button.bad");
  const check = () => (button.disabled = input.value.trim() !== input.dataset.confirm);
  input.addEventListener("input", check);
  check();
}

// Tabs with the same choices follow each other, on this page and on the next ones.
function remember(tabs) {
  const key = `portcullis-${tabs.dataset.remember}`;
  const choose = (value) => {
    const tab = [...tabs.querySelectorAll(".tab")].find((one) => one.value === value);
    if (tab) tab.checked = true;
  };
  try {
    choose(localStorage.getItem(key));
  } catch {
    return;
  }
  tabs.addEventListener("change", (event) => localStorage.setItem(key, event.target.value));
}

// Whoever leaves a page with a secret on it is asked once, unless it was copied or downloaded.
function keepOnce(section) {
  let isKept = false;
  section.addEventListener("click", (event) => {
    if (event.target.closest("[data-copy], [download], a, button")) isKept = true;
  });
  addEventListener("beforeunload", (event) => {
    if (!isKept) event.preventDefault();
  });
}

// How much of a field is used. Characters as the server counts them; told to readers of the screen near the end.
function addCounter(field) {
  const line = document.createElement("p");
  line.className = "counter";
  line.setAttribute("aria-hidden", "true");
  const most = field.maxLength;
  const count = () => {
    const used = [...field.value].length;
    line.textContent = `${used} of ${most}`;
    if (used === most) announce(`${most} characters, which is the most`);
  };
  field.addEventListener("input", count);
  field.after(line);
  count();
}

// A part of a page that is fetched again while somebody looks at it, until it is paused.
const POLL_MS = 3000;

function poll(part) {
  const pause = document.querySelector(`[data-poll-pause][aria-controls="${part.id}"]`);
  let isPaused = false;
  let isSeen = true;
  let last = "";
  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
  });
  new IntersectionObserver(([entry]) => (isSeen = entry.isIntersecting)).observe(part);
  setInterval(async () => {
    if (isPaused || !isSeen || document.hidden) return;
    let text;
    try {
      const answer = await fetch(part.dataset.poll, { headers: { "HX-Request": "true" } });
      if (!answer.ok || answer.redirected) return;
      text = await answer.text();
    } catch {
      return;
    }
    if (text === last || isPaused) return;
    const wasSeen = part.querySelector("[data-seen]") !== null;
    last = text;
    part.innerHTML = text;
    tellTimes(part);
    if (!wasSeen && part.querySelector("[data-seen]")) announce(part.dataset.pollSaid);
  }, POLL_MS);
}

function enhance(root) {
  tellTimes(root);
  for (const button of root.querySelectorAll("[data-copy], [data-print]")) button.hidden = false;
  for (const list of root.querySelectorAll("[data-filter]")) if (list.children.length > 8) addFilter(list);
  for (const input of root.querySelectorAll("[data-confirm]")) guard(input);
  for (const tabs of root.querySelectorAll("[data-remember]")) remember(tabs);
  for (const section of root.querySelectorAll("[data-once]")) keepOnce(section);
  for (const field of root.querySelectorAll("[data-counter]")) addCounter(field);
  for (const part of root.querySelectorAll("[data-poll]")) poll(part);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  if (event.target.closest("[data-print]")) print();
  for (const open of document.querySelectorAll("details.popover[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.popover[open]");
  if (open) {
    open.open = false;
    open.querySelector("summary").focus();
  } else if (location.hash === "#menu") {
    location.hash = "main";
  }
});

document.addEventListener("submit", (event) => {
  // A form that is on its way is not sent again by a second click; keys make it harmless in any case.
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

for (const event of ["htmx:after:swap", "htmx:afterSwap"]) {
  document.addEventListener(event, (swapped) => enhance(swapped.target instanceof Element ? swapped.target : document));
}

setInterval(() => tellTimes(document), 30_000);
enhance(document);
