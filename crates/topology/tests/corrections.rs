//! Corrected events through a whole topology: any mix of events, corrections and retractions, in any
//! order and any batches, and twice, leaves what a plain recount of the latest versions gives.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::{Batch, Bolt, Key, calendar::Length, memory::Memory};
use tallyd_event::{EntryId, Event, Schema, Value, frame};
use tallyd_topology::{NodeKind, Topology, parse};

const FILE: &str = r#"
name = "regrade"
partitions = 2
time_zone = "Asia/Kolkata"
[source.s]
id = "id"
key = "user"
time = "at"
[source.s.fields]
id = "string"
user = "string"
question = "string"
class = { type = "string", optional = true }
points = { type = "int", optional = true }
price = "float"
right = "bool"
gone = "bool"
at = "time"
[bolt.latest]
type = "latest"
from = "s"
key = ["user", "question"]
fields = ["class", "points", "price", "right"]
retract = "gone"
window = "365d"
[bolt.figures]
type = "aggregate"
from = "latest"
by = ["class"]
windows = [{ length = "1d", retain = "forever" }, "all"]
grace = "forever"
measures = { n = "count(user)", right = "count(right)", points = "sum(points)", prices = "sum(price)", mean = "mean(points)" }
[bolt.board]
type = "leaderboard"
from = "latest"
member = "user"
score = "sum(points)"
boards = [[], ["class"]]
periods = [{ period = "day", retain = "forever" }, "all"]
grace = "forever"
[bolt.prices]
type = "leaderboard"
from = "latest"
member = "class"
score = "sum(price)"
[bolt.count]
type = "leaderboard"
from = "latest"
member = "question"
score = "count"
[bolt.kept]
type = "latest"
from = "s"
key = ["question", "user"]
window = "365d"
[bolt.last]
type = "leaderboard"
from = "kept"
member = "user"
score = "last(price)"
[bolt.lasts]
type = "aggregate"
from = "kept"
by = ["user"]
windows = ["all"]
measures = { last = "last(price)", n = "count" }
"#;

/// When the first event arrives, in ms; the times of all are within two days before.
const T: i64 = 1_800_000_000_000;
const HOUR: i64 = 3_600_000;

/// What a producer sends.
#[derive(Clone, Debug)]
struct Sent {
    id: String,
    user: u8,
    question: u8,
    class: Option<u8>,
    points: Option<i64>,
    cents: i32,
    right: bool,
    gone: bool,
    at: i64,
}

impl Sent {
    fn user(&self) -> String {
        format!("u{}", self.user)
    }

    fn key(&self) -> (u8, u8) {
        (self.user, self.question)
    }

    fn price(&self) -> f64 {
        f64::from(self.cents) / 100.0
    }

    fn event(&self, arrived: i64) -> Event {
        let text = |text: String| Value::Str(text.into());
        let values = vec![
            text(self.id.clone()),
            text(self.user()),
            text(format!("q{}", self.question)),
            self.class.map_or(Value::Null, |class| text(format!("c{class}"))),
            self.points.map_or(Value::Null, Value::Int),
            Value::Float(self.price()),
            Value::Bool(self.right),
            Value::Bool(self.gone),
            Value::Int(self.at),
        ];
        Event::new(EntryId { ms: arrived as u64, seq: 0 }, 0, values)
    }
}

fn topology() -> Topology {
    parse("t.toml", FILE, &|_| None).unwrap()
}

/// Events as a task takes them: through frames, one partition behind the other.
fn frames(schema: &Schema, events: &[Event], partition: impl Fn(&Event) -> u16) -> Vec<Event> {
    let of = |wanted| events.iter().filter(|event| partition(event) == wanted).collect::<Vec<_>>();
    let sent = |events| frame::decode(schema, &frame::encode(schema, events).unwrap()).unwrap();
    (0..2).flat_map(|wanted| sent(of(wanted))).collect()
}

