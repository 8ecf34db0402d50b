//! Every query gives the same from a real Redis as from memory.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use smol_str::SmolStr;
use tallyd_aggregate::Figure;
use tallyd_bolt::{Batch, Key, memory::Memory};
use tallyd_event::{EntryId, Event, Value, partition_of};
use tallyd_harness::{Server, ServerOptions};
use tallyd_kind::{
    record::Asked,
    row::{Cell, Row},
};
use tallyd_leaderboard::composite::{Span, encode};
use tallyd_query::{
    Results, Stored,
    board::{Board, Page},
    catalog, figures, learner,
    rows::stats_row,
};
use tallyd_store::{Connection, keys::Keys};
use tallyd_topology::{BoltOptions, Topology, parse};

const AT: i64 = 1_767_258_000_000; // 2026-01-01T09:00:00Z

/// How many concepts the busiest learner has practised.
const CONCEPTS: u64 = 60;

const TOPOLOGY: &str = r#"
name = "reads"
time_zone = "Asia/Kolkata"
partitions = 2
[redis]
url = "redis://127.0.0.1"
[source.answers]
id = "id"
key = "user"
time = "at"
[source.answers.fields]
id = "string"
user = "string"
class = { type = "string", optional = true }
question = "string"
concept = "string"
correct = "bool"
ms = { type = "int", min = 0, max = 3_600_000 }
points = "int"
at = "time"
[bolt.points]
type = "leaderboard"
from = "answers"
member = "user"
score = "sum(points)"
boards = [[], ["class"]]
periods = ["day", "all"]
ties = "first"
[bolt.fastest]
type = "leaderboard"
from = "answers"
member = "user"
score = "min(ms)"
ties = "shared"
[bolt.concepts]
type = "aggregate"
from = "answers"
by = ["concept"]
windows = ["1h", "all"]
measures = { answers = "count", time = "mean(ms)", slowest = "max(ms)", learners = "distinct(user)" }
[bolt.tired]
type = "fatigue"
from = "answers"
learner = "user"
item = "question"
correct = "correct"
response_ms = "ms"
[bolt.mastery]
type = "mastery"
from = "answers"
learner = "user"
concept = "concept"
item = "question"
correct = "correct"
"#;

