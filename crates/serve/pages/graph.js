/*
 * The topology as a graph, drawn as SVG: sources, bolts and sinks, with rates and lag on the edges.
 * Every bolt reads from one node, so the graph is a forest. A wide page shows it from left to
 * right; a narrow one as an indented list. What moves is written into the drawing that is there.
 */
import { el, rate, short, span, text } from "/page.js";

const NS = "http://www.w3.org/2000/svg";
/** Lag, in seconds, from which an edge warns. */
const SLOW = 5;

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Draws into an element; the function that is returned is called with each status. */
export function graph(target, topology) {
  const nodes = forest(topology);
  let drawn = new Map();
  let last;
  const draw = () => {
    // One unit is a pixel of a root of 16 px: the drawing grows with the text of the page.
    const unit = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const width = target.clientWidth / unit;
    if (width <= 0) return;
    const fit = columns(nodes, width);
    const isWide = fit.fits;
    const height = isWide ? wide(nodes, fit) : narrow(nodes, width);
    drawn = new Map();
    const labels = svg("g");
    const words = `${topology.name}: ${nodes.length} nodes. The table below has the same figures.`;
    target.replaceChildren(
      svg(
        "svg",
        {
          viewBox: `0 0 ${width} ${height}`,
          width: width * unit,
          height: height * unit,
          role: "img",
          "aria-label": words,
        },
        ...nodes.map((node) => edge(node, isWide, drawn, labels)),
        labels,
        ...nodes.map((node) => box(node, drawn)),
      ),
    );
    if (last) update(last);
  };
  const update = (status) => {
    last = status;
    for (const of of status.nodes) show(drawn.get(of.name), of);
  };
  new ResizeObserver(draw).observe(target);
  return update;
}

/** The nodes in the order of a walk, each with its depth and what is below it. */
function forest({ nodes }) {
  const all = nodes.map((node) => ({ ...node, below: [] }));
  for (const node of all) {
    for (const sink of node.sinks ?? [])
      node.below.push({ name: sink, type: "sink", from: node.name, below: [] });
  }
  const named = new Map(all.map((node) => [node.name, node]));
  for (const node of all) named.get(node.from)?.below.unshift(node);
  const ordered = [];
  const walk = (node, depth, parent) => {
    ordered.push(Object.assign(node, { depth, parent }));
    node.below.sort(
      (a, b) =>
        nodes.findIndex((of) => of.name === a.name) - nodes.findIndex((of) => of.name === b.name),
    );
    node.below.forEach((child) => walk(child, depth + 1, node));
  };
  all.filter((node) => !named.has(node.from)).forEach((node) => walk(node, 0));
  return ordered;
}

/** What a wide drawing needs: a stub before the sources, and figures on each edge but a sink's. */
const [FIRST, FIGURES, PLAIN, LEAST, MOST] = [104, 116, 44, 116, 230];

/** The widths of the gaps before each column, and of a box, if all of it fits. */
function columns(nodes, width) {
  const deepest = Math.max(...nodes.map((node) => node.depth));
  const gaps = [];
  for (let depth = 0; depth <= deepest; depth += 1) {
    const hasFigures = nodes.some((node) => node.depth === depth && node.type !== "sink");
    gaps.push(depth === 0 ? FIRST : hasFigures ? FIGURES : PLAIN);
  }
  const room = width - gaps.reduce((sum, gap) => sum + gap, 0);
  const w = Math.min(MOST, room / gaps.length);
  // What is left over makes the edges longer.
  const more = deepest > 0 ? Math.max(0, room - w * gaps.length) / deepest : 0;
  return { gaps: gaps.map((gap, depth) => gap + (depth ? more : 0)), w, fits: w >= LEAST };
}

/** Left to right: leaves one below the other, and each node in the middle of what reads from it. */
function wide(nodes, { gaps, w }) {
  const [tall, gap] = [46, 18];
  let next = 2;
  const place = (node) => {
    node.below.forEach(place);
    if (node.below.length) {
      node.y = (node.below[0].y + node.below.at(-1).y) / 2;
    } else {
      node.y = next;
      next += tall + gap;
    }
    const x = gaps.slice(0, node.depth + 1).reduce((sum, one) => sum + one, node.depth * w);
    Object.assign(node, { x, w: w - 2, h: tall });
  };
  nodes.filter((node) => !node.parent).forEach(place);
  return next - gap + 4;
}

