/*
 * The teacher's page: one stream for the concepts and one for the board; who is tired and who has
 * not begun is asked for every ten seconds, of those on the class's boards.
 */
import {
  $,
  Problem,
  ask,
  choice,
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
  poll,
  span,
  start,
  tell,
  text,
} from "/page.js";

const LOOK_MS = 10_000;
/** A signal of tiredness is "now" for so long after the last answer. */
const TIRED_MS = 60 * 60_000;
/** Limits of the server: rows of one answer, learners of one request. */
const ROWS = 1000;
const LEARNERS = 100;
const SHOWN = 20;

start((topology) => {
  if (topology.member) {
    // It may read the class's board, as it may on its own page; this page is not for it.
    const detail = `the token is of one learner, ${topology.member}`;
    return tell("topology", "forbidden", new Problem({ status: 403, detail }));
  }
  const points = leaderboard(topology);
  const field = points?.field ?? fieldOf(topology);
  const value = field ? params.get(field) : null;
  const concepts = conceptsOf(topology, field, points?.member);
  if (field) showChoice(field, value);
  if (field && !value) return showGroups(concepts, field);
  const group = value ? { [field]: value } : {};
  const title = value ? `${word(field)} ${value}` : "Everyone";
  text($("who"), title);
  document.title = `${title} · tallyd`;
  if (concepts) showConcepts(concepts, group);
  if (points) {
    showBoard(points, group);
    poll("people", LOOK_MS, () => showPeople(points, group));
  }
  if (!concepts && !points) {
    $("main").append(
      el(
        "p",
        { className: "card notice" },
        "There is no leaderboard and no aggregate here that this page could show.",
      ),
    );
    tell("topology", "live");
  }
});

const word = (name) => name[0].toUpperCase() + name.slice(1);
const prefixed = (by) => Object.entries(by).map(([name, is]) => [`by.${name}`, is]);

/** The field of groups where no board has one: "class", if an aggregate is by it. */
function fieldOf(topology) {
  return topology.nodes.some((node) => node.by?.includes("class")) ? "class" : undefined;
}

/** The aggregate by group and concept; else one by concept alone, which is of everyone. */
function conceptsOf(topology, field, member) {
  const all = topology.nodes.filter((node) => node.type === "aggregate");
  const found =
    all.find(
      (node) => node.by.length === 2 && node.by.includes(field) && !node.by.includes(member),
    ) ??
    all.find((node) => node.by.length === 1 && node.by[0] === "concept") ??
    all.find((node) => node.by.length === 1 && node.by[0] !== field && node.by[0] !== member);
  return (
    found && {
      ...found,
      concept: found.by.find((one) => one !== field),
      isOfGroup: found.by.includes(field),
    }
  );
}

function showChoice(field, value) {
  text($("choose-label"), value ? `Another ${field}` : word(field));
  $("choose").hidden = false;
  leads($("choose"), (typed) => `/teacher?${new URLSearchParams({ [field]: typed.value.trim() })}`);
}

/** Without a class in the address: those that the concepts are counted of, as links. */
async function showGroups(concepts, field) {
  text($("who"), `Which ${field}?`);
  tell("topology", "live");
  if (!concepts?.isOfGroup) return;
  const path = `stats/${encodeURIComponent(concepts.name)}?window=${concepts.windows.at(-1)}&limit=${ROWS}`;
  const { rows } = await ask(path).catch(() => ({ rows: [] }));
  const values = [...new Set(rows.map((row) => row.group[field]).filter(Boolean))].sort();
  $("groups").hidden = values.length === 0;
  $("group-list").append(
    ...values.map((is) =>
      el("li", {}, el("a", { href: `/teacher?${new URLSearchParams({ [field]: is })}` }, is)),
    ),
  );
}

function showConcepts(concepts, group) {
  const { count, right, learners } = measuresOf(concepts);
  const rest = concepts.measures.filter((name) => ![count, right, learners].includes(name));
  const hasShare = count && right;
  const share = ({ measures }) => (measures[count] ? measures[right] / measures[count] : Infinity);
  const name = (row) => row.group[concepts.concept] ?? "none";
  const inOrder = (a, b) => (hasShare && share(a) - share(b)) || name(a).localeCompare(name(b));
  $("by-concept").hidden = false;
  $("of-everyone").hidden = concepts.isOfGroup || !Object.keys(group).length;
  if (!hasShare) text($("concepts-head"), "By concept");

  const columns = [
    [word(concepts.concept), name, "name"],
    hasShare && ["Right", (row) => percent(row.measures[count] ? share(row) : null), "share"],
    ...[count, learners, ...rest]
      .filter(Boolean)
      .map((of) => [word(of), (row) => number(row.measures[of]), rest.includes(of) ? "more" : ""]),
  ].filter(Boolean);
  const caption = el("caption", { className: "unseen" }, "By concept");
  const body = el("tbody");
  const head = columns.map(([label, , className]) => el("th", { scope: "col", className }, label));
  $("concepts").append(caption, el("thead", {}, el("tr", {}, head)), body);

  const line = () =>
    el(
      "tr",
      {},
      columns.map(([, , className], at) =>
        at === 0
          ? el("th", { scope: "row", className })
          : el(
              "td",
              { className },
              el("span"),
              className === "share"
                ? el("span", { className: "meter", "aria-hidden": "true" })
                : null,
            ),
      ),
    );
  const draw = ({ state, answer }) => {
    // What another window showed stays until this one arrives: nothing jumps.
    if (state === "loading") return;
    const rows = answer?.rows ?? [];
    $("no-concepts").hidden = !answer || rows.length > 0;
    while (body.rows.length > rows.length) body.lastChild.remove();
    rows.forEach((row, at) => {
      const cells = (body.rows[at] ?? body.appendChild(line())).cells;
      columns.forEach(([, show, className], column) => {
        text(column === 0 ? cells[0] : cells[column].firstChild, show(row));
        if (className === "share")
          cells[column].style.setProperty("--share", percent(share(row)).replace(" ", ""));
      });
    });
  };

  const choose = (window) => {
    text(caption, `By concept: ${period(window).toLowerCase()}`);
    const query = new URLSearchParams({ window, limit: LEARNERS });
    if (concepts.isOfGroup) prefixed(group).forEach(([of, is]) => query.set(of, is));
    if (hasShare) query.set("order_by", `${right}/${count}`);
    follow("concepts", `stats/${encodeURIComponent(concepts.name)}?${query}`, draw, {
      sort: inOrder,
    });
  };
  const first = concepts.windows.includes("1d") ? "1d" : concepts.windows[0];
  $("windows").append(
    choice(
      "Window",
      "window",
      concepts.windows.map((of) => [of, period(of)]),
      first,
      choose,
    ),
  );
  choose(first);
}

