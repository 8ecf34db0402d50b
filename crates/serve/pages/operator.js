/*
 * The operator's page: asks /v1/status every two seconds, and for dead letters whenever their
 * number changes. What needs somebody at once stands first, in words.
 */
import {
  $, ask, clock, el, number, percent, poll, rate, short, span, start, text, when,
} from "/page.js";
import { graph, isSlow, lagWords, legend } from "/graph.js";

const LOOK_MS = 2000;
const EXAMPLES = 10;
/** From what share on a task is nearly all busy: its worker can't take much more. */
const BUSY = 0.9;

start((topology) => {
  let show = draw(topology);
  let generation, letters;
  poll("status", LOOK_MS, async () => {
    const status = await ask("status");
    if (generation !== undefined && status.plan?.generation !== generation) {
      // Another file is in force: it may have other bolts.
      show = draw(await ask("topology"));
    }
    generation = status.plan?.generation;
    text($("as-of"), `${clock(Date.now())} (${topology.time_zone})`);
    show(status);
    showAlarms(status);
    showTiles(status);
    showNodes(status, topology);
    showWorkers(status);
    showLate(status);
    // Of a full stream the number stored stays: what came in all counts too.
    const now = `${status.dead_letters_stored} ${total(status, "dead_letters")}`;
    if (letters !== now) {
      letters = now;
      showDead(status, await ask(`dead?limit=${EXAMPLES}`));
    }
  });
});

function draw(topology) {
  for (const id of [
    "tiles",
    "topology-card",
    "nodes-card",
    "workers-card",
    "late-card",
    "dead-card",
  ])
    $(id).hidden = false;
  if (!$("graph").nextSibling?.tagName) $("graph").after(legend());
  return graph($("graph"), topology);
}

const total = (status, of) => status.nodes.reduce((sum, node) => sum + (node[of] ?? 0), 0);
const owned = (status, who) => status.nodes.filter((node) => node.owners[who]);

/** What needs somebody at once. Read aloud when it changes. */
function showAlarms(status) {
  const places = (who) =>
    owned(status, who)
      .map((node) => `${node.name} (${node.owners[who]} of ${node.partitions})`)
      .join(", ");
  const alarms = [];
  const halted = Object.entries(status.halted);
  if (owned(status, "HALTED").length)
    alarms.push(`HALTED: ${places("HALTED")}. Fix the cause, then run tallyd resume.`);
  halted.slice(0, EXAMPLES).forEach(([place, reason]) => alarms.push(`${place}: ${reason}`));
  if (owned(status, "nobody").length)
    alarms.push(
      `Owned by nobody: ${places("nobody")}. Start a worker, or wait for one to take over.`,
    );
  if (status.dead_letters_full)
    alarms.push(
      `FULL: ${number(status.dead_letters_limit)} dead letters are stored, and no more fit. Replay or drop some with tallyd dead.`,
    );
  const lost = total(status, "lost_entries");
  if (lost)
    alarms.push(`${number(lost)} entries went from a stream before they were read: they are counted nowhere.`);
  const strangers = status.workers.filter((worker) => worker.live && !worker.runs_plan);
  if (strangers.length)
    alarms.push(
      `Of the live workers, ${strangers.length} ${strangers.length === 1 ? "runs" : "run"} another file, and ${strangers.length === 1 ? "takes" : "take"} no part.`,
    );
  for (const node of status.nodes.filter((of) => of.ahead)) {
    alarms.push(
      `${node.name}: an entry is ${span(node.ahead.ahead_ms)} ahead of the server's clock (${node.ahead.entry}).`,
    );
  }
  $("alarms").hidden = alarms.length === 0;
  const list = $("alarm-list");
  if (list.dataset.now === alarms.join("\n")) return;
  list.dataset.now = alarms.join("\n");
  list.replaceChildren(...alarms.map((words) => el("li", {}, words)));
}

