//! Switches of plans, one after another, and what each leaves behind.

use super::*;
use crate::store::Announcement;
use tallyd_topology::parse;

const BASE: &str = r#"
name = "t"
[source.s]
key = "user"
id = "id"
[source.s.fields]
id = "string"
user = "string"
[bolt.agg]
type = "aggregate"
from = "s"
windows = ["1h"]
[bolt.agg.measures]
n = "count"
"#;

const BOARD: &str = r#"
[bolt.board]
type = "leaderboard"
from = "s"
member = "user"
score = "count"
"#;

fn topology(text: &str) -> Topology {
    parse("t.toml", text, &|_| None).unwrap()
}

fn at(now: i64, waiting_since: Option<i64>) -> Moment {
    Moment { now, waiting_since, begun: true }
}

/// One plan after another, at 100, 200, 300 ….
fn plans(files: &[String]) -> Plan {
    let first = Moment { begun: false, ..at(0, None) };
    let mut plan: Option<Plan> = None;
    for (moment, file) in std::iter::once(first).chain((1..).map(|n| at(n * 100, None))).zip(files)
    {
        let inputs = BTreeMap::new();
        plan = Some(Plan::after(plan.as_ref(), &topology(file), inputs, "w", moment));
    }
    plan.unwrap()
}

fn gap(from: Option<i64>, to: Option<i64>) -> Gap {
    Gap { from, to }
}

#[test]
fn what_was_there_from_the_beginning_missed_nothing() {
    let both = format!("{BASE}{BOARD}");
    assert_eq!(plans(&[both.clone(), both.clone()]).gaps, BTreeMap::new());
    // Nothing was processed before the second plan, so that nothing was missed.
    let first = plans(&[BASE.to_owned()]);
    let quiet = Moment { begun: false, ..at(1, None) };
    let second = Plan::after(Some(&first), &topology(&both), BTreeMap::new(), "w", quiet);
    assert_eq!(second.gaps, BTreeMap::new());
    assert_eq!(second.generation, 2);
}

#[test]
fn a_bolt_that_was_only_there_before_the_first_event_is_new_when_it_comes_back() {
    let both = topology(&format!("{BASE}{BOARD}"));
    let quiet = Moment { begun: false, ..at(1, None) };
    let plan = Plan::after(None, &both, BTreeMap::new(), "w", quiet);
    let plan = Plan::after(Some(&plan), &topology(BASE), BTreeMap::new(), "w", quiet);
    assert_eq!(plan.gaps, BTreeMap::new());
    let plan = Plan::after(Some(&plan), &both, BTreeMap::new(), "w", at(500, None));
    assert_eq!(plan.gaps["board"], [gap(None, Some(500))]);
}

#[test]
fn a_bolt_that_is_left_out_misses_events_until_it_is_back() {
    let (without, with) = (BASE.to_owned(), format!("{BASE}{BOARD}"));
    let plan = plans(&[with.clone(), without.clone()]);
    assert_eq!(plan.gaps["board"], [gap(Some(100), None)]);
    let plan = plans(&[with.clone(), without.clone(), with.clone()]);
    assert_eq!(plan.gaps["board"], [gap(Some(100), Some(200))]);
    let plan = plans(&[with.clone(), without.clone(), with.clone(), without.clone()]);
    assert_eq!(plan.gaps["board"], [gap(Some(100), Some(200)), gap(Some(300), None)]);
    // Those that waited when it was left out are missed too.
    let first = plans(std::slice::from_ref(&with));
    let waited = at(100, Some(40));
    let plan = Plan::after(Some(&first), &topology(&without), BTreeMap::new(), "w", waited);
    assert_eq!(plan.gaps["board"], [gap(Some(40), None)]);
    let said: Vec<_> = plan.gaps_of("board").map(|(unit, gap)| (unit.as_str(), *gap)).collect();
    assert_eq!(said, [("board", gap(Some(40), None))]);
    assert_eq!(plan.gaps_of("boa").count(), 0);
}

#[test]
fn what_is_new_says_since_when() {
    let with = format!("{BASE}{BOARD}");
    assert_eq!(plans(&[BASE.to_owned(), with.clone()]).gaps["board"], [gap(None, Some(100))]);
    let measure = BASE.replace("n = \"count\"", "n = \"count\"\nusers = \"distinct(user)\"");
    let plan = plans(&[BASE.to_owned(), measure.clone()]);
    assert_eq!(plan.gaps.len(), 1);
    assert_eq!(plan.gaps["agg.measures.users"], [gap(None, Some(100))]);
    let window = BASE.replace("[\"1h\"]", "[\"1h\", \"1d\"]");
    let plan = plans(&[BASE.to_owned(), window]);
    assert_eq!(plan.gaps["agg.windows: \"1d\""], [gap(None, Some(100))]);
    // A bolt that comes back with something new: what is new begins now.
    let other = with.replace("score = \"count\"", "score = \"count\"\nboards = [[], [\"user\"]]");
    let plan = plans(&[with, BASE.to_owned(), other]);
    assert_eq!(plan.gaps["board"], [gap(Some(100), Some(200))]);
    assert_eq!(plan.gaps["board.boards: [\"user\"]"], [gap(None, Some(200))]);
    // A measure that goes and comes back.
    let plan = plans(&[measure.clone(), BASE.to_owned(), measure]);
    assert_eq!(plan.gaps["agg.measures.users"], [gap(Some(100), Some(200))]);
}

#[test]
fn many_gaps_become_fewer_and_none_is_forgotten() {
    let with = format!("{BASE}{BOARD}");
    let files: Vec<String> =
        (0..101).map(|n| if n % 2 == 0 { with.clone() } else { BASE.to_owned() }).collect();
    let gaps = &plans(&files).gaps["board"];
    assert!(gaps.len() <= MOST_GAPS, "{gaps:?}");
    assert_eq!(gaps.first().unwrap().from, Some(100));
    assert_eq!(gaps.last().unwrap().to, Some(10_000));
}

#[test]
fn a_worker_waits_for_those_that_run_another_plan() {
    let worker = |id: &str, plan: &str| {
        let worker = Announcement { id: id.into(), plan: plan.into(), ..Announcement::default() };
        (worker, 0)
    };
    let mut view = View {
        workers: vec![worker("a", "old"), worker("b", "old"), worker("c", "new")],
        ..View::default()
    };
    assert_eq!(stand(&view, "new", |_| true), Stand::Switch);
    view.generation = Some(token("old", 3, 7));
    assert_eq!(stand(&view, "old", |_| true), Stand::Run);
    assert_eq!(stand(&view, "new", |_| true), Stand::Wait(vec!["a".into(), "b".into()]));
    assert_eq!(stand(&view, "new", |id| id != "a"), Stand::Wait(vec!["b".into()]));
    assert_eq!(stand(&view, "new", |id| id == "c"), Stand::Switch);
}
