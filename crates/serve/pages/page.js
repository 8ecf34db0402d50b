/*
 * What the pages share: the token, the topology, requests, words for times and numbers, and the
 * states that every page can be in (loading, live, offline, forbidden).
 */
import { board, watch } from "/tallyd.js";

const KEY = "tallyd-token";
const STATES = {
  live: "Live",
  loading: "Loading",
  empty: "Nothing yet",
  offline: "Offline. Trying again",
  gone: "Not kept any more",
  forbidden: "No access",
};
/** The worst first: one word speaks for all streams of a page. */
const WORST = ["forbidden", "offline", "loading", "gone", "empty", "live"];

// A token in the address would stay in the history and in what people copy: it is taken out.
const given = /^#token=(.+)$/.exec(location.hash);
if (given) {
  sessionStorage.setItem(KEY, decoded(given[1]));
  history.replaceState(null, "", location.pathname + location.search);
}
// A link with a token, opened where the same page is shown, changes nothing but the hash.
addEventListener("hashchange", () => location.hash.startsWith("#token=") && location.reload());

/** The token, or nothing: then the browser's cookie counts. */
export const token = () => sessionStorage.getItem(KEY) ?? undefined;

/** A part of an address as it was meant; as it is, where it can't be read. */
export function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The parameters of the address. */
export const params = new URLSearchParams(location.search);

/** An element with properties, attributes (`aria-…`, `data-…`, `role`, …) and children. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** Sets the text of an element only where it differs: what is read aloud is not read twice. */
export function text(target, words) {
  if (target.textContent !== String(words)) target.textContent = words;
}

/** The element of the page with this id. */
export const $ = (id) => document.getElementById(id);

/** Why a request has no answer. `status` is 0 where the server can't be reached. */
export class Problem extends Error {
  constructor({ status, code, detail }) {
    super(detail ?? code ?? `status ${status}`);
    Object.assign(this, { status, code });
  }
}

/** Asks once; `body` makes it a POST. */
export async function ask(path, body) {
  const headers = {};
  if (token()) headers.authorization = `Bearer ${token()}`;
  if (body) headers["content-type"] = "application/json";
  const options = { headers, method: body ? "POST" : "GET", body: body && JSON.stringify(body) };
  const response = await fetch(`/v1/${path}`, options).catch(() => {
    throw new Problem({ status: 0, detail: "the server can't be reached" });
  });
  const json = await response.json().catch(() => ({ status: response.status }));
  if (!response.ok) throw new Problem({ status: response.status, ...json });
  return json;
}

/** The state that a failed request puts the page in. */
export function stateOf(problem) {
  if (problem.status === 401 || problem.status === 403) return "forbidden";
  return problem.status > 0 && problem.status < 500 && problem.status !== 429 ? "gone" : "offline";
}

const parts = new Map();
const stops = new Map();
const PATIENCE_MS = 500;
let isForbidden = false;
let later;

/**
 * Notes the state of a part of the page, and says the worst of all parts in the header. A part
 * that is forbidden ends the page. Says whether the page goes on.
 */
export function tell(part, state, problem) {
  if (isForbidden) return false;
  parts.set(part, state);
  const worst = WORST.find((one) => [...parts.values()].includes(one));
  clearTimeout(later);
  // A choice loads for a moment, and is not worth a word to those who listen.
  if (worst === "loading") later = setTimeout(say, PATIENCE_MS, worst);
  else say(worst);
  if (state === "forbidden") forbid(problem);
  return !isForbidden;
}

function say(state) {
  $("state").dataset.state = state;
  document.body.dataset.state = state;
  text($("state"), STATES[state]);
}

/** A part that ends with what `stop` stops; what it was before, ends. */
function begin(part, stop) {
  stops.get(part)?.();
  stops.set(part, stop);
}

/** Follows a view, and notes its state. What the part followed before is left. */
export function follow(part, path, show, options = {}) {
  tell(part, "loading");
  begin(
    part,
    watch(path, (view) => tell(part, view.state, view.problem) && show(view), {
      token,
      ...options,
    }),
  );
}

/** Shows a board, and notes its state. `show` gets every view; it may soften the state. */
export function followBoard(part, target, options, show, soften = (state) => state) {
  tell(part, "loading");
  const noted = (view) => tell(part, soften(view.state), view.problem) && show(view);
  begin(part, board(target, { token, tell: noted, ...options }));
}

/** Does work now and every `ms`, while the page is seen. Failures are states of `part`. */
export function poll(part, ms, work) {
  let timer,
    stopped = false;
  const round = async () => {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        await work();
        if (!stopped) tell(part, "live");
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if (!stopped) tell(part, stateOf(problem), problem);
      }
    }
    if (!stopped) timer = setTimeout(round, ms);
  };
  const shown = () => document.hidden || stopped || round();
  document.addEventListener("visibilitychange", shown);
  begin(part, () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", shown);
  });
  tell(part, "loading");
  round();
}