/** The figures that are read from afar. */
function showTiles(status) {
  const live = status.workers.filter((worker) => worker.live).length;
  const sources = status.nodes.filter((node) => node.partitions && node.fused_with === null);
  const slowest = sources.reduce(
    (most, node) => (node.lag_seconds > most.lag_seconds ? node : most),
    sources[0],
  );
  const slowestProbe = status.slowest_probe;
  const [busiest] = status.nodes
    .filter((node) => node.busy !== null)
    .sort((a, b) => b.busy - a.busy);
  const tiles = [
    [
      "Events in",
      rate(status.nodes[0]?.events_per_second ?? 0),
      `${number(status.nodes[0]?.events ?? 0)} in all`,
    ],
    [
      "Longest wait",
      slowest ? span(slowest.lag_seconds * 1000) : "–",
      slowest?.lag_entries
        ? `${slowest.name}: ${number(slowest.lag_entries)} entries`
        : "nothing waits",
      slowest && isSlow(slowest) && "warn",
    ],
    [
      "Delay",
      slowestProbe ? span(slowestProbe.seconds * 1000) : "–",
      slowestProbe
        ? `of a probe to ${slowestProbe.node}, ${span(slowestProbe.ago_seconds * 1000)} ago`
        : "no probe has come through",
    ],
    [
      "Busiest",
      percent(busiest?.busy),
      busiest ? busiest.name : "no worker says it",
      busiest?.busy >= BUSY && "warn",
    ],
    [
      "Workers",
      number(live),
      status.workers.length > live
        ? `${status.workers.length - live} not heard of`
        : live
          ? "all live"
          : "none has announced itself",
      !live && "alarm",
    ],
    ["Duplicates", short(total(status, "duplicates")), "not counted again"],
    ["Late", short(total(status, "late")), "for a window or period"],
    [
      "Dead letters",
      short(status.dead_letters_stored),
      status.dead_letters_full ? "FULL" : `room for ${number(status.dead_letters_limit)}`,
      status.dead_letters_full ? "alarm" : status.dead_letters_stored > 0 && "warn",
    ],
  ];
  const list = $("tiles");
  if (!list.children.length) {
    list.append(
      ...tiles.map(([label]) =>
        el(
          "div",
          {},
          el("dt", {}, label),
          el("dd", { className: "big" }),
          el("dd", { className: "quiet" }),
        ),
      ),
    );
  }
  tiles.forEach(([, value, note, level], at) => {
    const [, big, quiet] = list.children[at].children;
    text(big, value);
    text(quiet, note);
    list.children[at].className = level || "";
  });
}

/** A table: the columns are [label, what stands in it, class]; rows are kept, cells written anew. */
function table(target, caption, columns, rows) {
  if (!target.tHead) {
    target.append(
      el("caption", { className: "unseen" }, caption),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          columns.map(([label, , className = ""]) => el("th", { scope: "col", className }, label)),
        ),
      ),
      el("tbody"),
    );
  }
  const body = target.tBodies[0];
  while (body.rows.length > rows.length) body.lastChild.remove();
  rows.forEach((row, at) => {
    const line =
      body.rows[at] ??
      body.appendChild(
        el(
          "tr",
          {},
          columns.map(([, , className = ""], column) =>
            column === 0 ? el("th", { scope: "row", className }) : el("td", { className }),
          ),
        ),
      );
    columns.forEach(([, show, className = ""], column) => {
      const [words, level] = [show(row)].flat();
      text(line.cells[column], words);
      line.cells[column].className = `${className} ${level || ""}`.trim();
    });
  });
  target.hidden = rows.length === 0;
}

function showNodes(status, topology) {
  const types = new Map(topology.nodes.map((node) => [node.name, node.type]));
  const owners = (node) => {
    const workers = Object.keys(node.owners).filter(
      (who) => who !== "nobody" && who !== "HALTED",
    ).length;
    const trouble = ["HALTED", "nobody"]
      .filter((who) => node.owners[who])
      .map((who) => `${node.owners[who]} ${who}`);
    return trouble.length
      ? [trouble.join(", "), "alarm"]
      : `${workers} ${workers === 1 ? "worker" : "workers"}`;
  };
  // A fused bolt has no task of its own: its share is that of its code.
  const busy = (node) =>
    node.fused_with === null
      ? [percent(node.busy), node.busy >= BUSY && "warn"]
      : percent(node.bolt_busy);
  table(
    $("nodes"),
    "Sources and bolts",
    [
      ["Node", (node) => node.name, "words"],
      ["Type", (node) => types.get(node.name) ?? "", "words"],
      ["Partitions", (node) => number(node.partitions)],
      ["Owners", owners],
      ["Rate", (node) => rate(node.events_per_second)],
      ["Lag", (node) => [lagWords(node), isSlow(node) && "warn"]],
      ["Busy", busy],
      ["Probe", (node) => (node.probe ? span(node.probe.seconds * 1000) : "–")],
      ["Events", (node) => number(node.events)],
      ["Emitted", (node) => number(node.emitted)],
      ["Duplicates", (node) => number(node.duplicates)],
      ["Late", (node) => number(node.late)],
      ["Dead", (node) => [number(node.dead_letters), node.dead_letters > 0 && "warn"]],
      ["Lost", (node) => [number(node.lost_entries), node.lost_entries > 0 && "alarm"]],
    ],
    status.nodes,
  );
}