/// A private Redis, and the folder that it must not outlive.
struct Redis {
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Redis {
    async fn start() -> (Self, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        let connection = Connection::open(&server.url).await.unwrap();
        (Self { _server: server, _folder: folder }, connection)
    }
}

fn topology() -> Topology {
    parse("reads.toml", TOPOLOGY, &|_| None).unwrap_or_else(|f| panic!("{}", f.render(false)))
}

fn stored() -> Memory {
    let mut memory = Memory::default();
    let topology = topology();
    let board = |label: &str, group: &str| Key::new(&["board", "day", label, group]);
    let options = catalog::leaderboard(&topology, "points").unwrap();
    let day = Span::of(&topology.calendar.window(options.periods[0].length, AT));
    // b reached its four before a did; the minus counts down.
    let scores = [("a", 4, AT + 1000), ("b", 4, AT), ("c", 9, AT), ("d", -3, AT)];
    for (member, score, at) in scores {
        let set = memory.scores.entry(board("2026-01-01", "everyone")).or_default();
        set.insert(member.into(), encode(score, at, day, false));
    }
    let class = memory.scores.entry(board("2026-01-01", "class=10%3AB")).or_default();
    class.insert("a".into(), encode(4, AT, day, false));
    let fastest = memory.scores.entry(Key::new(&["board", "all", "all", "everyone"])).or_default();
    for (member, score) in [("x", 50.5), ("y", 50.5), ("z", 12.0), ("w", 1e300)] {
        fastest.insert(member.into(), score);
    }
    // Of optics the number of learners is an estimate, in a key of its own.
    let groups = [("concept=a%3Ab", "2", "300", "1"), ("concept=optics", "1", "7", "1025")];
    for (group, count, sum, learners) in groups {
        let key = Key::new(&["window", "1h", "2026-01-01T0830Z", group]);
        let hash = memory.hashes.entry(key).or_default();
        let fields = [
            ("answers", count),
            ("time.sum", sum),
            ("time.count", count),
            ("slowest", sum),
            ("learners", learners),
        ];
        hash.extend(fields.map(|(name, value)| (SmolStr::from(name), value.as_bytes().to_vec())));
        let groups = Key::new(&["groups", "1h", "2026-01-01T0830Z"]);
        memory.members.entry(groups).or_default().insert(group.into());
        let key = Key::new(&["distinct", "1h", "2026-01-01T0830Z", "learners", group]);
        memory.distinct.entry(key).or_default().insert("u1".into());
    }
    // Answers in all, in the session and in the baseline; the time, and that an alert stands.
    let mut tired = vec![40, 40, 40];
    let mut time = (AT as u64) << 1 | 1;
    while time >= 0x80 {
        tired.push(time as u8 | 0x80);
        time >>= 7;
    }
    tired.push(time as u8);
    // Score, ability, pace, variance, accuracy, speed, rapid, load; and the items met, which nobody
    // reads.
    let numbers = [0.8125f32, 0.0, 0.0, 1.0, 1.5, 2.25, 0.125, 30.0];
    tired.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    tired.extend([0; 32]);
    let of = |learner: &str| Key::new(&["learners", &partition_of([learner], 2).to_string()]);
    memory.hashes.entry(of("u 7")).or_default().insert("u 7".into(), tired);
    // A level of half a logit in 36 bits, and above them a variance of a quarter or of three
    // quarters of a squared one. Overall: answers, right ones, that, a moving average of 1, the time.
    let level = |variance: u64| (500_000_000 | variance << 36).to_le_bytes()[..6].to_vec();
    let time = ((AT / 8000) as u32).to_le_bytes();
    let mut own = [&[3, 2][..], &level(0x900), &[0xff, 0xff], &time].concat();
    // The concept of the number 5, answered last at that time: three answers with two right ones,
    // the level, a moving average of 1, no wrong one since, and no items.
    own.extend([&[5, 0, 3 * 4 / 2 + 2][..], &level(0xa80), &[0xff, 0]].concat());
    memory.hashes.entry(of("m")).or_default().insert("m".into(), own);
    let names = Key::new(&["names", &partition_of(["m"], 2).to_string()]);
    memory.hashes.entry(names).or_default().insert("5".into(), b"alge:bra".to_vec());
    many(&mut memory);
    memory
}

/// A learner with more concepts than find room in one field, as the bolt writes it.
fn many(memory: &mut Memory) {
    let topology = topology();
    let (_, node) = topology.node("mastery").unwrap();
    let schema = &topology.node("answers").unwrap().1.schema;
    let text = |text: String| Value::Str(text.into());
    let event = |number: u64| {
        let values = vec![
            text(format!("a{number}")),
            text("busy".to_owned()),
            Value::Null,
            text(format!("q{number}")),
            text(format!("concept {:02}", number % CONCEPTS)),
            Value::Bool(number.is_multiple_of(2)),
            Value::Int(1),
            Value::Int(1),
            Value::Int(AT),
        ];
        Event::new(EntryId { ms: AT as u64, seq: number }, 0, values)
    };
    let events: Vec<Event> = (0..3 * CONCEPTS).map(event).collect();
    let bolt = topology.bolt(node, [0; 16]).unwrap();
    let mut alone = Memory::default();
    alone.run(&*bolt, &Batch { schema, events: &events, now: AT });
    for (key, hash) in alone.hashes {
        // The number of the other learner's concept stays.
        memory.hashes.entry(key).or_default().extend(hash);
    }
}

/// Puts the stored values into Redis, under the keys of a bolt.
async fn put(connection: &mut Connection, keys: &Keys, bolt: &str, memory: &Memory) {
    let mut pipeline = redis::Pipeline::new();
    for (key, hash) in &memory.hashes {
        for (name, value) in hash {
            let command = pipeline.cmd("HSET").arg(keys.bolt(bolt, key));
            command.arg(name.as_str()).arg(value.as_slice());
        }
    }
    for (key, set) in &memory.scores {
        for (member, score) in set {
            pipeline.cmd("ZADD").arg(keys.bolt(bolt, key)).arg(*score).arg(member.as_str());
        }
    }
    for (command, sets) in [("SADD", &memory.members), ("PFADD", &memory.distinct)] {
        for (key, set) in sets {
            for item in set {
                pipeline.cmd(command).arg(keys.bolt(bolt, key)).arg(item.as_str());
            }
        }
    }
    connection.all(&pipeline).await.unwrap();
}

async fn boards(results: &mut impl Results) {
    let topology = topology();
    let options = catalog::leaderboard(&topology, "points").unwrap();
    let board = Board::new(options, &topology.calendar, &[], Some("day"), AT).unwrap();
    let short = |page: Page| -> Vec<(u64, String, f64)> {
        page.standings
            .into_iter()
            .map(|s| (s.rank, s.member.to_string(), s.score.as_f64()))
            .collect()
    };
    let all = [(1, "c", 9.0), (2, "b", 4.0), (3, "a", 4.0), (4, "d", -3.0)];
    let all: Vec<(u64, String, f64)> = all.iter().map(|&(r, m, s)| (r, m.to_owned(), s)).collect();
    assert_eq!(board.size(results).await.unwrap(), 4);
    assert_eq!(short(board.page(results, 0, 10).await.unwrap()), all);
    assert_eq!(short(board.page(results, 1, 2).await.unwrap()), all[1..3]);
    assert_eq!(short(board.page(results, 4, 2).await.unwrap()), []);
    assert_eq!(short(board.page(results, 0, 0).await.unwrap()), []);
    assert_eq!(short(board.around(results, "a", 3).await.unwrap()), all[1..4]);
    assert_eq!(short(board.around(results, "c", 3).await.unwrap()), all[..3]);
    assert_eq!(short(board.around(results, "nobody", 3).await.unwrap()), []);
    let (a, size) = board.of(results, "a").await.unwrap().unwrap();
    assert_eq!((a.rank, a.reached, size), (3, Some((AT + 1000, AT + 1000)), 4));
    assert_eq!(a.percentile(size), 100.0 / 3.0);
    let by = [("class".into(), "10:B".into())];
    let class = Board::new(options, &topology.calendar, &by, None, AT).unwrap();
    assert_eq!(class.of(results, "a").await.unwrap().unwrap().0.rank, 1);

    let options = catalog::leaderboard(&topology, "fastest").unwrap();
    let board = Board::new(options, &topology.calendar, &[], None, AT).unwrap();
    let page = short(board.page(results, 0, 10).await.unwrap());
    let ranks: Vec<(u64, &str)> = page.iter().map(|(rank, m, _)| (*rank, m.as_str())).collect();
    assert_eq!(ranks, [(1, "z"), (2, "x"), (2, "y"), (4, "w")]);
    assert_eq!(short(board.page(results, 2, 2).await.unwrap()), page[2..]);
}

async fn stats(results: &mut impl Results) {
    let topology = topology();
    let options = catalog::aggregate(&topology, "concepts").unwrap();
    let of = figures::window(options, None).unwrap();
    let windows = figures::windows(&topology.calendar, of, AT, AT + 3_600_000).unwrap();
    let labels: Vec<&str> = windows.iter().map(|w| w.label.as_str()).collect();
    assert_eq!(labels, ["2026-01-01T0830Z", "2026-01-01T0930Z"]);
    let groups = figures::groups(results, of, &windows[..1]).await.unwrap();
    let group = |value: &str| vec![("concept".into(), Some(SmolStr::from(value)))];
    assert_eq!(groups, [vec![group("a:b"), group("optics")]]);
    let wanted = windows.iter().map(|window| (group("a:b"), window.clone())).collect();
    let found = figures::figures(results, options, of, wanted).await.unwrap();
    let shown = |found: &figures::Figures| -> Vec<(String, Option<Figure>)> {
        found.measures.iter().map(|(name, figure)| (name.to_string(), *figure)).collect()
    };
    let expected = |figures: [Option<Figure>; 4]| -> Vec<(String, Option<Figure>)> {
        let names = ["answers", "time", "slowest", "learners"].map(str::to_owned);
        names.into_iter().zip(figures).collect()
    };
    let (int, float) = (|i| Some(Figure::Int(i)), |f| Some(Figure::Float(f)));
    assert_eq!(shown(&found[0]), expected([int(2), float(150.0), int(300), int(1)]));
    assert_eq!(shown(&found[1]), expected([int(0), None, None, int(0)]));
    for found in &found {
        assert_eq!(stats_row(options, found, None).misfit(), None);
    }
}

/// The options of the bolt of this name.
fn options<'a>(topology: &'a Topology, name: &str) -> &'a dyn BoltOptions {
    let mut bolts = catalog::bolts(topology, Some).into_iter();
    bolts.find(|(known, _)| *known == name).unwrap().1
}

