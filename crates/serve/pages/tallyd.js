/*
 * tallyd.js: live boards and figures in any page. One ES module, no dependency.
 *
 *   import { board } from "https://stats.example.org/tallyd.js";
 *   board(document.querySelector("#top"), { bolt: "points", by: { class: "10B" }, limit: 10 });
 *
 * board(target, options) keeps a board live, and returns a function that stops it.
 *   target   an element, which gets a table, or a function, which gets every view (see watch).
 *   bolt     the leaderboard in the topology. All that follows may be left out.
 *   by       the group, such as { class: "10B" }; else everyone.
 *   period   "day", "week", "all"; else the first of the topology.
 *   limit    rows (10).
 *   around   a member: the rows around it. Its own has aria-current="true".
 *   caption, labels { rank, member, score }   the words of the table.
 *   name, link   functions from a member to its text, and to an address.
 *   tell     a function that gets every view too.
 *
 * watch(path, callback, options) follows any view, such as "stats/concepts?window=1d". The
 * callback gets { state, answer, change, problem }.
 *   state    "loading"    nothing has arrived yet.
 *            "live"       answer is what the server has now.
 *            "empty"      nothing is stored yet; it goes live by itself.
 *            "offline"    the server can't be reached; answer is old, and watch keeps trying.
 *            "forbidden"  the token is missing, or does not allow this.
 *            "gone"       there is no such view, or it is no longer kept.
 *   answer   the whole answer as GET gives it. Do not change it.
 *   change   the rows of the last update: { set, gone }.
 *   problem  why there is no answer: code and detail (RFC 9457).
 *
 * Options of both:
 *   url      where tallyd serves; else where this module came from.
 *   token    a token, or a function that returns one, or a promise of one, for each connection;
 *            else the browser's cookie counts.
 *   rate     updates a second, at most (4).
 *   sort     compares two rows; else by rank, or by time.
 *
 * A page that is hidden for 10 s is disconnected until it is shown.
 */
const HOME = new URL(".", import.meta.url).href;
const SILENCE = 40_000; // the server sends a heartbeat every 15 s
const HIDDEN = 10_000;
const EMPTY = ["learner-absent", "member-absent", "period-not-begun"];

const inOrder = (a, b) => (a.rank ?? a.start) - (b.rank ?? b.start);
const stateOf = (status) =>
  status >= 500 || status === 408 || status === 429 ? "offline"
    : status === 401 || status === 403 ? "forbidden" : "gone";
const keyOf = (row) => row.member ?? row.learner ?? JSON.stringify([row.start, row.group]);

export function watch(path, callback, { url = HOME, token, rate, sort = inOrder } = {}) {
  const address = new URL(`v1/${path}`, url);
  address.pathname += "/live";
  if (rate) address.searchParams.set("rate", rate);
  let stopped = false, control, wake, timer;
  let id, retry = 1000, failures = 0;
  let state, head, rows, problem;

  const tell = (next, change, why) => {
    if (stopped || (next === state && !change && why?.code === problem?.code)) return;
    [state, problem] = [next, why];
    const answer = head && (rows ? { ...head, rows: [...rows.values()].sort(sort) } : head);
    callback({ state, answer, change, problem });
  };

  const take = (event) => {
    retry = Number(event.retry ?? retry);
    if (!event.event) return;
    failures = 0;
    id = event.event === "reset" ? undefined : event.id ?? id;
    const data = JSON.parse(event.data ?? "{}");
    if (event.event === "snapshot") {
      const { rows: all, ...rest } = data;
      head = rest;
      rows = all && new Map(all.map((row) => [keyOf(row), row]));
      tell("live", { set: all ?? [], gone: [] });
    } else if (event.event === "delta") {
      const { head: changed, set = [], gone = [] } = data;
      head = { ...head, ...changed };
      gone.forEach((one) => rows.delete(typeof one === "object" ? keyOf(one) : one));
      set.forEach((row) => rows.set(keyOf(row), row));
      // Of those with one rank, who stands first.
      if (data.order) rows = new Map(data.order.map((one) => typeof one === "object" ? keyOf(one) : one).map((key) => [key, rows.get(key)]));
      tell("live", { set, gone });
    } else if (event.event === "resumed") {
      tell("live");
    } else if (event.event === "problem") {
      tell(EMPTY.includes(data.code) ? "empty" : stateOf(data.status), undefined, data);
    }
  };

  const listen = async () => {
    control = new AbortController();
    const beat = () => {
      clearTimeout(timer);
      timer = setTimeout(() => control.abort(), SILENCE);
    };
    beat();
    const headers = {};
    const bearer = typeof token === "function" ? await token() : token;
    if (bearer) headers.authorization = `Bearer ${bearer}`;
    if (id) headers["last-event-id"] = id;
    const response = await fetch(address, { headers, cache: "no-store", signal: control.signal });
    if (!response.ok) {
      const { status } = response;
      const why = await response.json().catch(() => ({ status, code: `http-${status}` }));
      tell(stateOf(status), undefined, why);
      return state === "offline" ? 1000 * response.headers.get("retry-after") : -1;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = "", read; !(read = await reader.read()).done; ) {
      beat();
      const blocks = (text + read.value).split(/\r?\n\r?\n/);
      text = blocks.pop();
      for (const block of blocks) {
        const fields = block.split(/\r?\n/).map((line) => /^(\w*): ?(.*)$/.exec(line)).filter(Boolean);
        take(Object.fromEntries(fields.map(([, field, value]) => [field, value])));
      }
    }
    return 0;
  };

  const run = async () => {
    tell("loading");
    while (!stopped) {
      const least = await listen().catch(() => 0);
      clearTimeout(timer);
      control.abort();
      if (least < 0 || stopped) break;
      if (!document.hidden) tell("offline", undefined, problem);
      // Partly drawn by lot: clients that lost one server do not come back as one.
      const wait = Math.max(least, Math.min(15_000, retry * 2 ** failures++) * (1 + Math.random()));
      await new Promise((done) => {
        wake = done;
        if (!document.hidden) setTimeout(done, wait);
      });
    }
    stop();
  };

  let hidden;
  const seen = () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(() => control?.abort(), HIDDEN);
    else wake?.();
  };
  const stop = () => {
    stopped = true;
    document.removeEventListener("visibilitychange", seen);
    removeEventListener("online", seen);
    clearTimeout(hidden);
    control?.abort();
    wake?.();
  };
  document.addEventListener("visibilitychange", seen);
  addEventListener("online", seen);
  run();
  return stop;
}