function showWorkers(status) {
  $("no-workers").hidden = status.workers.length > 0;
  const partitions = (worker) =>
    status.nodes.reduce((sum, node) => sum + (node.owners[worker.id] ?? 0), 0);
  table(
    $("workers"),
    "Workers",
    [
      ["Worker", (worker) => worker.id, "words"],
      ["Partitions", (worker) => number(partitions(worker))],
      [
        "Heard of",
        (worker) =>
          worker.live
            ? `${span(worker.heartbeat_ms_ago)} ago`
            : [`gone: ${span(worker.heartbeat_ms_ago)} ago`, "warn"],
      ],
      ["Since", (worker) => when(worker.since, { dateStyle: "medium", timeStyle: "short" })],
      [
        "File",
        (worker) => (worker.runs_plan ? worker.plan : [`${worker.plan}: another file`, "alarm"]),
      ],
      ["Version", (worker) => worker.version],
      ["Host", (worker) => `${worker.host}, pid ${worker.pid}`],
    ],
    status.workers,
  );
  const { plan } = status;
  text(
    $("plan"),
    plan
      ? `File in force: ${plan.fingerprint} (generation ${number(plan.generation)}), since ${when(plan.since)}.`
      : "No file is in force yet.",
  );
}

function showLate(status) {
  // One event may be late for windows of many bolts: it has one row.
  const examples = new Map();
  for (const node of status.nodes) {
    for (const of of node.late_examples) {
      const key = `${of.id} ${of.arrival}`;
      if (!examples.has(key)) examples.set(key, { ...of, missed: [] });
      examples.get(key).missed.push(`${node.name} ${of.label}`);
    }
  }
  const newest = [...examples.values()].sort((a, b) => b.arrival - a.arrival).slice(0, EXAMPLES);
  const counts = status.nodes
    .filter((node) => node.late > 0)
    .map((node) => {
      const windows = Object.entries(node.late_by_window).map(
        ([window, count]) => `${window} ${number(count)}`,
      );
      return `${node.name}: ${windows.join(", ")}`;
    });
  text(
    $("late-note"),
    counts.length
      ? `An event that is late for one window still counts in the others. ${counts.join("; ")}.`
      : "No event was late.",
  );
  letters(
    $("late"),
    newest,
    (of) => `${of.id} ${of.arrival} ${of.missed.length}`,
    (of) => [
      `${of.id} came ${span(of.arrival - of.time)} after it happened`,
      `missed ${number(of.missed.length)} ${of.missed.length === 1 ? "window" : "windows"}, ${when(of.arrival)}`,
      [
        ["happened", when(of.time)],
        ["missed", of.missed.join(", ")],
      ],
    ],
  );
}

function showDead(status, { rows }) {
  text(
    $("dead-note"),
    rows.length
      ? `${number(status.dead_letters_stored)} stored; the newest are shown.`
      : "No event was rejected.",
  );
  letters(
    $("dead"),
    rows,
    (of) => of.id,
    ({ reason, node, entry, fields, cut }) => [
      reason,
      `${node}, ${when(Number.parseInt(entry, 10))}`,
      [["entry", `${entry}${cut ? ` (cut: it had ${number(cut)} bytes)` : ""}`], ...(fields ?? [])],
    ],
  );
}

/** Events in a list: what is wrong, and on demand what is known. Those that stay, stay open. */
function letters(target, rows, keyOf, describe) {
  const old = new Map([...target.children].map((item) => [item.dataset.key, item]));
  target.replaceChildren(
    ...rows.map((row) => {
      const key = keyOf(row);
      if (old.has(key)) return old.get(key);
      const [reason, about, known] = describe(row);
      const lines = known.map(([name, value]) =>
        el(
          "div",
          {},
          el("dt", {}, el("code", {}, name)),
          el("dd", {}, el("code", {}, String(value))),
        ),
      );
      return el(
        "li",
        { "data-key": key },
        el("p", {}, el("strong", {}, reason)),
        el("details", {}, el("summary", { className: "quiet" }, about), el("dl", {}, lines)),
      );
    }),
  );
}