/** One below the other, indented by depth; figures stand under the names. */
function narrow(nodes, width) {
  const [gap, indent] = [10, 20];
  let next = 2;
  for (const node of nodes) {
    const x = node.depth * indent + 1;
    Object.assign(node, {
      x,
      y: next,
      w: Math.min(width, 560) - x - 2,
      h: node.type === "sink" ? 44 : 62,
    });
    next += node.h + gap;
  }
  return next;
}

function edge(node, isWide, drawn, labels) {
  const { x, y, h, w, parent } = node;
  const middle = y + h / 2;
  let d;
  if (isWide) {
    const [from, at] = parent ? [parent.x + parent.w, parent.y + parent.h / 2] : [0, middle];
    // The last stretch is straight: it carries the figures.
    const bend = parent ? Math.max(from + 16, x - 98) : from;
    const half = (from + bend) / 2;
    d = `M${from} ${at}C${half} ${at} ${half} ${middle} ${bend} ${middle}H${x}`;
  } else {
    d = parent ? `M${parent.x + 10} ${parent.y + parent.h}V${middle}H${x}` : `M${x} ${middle}H${x}`;
  }
  const line = svg("path", { d, class: "edge" });
  if (node.type !== "sink") {
    const at = isWide ? { x: x - 8, "text-anchor": "end" } : { x: x + 12 };
    const speed = svg("text", {
      ...at,
      y: isWide ? middle - 6 : y + 52,
      class: `rate${isWide ? " on-edge" : ""}`,
    });
    const lag = svg("text", {
      ...at,
      y: isWide ? middle + 16 : y + 52,
      class: `lag${isWide ? " on-edge" : ""}`,
    });
    if (!isWide) {
      lag.setAttribute("x", x + w - 12);
      lag.setAttribute("text-anchor", "end");
    }
    // On a narrow page they lie upon the box, and are drawn with it.
    drawn.set(node.name, { line, speed, lag, isWide });
    if (isWide) labels.append(speed, lag);
  }
  return line;
}

function box(node, drawn) {
  const { x, y, w, h, type } = node;
  const parts = drawn.get(node.name);
  const most = Math.max(6, Math.floor((w - 20) / 8.6));
  const name = node.name.length > most ? `${node.name.slice(0, most - 1)}…` : node.name;
  const kind = svg("text", { x: x + 12, y: y + 35, class: "kind" }, type);
  const made = svg(
    "g",
    { class: `node ${type}` },
    svg("title", {}, node.name),
    svg("rect", { x, y, width: w, height: h, rx: type === "sink" ? h / 2 : 7 }),
    svg("text", { x: x + 12, y: y + 19, class: "name" }, name),
    kind,
  );
  if (parts) {
    Object.assign(parts, { made, kind, type });
    if (!parts.isWide) made.append(parts.speed, parts.lag);
  }
  return made;
}

/** Writes what is now into a node and the edge that leads to it. */
function show(parts, of) {
  if (!parts) return;
  const { HALTED: halted = 0, nobody = 0 } = of.owners;
  const trouble = halted
    ? `${halted} HALTED`
    : nobody
      ? `${nobody} of ${of.partitions}: nobody`
      : "";
  text(parts.kind, trouble || parts.type);
  parts.made.classList.toggle("trouble", trouble !== "");
  const slow = isSlow(of);
  parts.line.classList.toggle("slow", slow);
  parts.lag.classList.toggle("slow", slow);
  parts.line.classList.toggle("flows", of.events_per_second > 0);
  parts.line.setAttribute("stroke-width", (1.2 + Math.log10(1 + of.events_per_second)).toFixed(2));
  text(parts.speed, rate(of.events_per_second));
  // A fused bolt takes what its host takes in one step: it has no lag of its own.
  text(parts.lag, of.fused_with ? "fused" : lagWords(of));
}

/** How far behind a node is: entries, and for how long the oldest of them has waited. */
export function lagWords({ lag_entries: entries, lag_seconds: seconds }) {
  if (entries === null || entries === undefined) return "unknown";
  if (!entries) return "no lag";
  return seconds >= 0.1
    ? `${short(entries)} · ${span(seconds * 1000)}`
    : `${short(entries)} behind`;
}

/** Whether a node's lag warns. */
export const isSlow = (of) => of.lag_seconds >= SLOW;

/** A key to the drawing, for those who see it. */
export const legend = () =>
  el(
    "p",
    { className: "quiet" },
    "Each edge says how many events a second it carries, and how far its reader is behind (entries, and how long the oldest has waited). A fused bolt works in one step with the bolt that it reads from.",
  );