export function board(target, options) {
  const { bolt, by = {}, period, limit, around } = options;
  const query = new URLSearchParams(Object.entries(by).map(([field, value]) => [`by.${field}`, value]));
  if (period) query.set("period", period);
  if (limit) query.set(around ? "rows" : "limit", limit);
  const member = around ? `/around/${encodeURIComponent(around)}` : "";
  const paint = typeof target === "function" ? target : painter(target, options);
  const show = (view) => (paint(view), options.tell?.(view));
  return watch(`boards/${encodeURIComponent(bolt)}${member}?${query}`, show, options);
}

/** A callback that keeps a table in an element, and moves its rows where motion is wanted. */
function painter(target, { around, caption = "Leaderboard", labels = {}, name = String, link }) {
  const make = (tag, parent, text = "") => {
    const made = parent.appendChild(document.createElement(tag));
    made.textContent = text;
    return made;
  };
  const table = document.createElement("table");
  make("caption", table, caption);
  const top = make("tr", make("thead", table));
  for (const [column, word] of Object.entries({ rank: "Rank", member: "Name", score: "Score", ...labels })) {
    const cell = make("th", top, word);
    cell.scope = "col";
    cell.className = column;
  }
  const body = make("tbody", table);
  const shown = new Map();
  return ({ state, answer }) => {
    target.dataset.state = state;
    // What the element showed before stays until there is something to show: nothing jumps.
    if (state !== "loading" && !table.isConnected) target.replaceChildren(table);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const places = new Map([...shown].map(([key, row]) => [key, row.offsetTop]));
    const focused = document.activeElement;
    const left = new Set(shown.keys());
    (answer?.rows ?? []).forEach(({ member, rank, score }, at) => {
      left.delete(member);
      let row = shown.get(member);
      if (!row) {
        row = document.createElement("tr");
        make("td", row).className = "rank";
        const cell = make("th", row);
        cell.scope = "row";
        cell.className = "member";
        const text = make(link ? "a" : "span", cell, name(member));
        if (link) text.href = link(member);
        make("td", row).className = "score";
        if (member === around) row.setAttribute("aria-current", "true");
        shown.set(member, row);
      }
      row.firstChild.textContent = rank;
      row.lastChild.textContent = score.toLocaleString();
      if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
    });
    left.forEach((key) => (shown.get(key).remove(), shown.delete(key)));
    if (target.contains(focused)) focused.focus({ preventScroll: true });
    if (still || !places.size) return;
    for (const [key, row] of shown) {
      const by = places.has(key) ? places.get(key) - row.offsetTop : 0;
      const from = places.has(key) ? { transform: `translateY(${by}px)` } : { opacity: 0 };
      if (by || !places.has(key)) row.animate([from, {}], { duration: 450, easing: "ease-out" });
    }
  };
}
