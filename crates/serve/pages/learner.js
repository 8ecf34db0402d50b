/*
 * The learner's page: one stream for what is stored of the learner, one for the rows around it on
 * the board that is chosen. Class ranks and answers over time are asked for when those move.
 */
import {
  $,
  Problem,
  ask,
  choice,
  decoded,
  el,
  follow,
  followBoard,
  leaderboard,
  leads,
  learnerPage,
  measuresOf,
  number,
  params,
  percent,
  period,
  start,
  stateOf,
  tell,
  text,
  when,
} from "/page.js";

/** A signal of tiredness is good for so long after the last answer. */
const TIRED_MS = 60 * 60_000;
/** How long the page is silent to screen readers between two ranks, and between two requests. */
const SAID_MS = 15_000;
const ASKED_MS = 5000;

/** What is said in place of the rows. */
const NOTES = {
  empty: "Not on this board yet. The first answer puts you there.",
  forbidden: "This board is not open to you.",
  gone: "This board is not kept.",
};

const id = decoded(location.pathname.split("/")[2] ?? "");
document.title = `${id || "Learner"} · tallyd`;
text($("who"), id || "Which learner?");

start((topology) => {
  if (!id) return askWho();
  const points = leaderboard(topology);
  const value = points?.field && params.get(points.field);
  const group = value ? { [points.field]: value } : undefined;
  if (group) text($("group"), `${points.field} ${value}`);
  const hasBoard = points && (points.hasEveryone || group);
  const ranks = hasBoard ? showRanks(points, group) : undefined;
  const answers = showAnswers(topology, points?.member);
  follow("learner", `learners/${encodeURIComponent(id)}`, ({ state, answer }) => {
    $("nothing").hidden = state !== "empty";
    if (state === "empty") ranks?.moved([]);
    if (!answer) return;
    ranks?.moved(answer.boards);
    answers();
    showTired(answer.fatigue);
    showGrasp(answer.mastery.flatMap((of) => of.concepts));
  });
});

function askWho() {
  const input = el("input", {
    id: "learner-id",
    name: "learner",
    required: true,
    autocomplete: "off",
  });
  const form = el(
    "form",
    { className: "ask card" },
    el("label", { htmlFor: "learner-id" }, "Learner’s id"),
    input,
    el("button", {}, "Open"),
  );
  leads(form, (typed) => learnerPage(typed.learner.trim(), Object.fromEntries(params)));
  $("main").append(form);
  tell("topology", "live");
}

function showTired(signals) {
  const now = Date.now();
  $("tired").hidden = !signals.some((one) => one.tired && now - one.at < TIRED_MS);
}

/** A bar for each concept: the mark is the estimate, the band one standard error to each side. */
function showGrasp(concepts) {
  const list = $("concepts");
  $("grasp").hidden = concepts.length === 0;
  // The order is by name: it stays while the estimates move.
  concepts.sort((a, b) => a.concept.localeCompare(b.concept));
  while (list.children.length > concepts.length) list.lastChild.remove();
  concepts.forEach((of, at) => {
    const item =
      list.children[at] ??
      list.appendChild(
        el(
          "li",
          {},
          el("span", { className: "name" }),
          el("span", { className: "value" }),
          el(
            "span",
            { className: "track", "aria-hidden": "true" },
            el("span", { className: "band" }),
            el("span", { className: "mark" }),
          ),
          el("span", { className: "quiet" }),
        ),
      );
    const [name, value, track, count] = item.children;
    const isKnown = of.known !== false && of.mastery !== null;
    text(name, of.concept);
    text(
      value,
      isKnown ? `${percent(of.mastery)} ± ${Math.round(of.uncertainty * 100)}` : "not known yet",
    );
    const last = of.at === undefined ? "" : `, last on ${when(of.at, { dateStyle: "medium" })}`;
    text(count, `${number(of.correct)} of ${number(of.answers)} right${last}`);
    item.classList.toggle("unknown", !isKnown);
    const [low, high] = isKnown
      ? [Math.max(0, of.mastery - of.uncertainty), Math.min(1, of.mastery + of.uncertainty)]
      : [0, 1];
    track.style.setProperty("--low", `${low * 100}%`);
    track.style.setProperty("--wide", `${(high - low) * 100}%`);
    track.style.setProperty("--at", `${(of.mastery ?? 0) * 100}%`);
  });
}