/// Runs a bolt on batches that are cut where `cuts` says. A batch may be given up and be run again
/// with another end: as after a crash.
fn batches(
    bolt: &dyn Bolt,
    schema: &Schema,
    events: &[Event],
    cuts: &[u8],
) -> (Memory, Vec<Event>) {
    let (mut memory, mut emits, mut rest) = (Memory::default(), Vec::new(), events);
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let end = usize::from(*cut % 16 + 1).min(rest.len());
        let batch = Batch { schema, events: &rest[..end], now: T };
        if *cut > 200 {
            bolt.process(&batch, &memory.state(|reads| bolt.reads(&batch, reads)));
            continue;
        }
        let effects = memory.run(bolt, &batch);
        assert_eq!(effects.rejects, []);
        emits.extend(effects.emits);
        rest = &rest[end..];
    }
    (memory, emits)
}

/// What every bolt stores.
fn run(topology: &Topology, events: Vec<Event>, cuts: &[u8]) -> BTreeMap<String, Memory> {
    let mut emitted = vec![events];
    let mut stored = BTreeMap::new();
    for (place, node) in topology.nodes.iter().enumerate().skip(1) {
        let NodeKind::Bolt(of) = &node.kind else { unreachable!() };
        let schema = &topology.nodes[of.from].schema;
        let key = topology.partitioned_by(place).unwrap();
        let input = frames(schema, &emitted[of.from], |e| key.partition(schema, e, 2));
        let bolt = topology.bolt(node, [7; 16]).unwrap();
        let (memory, emits) = batches(&*bolt, schema, &input, cuts);
        emitted.push(emits);
        stored.insert(node.name.to_string(), memory);
    }
    stored
}

/// The latest version of each key: those that are left of what was sent.
fn latest(sent: &[Sent]) -> Vec<&Sent> {
    let mut latest: BTreeMap<(u8, u8), &Sent> = BTreeMap::new();
    for one in sent {
        let kept = latest.entry(one.key()).or_insert(one);
        if (one.at, &one.id) > (kept.at, &kept.id) {
            *kept = one;
        }
    }
    latest.into_values().collect()
}

/// The sorted sets of a board, as a plain recount gives them.
fn boards<'a>(
    of: impl Iterator<Item = (Vec<String>, String, f64)> + 'a,
) -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut boards: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for (names, member, score) in of {
        for name in names {
            *boards.entry(name).or_default().entry(member.clone()).or_default() += score;
        }
    }
    boards
}

fn scores(memory: &Memory) -> BTreeMap<String, BTreeMap<String, f64>> {
    let member = |(name, score): (&smol_str::SmolStr, &f64)| (name.to_string(), *score);
    let of = memory.scores.iter();
    of.map(|(key, set)| (key.as_str().to_owned(), set.iter().map(member).collect())).collect()
}