/** Ends the page: nothing stays that was shown. Says that there is no access, and takes a token. */
function forbid(problem) {
  isForbidden = true;
  stops.forEach((stop) => stop());
  const why =
    problem?.status === 401
      ? "This page needs a token."
      : `The server does not allow this page${(problem?.message ?? problem?.detail) ? `: ${problem.message ?? problem.detail}` : ""}.`;
  const input = el("input", { id: "token", type: "password", autocomplete: "off", required: true });
  const form = el(
    "form",
    { className: "ask" },
    el("label", { htmlFor: "token" }, "Token"),
    input,
    el("button", {}, "Use this token"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, input.value.trim());
    location.reload();
  });
  const panel = el(
    "section",
    { id: "forbidden", className: "card notice", "aria-labelledby": "no-access" },
    el("h2", { id: "no-access" }, "No access"),
    el("p", {}, why),
    el(
      "p",
      {},
      "Ask whoever sent you here for a link, or paste a token. It is kept until you close this tab.",
    ),
    form,
  );
  $("main").replaceChildren(el("h1", {}, document.title.split(" · ")[0]), panel);
}

let zone = "UTC";
const formats = new Map();

/** A moment (ms since the epoch) in the time zone of the topology. */
export function when(ms, options = { dateStyle: "medium", timeStyle: "medium" }) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat(undefined, { timeZone: zone, ...options }));
  }
  return formats.get(key).format(ms);
}

/** The clock time of a moment. */
export const clock = (ms) => when(ms, { timeStyle: "medium" });

const wholes = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, {
  notation: "compact",
  maximumSignificantDigits: 3,
});
const few = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

/** A number as people read it. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) < 100 ? few.format(value) : wholes.format(Math.round(value));
}

/** A number where there is little room: 48.2K. */
export const short = (value) => (value < 100_000 ? number(value) : compact.format(value));

/** A rate. */
export const rate = (value) => `${short(value)}/s`;

/** A share, 0 to 1, in percent. */
export const percent = (share) =>
  share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`;

/** How long ago, or how long: `5 s`, `3 min`, `2 h`. */
export function span(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${seconds < 10 ? few.format(seconds) : Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800
    ? `${Math.round(seconds / 3600)} h`
    : `${Math.round(seconds / 86_400)} days`;
}

const PERIODS = {
  hour: "This hour",
  day: "Today",
  week: "This week",
  month: "This month",
  all: "All time",
  "1m": "This minute",
  "1h": "This hour",
  "1d": "Today",
  "1w": "This week",
  "1mo": "This month",
};

/** The words for a period of a board, or a window of an aggregate. */
export const period = (name) =>
  PERIODS[name] ?? `These ${name.replace(/m$/, " minutes").replace(/h$/, " hours")}`;

/** Radio buttons in a row; `pick` is called with the value chosen. */
export function choice(legend, name, values, chosen, pick) {
  const option = ([value, label]) => {
    const input = el("input", { type: "radio", name, value, checked: value === chosen });
    input.addEventListener("change", () => pick(value));
    return el("label", {}, input, el("span", {}, label));
  };
  return el(
    "fieldset",
    { className: "choice" },
    el("legend", { className: "quiet" }, legend),
    values.map(option),
  );
}

/** A form that leads to a page: the address is made by `to` from what was typed. */
export function leads(form, to) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.href = to(Object.fromEntries(new FormData(form)));
  });
}

/** The address of a learner's page. */
export function learnerPage(member, group = {}) {
  const query = new URLSearchParams(group).toString();
  return `/learner/${encodeURIComponent(member)}${query ? `?${query}` : ""}`;
}

/** The leaderboard to show: the first, with the fields that its boards of groups are by. */
export function leaderboard(topology) {
  const found = topology.nodes.find((node) => node.type === "leaderboard");
  if (!found) return undefined;
  const alone = found.boards.filter((fields) => fields.length === 1).map(([field]) => field);
  // Where boards are by several fields, "class" is what the pages' words are about.
  const field =
    alone.find((one) => params.has(one)) ?? alone.find((one) => one === "class") ?? alone[0];
  return { ...found, field, hasEveryone: found.boards.some((fields) => fields.length === 0) };
}

/** Which measures of an aggregate count answers, right ones and learners, by their names. */
export function measuresOf({ measures }) {
  const named = (pattern) => measures.find((name) => pattern.test(name));
  return {
    count: named(/^(answers?|count|events|total|n)$/i),
    right: named(/^(right|correct)/i),
    learners: named(/^(learners?|students?|users?|members?|people)$/i),
  };
}

/** Reads the topology, as often as it takes, and begins the page with it. */
export function start(show) {
  let isBegun = false;
  poll("topology", 3000, async () => {
    const topology = await ask("topology");
    if (isBegun) return;
    isBegun = true;
    stops.get("topology")();
    parts.delete("topology");
    zone = topology.time_zone ?? zone;
    text($("topology"), topology.name);
    show(topology);
  });
}
