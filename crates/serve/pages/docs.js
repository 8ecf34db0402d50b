/*
 * Draws /openapi.json: every path with its parameters, every shape, every problem. A problem's
 * `type` leads to its place on this page.
 */
function el(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** The name of a type, such as `integer`, `BoardRow` or `list of BoardRow`. */
function kind(schema = {}) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.oneOf ?? schema.anyOf) return (schema.oneOf ?? schema.anyOf).map(kind).join(" or ");
  if (schema.items && schema.items !== true) return `list of ${kind(schema.items)}`;
  if (schema.enum) return schema.enum.join(", ");
  return [schema.type ?? "any value"].flat().join(" or ");
}

function rows(head, lines) {
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...head.map((word) => el("th", { scope: "col", textContent: word })))));
  const body = el("tbody");
  for (const line of lines) body.append(el("tr", {}, ...line.map((cell) => el("td", {}, cell ?? ""))));
  table.append(body);
  return el("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: head.join(", ") }, table);
}

const code = (text) => el("code", { textContent: text });

function path(name, methods) {
  return Object.entries(methods).map(([method, operation]) => {
    const card = el("section", { className: "card" }, el("h2", {}, code(`${method.toUpperCase()} ${name}`)));
    card.append(el("p", { textContent: operation.summary }));
    if (operation.parameters.length > 0) {
      const line = (one) => [code(one["x-written-as"] ?? one.name), kind(one.schema), one.description ?? "in the path"];
      card.append(rows(["parameter", "type", "meaning"], operation.parameters.map(line)));
    }
    const bodies = Object.entries(operation.requestBody?.content ?? {});
    const written = ([type, { schema }]) => (type === "application/json" && schema.$ref ? kind(schema) : type);
    if (bodies.length) card.append(el("p", {}, "Body: ", code(bodies.map(written).join(", "))));
    const [type, content] = Object.entries(operation.responses[200].content ?? {})[0] ?? [];
    if (type) card.append(el("p", {}, "Answer: ", code(type === "application/json" ? kind(content.schema) : type)));
    return card;
  });
}

function shape(name, schema) {
  const line = ([member, one]) => [code(member), kind(one), one.description ?? ""];
  const block = el("section", { id: name }, el("h3", {}, code(name)));
  if (schema.description) block.append(el("p", { textContent: schema.description }));
  block.append(rows(["member", "type", "meaning"], Object.entries(schema.properties ?? {}).map(line)));
  return block;
}

const document_ = await (await fetch("/openapi.json")).json();
document.getElementById("about").prepend(`${document_.info.description} `);
const paths = Object.entries(document_.paths).filter(([name]) => !name.endsWith("/live") || name === "/v1/live");
document.getElementById("paths").append(...paths.flatMap(([name, methods]) => path(name, methods)));
const live = Object.keys(document_.paths).filter((name) => name.endsWith("}/live"));
document.getElementById("paths").append(
  el("section", { className: "card" }, el("h2", { textContent: "Live" }),
    el("p", { textContent: "These are streams of Server-Sent Events: snapshot, then delta, heartbeat, problem, resumed, reset." }),
    el("ul", {}, ...live.map((name) => el("li", {}, code(`GET ${name}`))))));
const shapes = Object.entries(document_.components.schemas);
document.getElementById("shapes").append(...shapes.map(([name, schema]) => shape(name, schema)));
for (const { code: name, status, title } of document_["x-problems"]) {
  document.getElementById("problems").append(
    el("dt", { id: name }, code(name)), el("dd", { textContent: `${status}: ${title}` }));
}
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