fn check(topology: &Topology, sent: &[Sent], stored: &BTreeMap<String, Memory>) {
    let left: Vec<&Sent> = latest(sent).into_iter().filter(|one| !one.gone).collect();
    let day = |at| topology.calendar.window(Length::Day, at).label.to_string();
    let class = |one: &Sent| one.class.map(|class| format!("class=c{class}"));
    let of_board = left.iter().filter_map(|one| {
        let groups = [Some("everyone".to_owned()), class(one)].into_iter().flatten();
        let keys = groups.flat_map(|group| {
            [format!("board:day:{}:{group}", day(one.at)), format!("board:all:all:{group}")]
        });
        Some((keys.collect(), one.user(), one.points? as f64))
    });
    assert_eq!(scores(&stored["board"]), boards(of_board));
    let everyone = || vec!["board:all:all:everyone".to_owned()];
    // Sums of cents are exact as whole numbers, and rounded once.
    let of_prices = left
        .iter()
        .filter_map(|one| Some((everyone(), format!("c{}", one.class?), f64::from(one.cents))));
    let mut prices = boards(of_prices);
    prices.values_mut().flatten().for_each(|(_, cents)| *cents /= 100.0);
    let mut found = scores(&stored["prices"]);
    found.values_mut().flatten().for_each(|(_, sum)| *sum = (*sum * 100.0).round() / 100.0);
    assert_eq!(found, prices);
    let of_count = left.iter().map(|one| (everyone(), format!("q{}", one.question), 1.0));
    assert_eq!(scores(&stored["count"]), boards(of_count));
    figures(&left, &stored["figures"], day);

    // The bolt that retracts nothing takes all for versions.
    let mut last: BTreeMap<String, (i64, f64)> = BTreeMap::new();
    for one in latest(sent) {
        let of = last.entry(one.user()).or_insert((i64::MIN, 0.0));
        if one.at >= of.0 {
            *of = (one.at, one.price());
        }
    }
    let by_user: BTreeMap<String, f64> = last.into_iter().map(|(user, (_, p))| (user, p)).collect();
    let found = scores(&stored["last"]).remove("board:all:all:everyone").unwrap_or_default();
    assert_eq!(found, by_user);
    for (user, price) in &by_user {
        let hash =
            &stored["lasts"].hashes[&Key::new(&["window", "all", "all", &format!("user={user}")])];
        assert_eq!(hash["last"], format!("{price:?}").into_bytes());
        let n = latest(sent).iter().filter(|one| one.user() == *user).count();
        assert_eq!(hash["n"], n.to_string().into_bytes());
    }
}

fn figures(left: &[&Sent], memory: &Memory, day: impl Fn(i64) -> String) {
    let mut groups: BTreeMap<String, Vec<&Sent>> = BTreeMap::new();
    for one in left {
        let group = one.class.map_or("class".to_owned(), |class| format!("class=c{class}"));
        for window in [format!("1d:{}", day(one.at)), "all:all".to_owned()] {
            groups.entry(format!("{window}:{group}")).or_default().push(one);
        }
    }
    let listed: BTreeSet<String> = memory
        .members
        .iter()
        .filter(|(key, _)| key.as_str().starts_with("groups:"))
        .flat_map(|(key, groups)| groups.iter().map(|g| format!("{}:{g}", key.as_str())))
        .map(|name| name.trim_start_matches("groups:").to_owned())
        .collect();
    assert_eq!(listed, groups.keys().cloned().collect());
    assert_eq!(memory.hashes.len(), groups.len());
    for (name, of) in groups {
        let parts: Vec<&str> = std::iter::once("window").chain(name.split(':')).collect();
        let hash = &memory.hashes[&Key::new(&parts)];
        let field =
            |name: &str| hash.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let points: Vec<i64> = of.iter().filter_map(|one| one.points).collect();
        let sum = (!points.is_empty()).then(|| points.iter().sum::<i64>().to_string());
        assert_eq!(field("n"), Some(of.len().to_string()));
        let right = of.iter().filter(|one| one.right).count();
        assert_eq!(field("right"), Some(right.to_string()));
        assert_eq!((field("points"), field("mean.sum")), (sum.clone(), sum));
        let count = field("mean.count").unwrap_or_default();
        assert_eq!(count.parse().unwrap_or(0), points.len());
        let prices: f64 = field("prices").unwrap().parse().unwrap();
        let cents: i32 = of.iter().map(|one| one.cents).sum();
        assert_eq!((prices * 100.0).round() as i32, cents);
    }
}

