/*
 * The first page: its forms lead to the pages of a learner and of a class. The policy of the pages
 * forbids that forms are sent, so the addresses are made here.
 */
import { $, ask, leads, learnerPage, stateOf, tell, text } from "/page.js";

leads($("to-learner"), (typed) =>
  learnerPage(typed.learner.trim(), typed.class ? { class: typed.class.trim() } : {}),
);
leads(
  $("to-teacher"),
  (typed) =>
    `/teacher${typed.class ? `?${new URLSearchParams({ class: typed.class.trim() })}` : ""}`,
);

// Who may not see the topology may still go on to a page with a token of its own.
ask("topology").then(
  ({ name }) => (text($("topology"), name), tell("topology", "live")),
  (problem) => tell("topology", stateOf(problem) === "offline" ? "offline" : "live"),
);
