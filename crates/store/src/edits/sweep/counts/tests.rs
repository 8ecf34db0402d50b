//! Which events were counted, by what decided it when they came.

use super::*;
use tallyd_event::{EntryId, Value};

const FILE: &str = r#"
name = "t"
partitions = 4
[source.s]
id = "id"
key = "user"
retain = "forever"
[source.s.fields]
id = "string"
user = "string"
class = "string"
points = "int"
[bolt.unique]
type = "dedup"
from = "s"
window = "8s"
[bolt.classes]
type = "aggregate"
from = "unique"
by = ["class"]
windows = ["all"]
measures = { points = "sum(points)" }
[bolt.sent]
type = "aggregate"
from = "s"
windows = ["all"]
measures = { n = "count" }
"#;
/// A time at which servers have clocks.
const BASE: i64 = 1_795_832_000_000;

fn event(id: &str, second: i64) -> Event {
    let texts = [id, "ann", "c1"].map(|text| Value::Str(text.into()));
    let values = texts.into_iter().chain([Value::Int(5)]).collect();
    Event::new(EntryId { ms: (BASE + second * 1000) as u64, seq: 0 }, 0, values)
}

/// By bolt, at which seconds the events came that are taken out, and how many stay for a reason.
fn judge(plan: &Plan, dead: &str, events: &[(&str, i64)]) -> BTreeMap<String, String> {
    let topology = tallyd_topology::parse("t.toml", FILE, &|_| None).unwrap();
    let is_dead = |name: &SmolStr| name == dead;
    let counts = Counts::new(&topology, ("user", true), (plan, [1; 16]), is_dead);
    let events: Vec<Event> = events.iter().map(|(id, second)| event(id, *second)).collect();
    let (mut seen, mut said) = (BTreeMap::new(), BTreeMap::new());
    // In pages of one: what is known goes on from one to the next.
    for event in &events {
        let of = [Of { event, own: true }];
        let judged = counts.judge((0, &of), &mut seen, BASE + 1_000_000);
        for ((way, _), taken) in judged.taken {
            let name = counts.ways[way].node.name.to_string();
            for event in taken {
                assert!(event.taken_back && event.values[0].is_null());
                let second = (event.arrived - BASE) / 1000;
                *said.entry(name.clone()).or_insert(String::new()) += &format!("{second} ");
            }
        }
        for ((way, why), count) in judged.kept {
            let name = counts.ways[way].node.name.to_string();
            *said.entry(name).or_insert(String::new()) += &format!("{}={count} ", why.name());
        }
    }
    said
}

fn said(pairs: [(&str, &str); 2]) -> BTreeMap<String, String> {
    pairs.map(|(bolt, said)| (bolt.to_owned(), said.to_owned())).into()
}

#[test]
fn what_a_dedup_bolt_dropped_is_not_taken_out() {
    let plan = Plan::default();
    let events = [("a", 0), ("a", 3), ("b", 4), ("a", 8), ("a", 9), ("a", 12), ("a", 18)];
    // A bucket is 1 s here, and an identity meets those of 8 more: the third time that "a" passes
    // is 9 after the second.
    let expected = said([("classes", "0 4 9 18 "), ("sent", "0 3 4 8 9 12 18 ")]);
    assert_eq!(judge(&plan, "", &events), expected);
}

#[test]
fn what_may_not_have_counted_stays_and_is_said() {
    let gap = |from: Option<i64>, to: Option<i64>| Gap {
        from: from.map(|second| BASE + second * 1000),
        to: to.map(|second| BASE + second * 1000),
    };
    let with = |unit: &str, gap: Gap| {
        let gaps = [(SmolStr::from(unit), vec![gap])].into();
        Plan { gaps, ..Plan::default() }
    };
    let events = [("a", 0), ("b", 5), ("a", 6), ("c", 20)];
    let some = with("classes.measures.points", gap(None, Some(5)));
    let expected = said([("classes", "gap=1 gap=1 20 "), ("sent", "0 5 6 20 ")]);
    assert_eq!(judge(&some, "", &events), expected);
    // Of the dedup bolt: whether it knew "a" when that came again is not known either.
    let unique = with("unique", gap(Some(-1), Some(5)));
    let expected = said([("classes", "gap=1 gap=1 gap=1 20 "), ("sent", "0 5 6 20 ")]);
    assert_eq!(judge(&unique, "", &events), expected);
    let source = with("s.retain", gap(None, Some(5)));
    let all = said([("classes", "0 5 20 "), ("sent", "0 5 6 20 ")]);
    assert_eq!(judge(&source, "", &events), all);
    assert_eq!(judge(&with("classes.measures.gone", gap(Some(0), None)), "", &events), all);
    let dead = said([("classes", "dead=1 dead=1 dead=1 "), ("sent", "0 5 6 20 ")]);
    assert_eq!(judge(&Plan::default(), "classes", &events), dead);
    // Of entries that are ahead of the clock, it is not known when they came.
    let ahead = said([("classes", "clock=1 "), ("sent", "clock=1 ")]);
    assert_eq!(judge(&Plan::default(), "", &[("a", 2_000)]), ahead);
}