function showBoard(points, group) {
  $("ranks").hidden = false;
  const by = points.field ? group : {};
  const note = points.field ? "" : ", of everyone";
  let limit = SHOWN;
  let chosen = points.periods[0];
  const choose = () =>
    followBoard(
      "board",
      $("board"),
      {
        bolt: points.name,
        by,
        period: chosen,
        limit,
        caption: period(chosen),
        labels: { member: "Learner", score: "Points" },
        link: (member) => learnerPage(member, group),
      },
      ({ state, answer }) => {
        const isEmpty = state === "empty" || answer?.size === 0;
        $("no-rows").hidden = !isEmpty;
        $("board").hidden = isEmpty;
        text(
          $("size"),
          answer
            ? `${number(answer.size)} ${answer.size === 1 ? "learner" : "learners"}${note}`
            : "",
        );
        $("more").hidden = !answer || answer.size <= answer.rows.length || limit === ROWS;
      },
    );
  $("periods").append(
    choice(
      "Period",
      "period",
      points.periods.map((of) => [of, period(of)]),
      chosen,
      (picked) => {
        chosen = picked;
        choose();
      },
    ),
  );
  $("more").firstChild.addEventListener("click", () => {
    limit = ROWS;
    choose();
  });
  choose();
}

async function members(points, group, name) {
  const query = new URLSearchParams([
    ["period", name],
    ["limit", ROWS],
    ...(points.field ? prefixed(group) : []),
  ]);
  const { rows, size } = await ask(`boards/${encodeURIComponent(points.name)}?${query}`);
  return { ids: rows.map((row) => row.member), size };
}

/** What is stored of some learners. */
async function learnersOf(ids) {
  const found = [];
  for (let at = 0; at < ids.length; at += LEARNERS) {
    const some = ids.slice(at, at + LEARNERS);
    found.push(...(await ask("learners", { learners: some })).rows);
  }
  return found;
}

/** Who is tired now, and who is on the board of all time and not on today's. */
async function showPeople(points, group) {
  const ever = await members(
    points,
    group,
    points.periods.includes("all") ? "all" : points.periods.at(-1),
  );
  const hasDay = points.periods.includes("day");
  const today = hasDay ? await members(points, group, "day") : ever;
  if (hasDay) {
    const begun = new Set(today.ids);
    const absent = ever.ids
      .filter((id) => !begun.has(id))
      .sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    $("absent").hidden = false;
    list($("absent-list"), absent, (id) => [link(id, group)]);
    const whole =
      ever.size > ROWS || today.size > ROWS
        ? ` Only the first ${number(ROWS)} of each board are compared.`
        : "";
    text(
      $("absent-note"),
      `${absent.length ? `${absent.length} of ${number(ever.size)} have answered before, and not today.` : ever.size ? "Everyone who ever answered has answered today." : "Nobody has answered yet."}${whole}`,
    );
  }
  let learners;
  try {
    learners = await learnersOf(today.ids);
  } catch (problem) {
    // A token for the boards alone: the page does without.
    if (!(problem instanceof Problem) || problem.status !== 403) throw problem;
    return;
  }
  const now = Date.now();
  const tired = learners
    .flatMap(({ learner, fatigue }) =>
      fatigue.filter((of) => of.tired && now - of.at < TIRED_MS).map((of) => ({ learner, ...of })),
    )
    .sort((a, b) => b.score - a.score);
  $("tired").hidden = false;
  list($("tired-list"), tired, (of) => [
    link(of.learner, group),
    el(
      "span",
      { className: "quiet" },
      now - of.at < 60_000 ? "answering now" : `last answer ${span(now - of.at)} ago`,
    ),
  ]);
  text(
    $("tired-note"),
    tired.length
      ? "A signal from accuracy and speed within the last hour. It is no diagnosis."
      : "Nobody seems tired.",
  );
}

const link = (id, group) => el("a", { href: learnerPage(id, group) }, id);

/** Draws a list again only where it differs, so that focus and reading place stay. */
function list(target, items, draw) {
  const key = JSON.stringify(items.map((item) => item.learner ?? item));
  if (target.dataset.key === key) {
    items.forEach((item, at) => {
      const [, note] = draw(item);
      if (note) text(target.children[at].lastChild, note.textContent);
    });
    return;
  }
  target.dataset.key = key;
  target.replaceChildren(...items.map((item) => el("li", {}, draw(item))));
}