fn number(row: &Row, column: &str) -> f64 {
    match row.get(column) {
        Cell::Float(number) => *number,
        other => panic!("{column}: {other:?}"),
    }
}

fn asked(learner: &str, now: i64) -> Asked<'_> {
    Asked { learner, now, partitions: 2 }
}

async fn learners(results: &mut impl Results) {
    let topology = topology();
    let fatigue = options(&topology, "tired").record().unwrap();
    let tired = learner::record(results, fatigue, asked("u 7", AT)).await.unwrap();
    let [tired] = &tired[..] else { panic!("{tired:?}") };
    assert_eq!(tired.misfit(), None);
    let columns = ["score", "tired", "answers", "at"].map(|column| tired.get(column).clone());
    assert_eq!(columns, [0.8125.into(), true.into(), 40_u64.into(), AT.into()]);
    assert_eq!(learner::record(results, fatigue, asked("nobody", AT)).await.unwrap(), []);
    let mastery: &tallyd_mastery::Options = options(&topology, "mastery").of().unwrap();
    let known = learner::record(results, mastery, asked("m", AT)).await.unwrap();
    let [concept] = &known[..] else { panic!("{known:?}") };
    assert_eq!(concept.misfit(), None);
    let columns = ["concept", "answers", "correct"].map(|column| concept.get(column).clone());
    assert_eq!(columns, ["alge:bra".into(), 3_u64.into(), 2_u64.into()]);
    // σ(0.5 + 0.5), and half of σ(2) - σ(0): a variance of 0.25 + 0.75.
    assert_eq!(*concept.get("known"), false.into());
    let known_after_3 = tallyd_mastery::Options { known_after: 3, ..mastery.clone() };
    let after_3 = learner::record(results, &known_after_3, asked("m", AT)).await.unwrap();
    assert_eq!(*after_3[0].get("known"), true.into());
    assert!((number(concept, "mastery") - 0.731_058_578_630_005).abs() < 1e-12);
    assert!((number(concept, "uncertainty") - 0.190_398_538_988_94).abs() < 1e-12);
    assert_eq!(*concept.get("at"), AT.into());
    // What was grasped a year ago is as much, and less certain.
    let later = AT + 365 * 86_400_000;
    let then = learner::record(results, mastery, asked("m", later)).await.unwrap();
    assert_eq!(then[0].get("mastery"), concept.get("mastery"));
    assert!(number(&then[0], "uncertainty") > number(concept, "uncertainty") + 0.02, "{then:?}");
    assert_eq!(learner::record(results, mastery, asked("nobody", AT)).await.unwrap(), []);
    let all = learner::record(results, mastery, asked("busy", AT)).await.unwrap();
    let shown = |row: &Row| (row.get("concept").clone(), row.get("answers").clone());
    let expected = (0..CONCEPTS).map(|n| (format!("concept {n:02}").as_str().into(), 3_u64.into()));
    assert_eq!(all.iter().map(shown).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn memory_answers() {
    let memory = stored();
    boards(&mut &memory).await;
    stats(&mut &memory).await;
    learners(&mut &memory).await;
}

#[tokio::test]
async fn redis_answers_the_same() {
    let (_redis, mut connection) = Redis::start().await;
    let keys = Keys::new("reads", 0);
    put(&mut connection, &keys, "any", &stored()).await;
    let mut results = Stored::new(&mut connection, &keys, "any");
    boards(&mut results).await;
    stats(&mut results).await;
    learners(&mut results).await;
}

#[test]
fn errors_name_what_there_is() {
    let topology = topology();
    let points = catalog::leaderboard(&topology, "points").unwrap();
    let concepts = catalog::aggregate(&topology, "concepts").unwrap();
    let board = |by: &[(SmolStr, SmolStr)], period| {
        Board::new(points, &topology.calendar, by, period, AT).unwrap_err().to_string()
    };
    let hour = figures::window(concepts, Some("1h")).unwrap();
    let cases = [
        (
            catalog::leaderboard(&topology, "pints").unwrap_err().to_string(),
            "no leaderboard \"pints\" (there are: points, fastest)",
        ),
        (
            catalog::aggregate(&topology, "points").unwrap_err().to_string(),
            "no aggregate \"points\" (there are: concepts)",
        ),
        (
            board(&[("city".into(), "Pune".into())], None),
            "no board by \"city\" (there are: everyone, class)",
        ),
        (board(&[], Some("year")), "no period \"year\" (there are: day, all)"),
        (
            figures::window(concepts, Some("2h")).unwrap_err().to_string(),
            "no window \"2h\" (there are: 1h, all)",
        ),
        (
            figures::group_of(concepts, &[("class".into(), None)]).unwrap_err().to_string(),
            "no group by \"class\" (there are: concept)",
        ),
        (
            figures::windows(&topology.calendar, hour, 0, AT).unwrap_err().to_string(),
            "more than 10000 windows lie in the range (ask for a part of it, or for longer windows)",
        ),
    ];
    for (given, expected) in cases {
        assert_eq!(given, expected);
    }
}