/** The ranks by period, and the rows around the learner in the period that is chosen. */
function showRanks(points, group) {
  $("ranks").hidden = false;
  let by = points.hasEveryone ? {} : (group ?? {});
  let chosen = points.periods[0];
  let asked = 0,
    said = 0,
    everyone = [];
  const cards = new Map(points.periods.map((name) => [name, card(name)]));
  if (group && points.hasEveryone) {
    const words = `${points.field[0].toUpperCase()}${points.field.slice(1)} ${Object.values(group)[0]}`;
    $("scope").append(
      choice(
        "Among whom",
        "scope",
        [
          ["everyone", "Everyone"],
          ["group", words],
        ],
        "everyone",
        (picked) => {
          by = picked === "group" ? group : {};
          cards.forEach((_, name) => fill(name, undefined));
          asked = 0;
          refresh();
          watchRows();
        },
      ),
    );
  }
  $("periods").append(
    el(
      "fieldset",
      { className: "ranks" },
      el("legend", { className: "unseen" }, "Period"),
      [...cards.values()].map((one) => one.label),
    ),
  );

  function card(name) {
    const input = el("input", {
      type: "radio",
      name: "period",
      value: name,
      checked: name === chosen,
    });
    const [rank, of, score] = ["rank", "of quiet", "score"].map((className) =>
      el("span", { className }),
    );
    input.addEventListener("change", () => {
      chosen = name;
      watchRows();
    });
    const label = el(
      "label",
      {},
      input,
      el("span", { className: "word" }, period(name)),
      rank,
      of,
      score,
    );
    return { label, rank, of, score };
  }

  function fill(name, standing) {
    const { rank, of, score } = cards.get(name);
    text(rank, standing ? number(standing.rank) : "–");
    text(of, standing ? `of ${number(standing.size)}` : standing === null ? "not on it yet" : " ");
    text(
      score,
      standing ? `${number(standing.score)} ${standing.score === 1 ? "point" : "points"}` : " ",
    );
  }

  async function refresh() {
    if (Object.keys(by).length === 0) {
      for (const name of cards.keys()) {
        fill(name, everyone.find((of) => of.bolt === points.name && of.period === name) ?? null);
      }
      return;
    }
    if (Date.now() - asked < ASKED_MS) return;
    asked = Date.now();
    const of = by;
    for (const name of cards.keys()) {
      const query = new URLSearchParams({ period: name, ...prefixed(of) });
      const path = `boards/${encodeURIComponent(points.name)}/members/${encodeURIComponent(id)}?${query}`;
      try {
        const {
          size,
          rows: [row],
        } = await ask(path);
        if (of === by) fill(name, { size, ...row });
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if (of === by && stateOf(problem) === "gone") fill(name, null);
      }
    }
  }

  function watchRows() {
    const isOpen = (state) => (state === "forbidden" ? "live" : state);
    followBoard(
      "around",
      $("around"),
      {
        bolt: points.name,
        by,
        period: chosen,
        around: id,
        limit: 9,
        caption: `Around me: ${period(chosen).toLowerCase()}`,
        labels: { member: "Learner", score: "Points" },
      },
      ({ state, answer }) => {
        const note = NOTES[state];
        $("absent").hidden = !note;
        $("around").hidden = Boolean(note);
        text($("absent"), note ?? "");
        const me = answer?.rows.find((row) => row.member === id);
        if (!me || state !== "live") return;
        fill(chosen, { ...me, size: answer.size });
        if (Date.now() - said > SAID_MS) {
          said = Date.now();
          text($("said"), `${period(chosen)}: rank ${me.rank} of ${answer.size}`);
        }
      },
      isOpen,
    );
  }

  watchRows();
  return {
    moved(boards) {
      everyone = boards;
      refresh();
    },
  };
}

const prefixed = (by) =>
  Object.fromEntries(Object.entries(by).map(([name, is]) => [`by.${name}`, is]));

/** What is asked for by window: how far back, and how a bar is labelled. */
const WINDOWS = {
  "1d": ["-13d", { day: "numeric" }, { weekday: "long", day: "numeric", month: "long" }],
  "1h": ["-23h", { hour: "numeric" }, { weekday: "long", hour: "numeric", minute: "numeric" }],
  "1w": ["-77d", { day: "numeric", month: "numeric" }, { dateStyle: "medium" }],
  "1mo": ["-330d", { month: "short" }, { month: "long", year: "numeric" }],
};

/** Answers over time, where an aggregate counts them by learner; the function asks again. */
function showAnswers(topology, member) {
  const fits = (node) => node.type === "aggregate" && node.by.length === 1 && node.by[0] === member;
  const practice = topology.nodes.find((node) => fits(node) && measuresOf(node).count);
  const window = Object.keys(WINDOWS).find((name) => practice?.windows.includes(name));
  if (!window) return () => {};
  const [from, short, long] = WINDOWS[window];
  const { count, right } = measuresOf(practice);
  const query = new URLSearchParams({ [`by.${member}`]: id, window, from });
  let asked = 0;
  return async () => {
    if (Date.now() - asked < ASKED_MS) return;
    asked = Date.now();
    const rows = await ask(`stats/${encodeURIComponent(practice.name)}?${query}`).then(
      (answer) => answer.rows,
      () => [],
    );
    if (!rows.length) return;
    $("time").hidden = false;
    const most = Math.max(1, ...rows.map((row) => row.measures[count] ?? 0));
    text($("most"), `(the tallest bar: ${number(most)})`);
    $("bars").replaceChildren(
      ...rows.map(({ start: ms, measures }) => {
        const [all, good] = [measures[count] ?? 0, right ? (measures[right] ?? 0) : 0];
        const words = `${when(ms, long)}: ${number(all)} answers${right ? `, ${number(good)} right` : ""}`;
        const bar = el(
          "span",
          { className: "bar", title: words, "aria-hidden": "true" },
          el("span", {}),
        );
        bar.style.setProperty("--tall", `${(all / most) * 100}%`);
        bar.style.setProperty("--right", all ? `${(good / all) * 100}%` : "0%");
        const label = el("span", { className: "quiet", "aria-hidden": "true" }, when(ms, short));
        return el("li", {}, el("span", { className: "unseen" }, words), bar, label);
      }),
    );
  };
}