fn sent() -> impl Strategy<Value = Vec<Sent>> {
    let one = (
        (0u8..3, 0u8..3, 0i64..8),
        (prop::option::of(0u8..2), prop::option::weighted(0.8, -5i64..20), -500i32..500),
        (any::<bool>(), prop::bool::weighted(0.15), 0u8..50),
    );
    prop::collection::vec(one, 0..60).prop_map(|all| {
        let sent = |(number, (key, values, flags)): (usize, ((u8, u8, i64), _, _))| {
            let ((user, question, at), (class, points, cents)) = (key, values);
            let (right, gone, order): (bool, bool, u8) = flags;
            let id = format!("{order:02}-{number}");
            // No two of a user happen at one time, unless they are versions of one answer.
            let at = T - 6 * HOUR * at - i64::from(question);
            Sent { id, user, question, class, points, cents, right, gone, at }
        };
        all.into_iter().enumerate().map(sent).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_order_any_batches_and_twice_is_a_recount_of_the_latest(
        sent in sent(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        cuts in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let topology = topology();
        let mut all: Vec<&Sent> = sent.iter().collect();
        for (place, other) in order.iter().enumerate().filter(|(place, _)| *place < sent.len()) {
            all.swap(place, other.index(sent.len()));
        }
        // Every event comes twice: some soon, some late.
        let twice = all.iter().chain(all.iter().rev()).copied();
        let events = twice.zip(T..).map(|(one, arrived)| one.event(arrived)).collect();
        let cuts = if cuts.iter().all(|cut| *cut > 200) { vec![3] } else { cuts };
        let stored = run(&topology, events, &cuts);
        check(&topology, &sent, &stored);
    }
}

#[test]
fn a_window_that_is_final_stays_as_it_is() {
    let file = FILE.replace("grace = \"forever\"", "grace = 0");
    let topology = parse("t.toml", &file, &|_| None).unwrap();
    let sent = |id: &str, points: i64| {
        let (id, class, points) = (id.to_owned(), Some(0), Some(points));
        Sent { id, user: 1, question: 1, class, points, cents: 0, right: true, gone: false, at: T }
    };
    // The second comes when the day is over.
    let events = vec![sent("a", 5).event(T), sent("a~1", 3).event(T + 24 * HOUR)];
    let stored = run(&topology, events, &[0]);
    let day = topology.calendar.window(Length::Day, T).label;
    let score = |period: &str, label: &str| {
        let board = Key::new(&["board", period, label, "everyone"]);
        stored["board"].scores[&board]["u1"]
    };
    assert_eq!((score("day", &day), score("all", "all")), (5.0, 3.0));
    let field = |window: &str, label: &str, name: &str| {
        let key = Key::new(&["window", window, label, "class=c0"]);
        String::from_utf8_lossy(&stored["figures"].hashes[&key][name]).into_owned()
    };
    assert_eq!((field("1d", &day, "points"), field("1d", &day, "n")), ("5".into(), "1".into()));
    assert_eq!((field("all", "all", "points"), field("all", "all", "n")), ("3".into(), "1".into()));
    // Late is the version that comes, and what it takes back.
    assert_eq!((stored["board"].late, stored["figures"].late), (2, 2));
}

#[test]
fn in_order_shuffled_by_a_minute_and_twice_it_ends_at_the_same_board() {
    let topology = topology();
    // Snapshots of each user's score on each question, which also fall.
    let snapshot = |number: i64| Sent {
        id: format!("{number:04}"),
        user: (number * 7 % 5) as u8,
        question: (number * 11 % 7) as u8,
        class: None,
        points: Some(number * 31 % 17),
        cents: 0,
        right: true,
        gone: false,
        at: T - 2 * 24 * HOUR + number * 7_000,
    };
    let sent: Vec<Sent> = (0..600).map(snapshot).collect();
    let late = |one: &Sent| one.id.parse::<i64>().unwrap().pow(2) * 7_919 % 120_000;
    let mut shuffled = sent.clone();
    shuffled.sort_by_key(|one| one.at + late(one));
    let moved = sent.iter().zip(&shuffled).filter(|(one, other)| one.id != other.id).count();
    assert!(moved > 300, "{moved}");
    let twice = sent.iter().chain(&shuffled).cloned().collect();
    let boards: BTreeSet<String> = [sent.clone(), shuffled, twice]
        .into_iter()
        .map(|all| {
            let events = all.iter().zip(T..).map(|(one, arrived)| one.event(arrived)).collect();
            let stored = run(&topology, events, &[5, 9]);
            check(&topology, &sent, &stored);
            format!("{:?}", scores(&stored["board"]))
        })
        .collect();
    assert_eq!(boards.len(), 1);
}
