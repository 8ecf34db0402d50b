//! Ranks, pages, neighbours and given members, for all ties: against a plain sorted list, from
//! memory and from a real Redis, and while the board changes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;
use smol_str::{SmolStr, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};
use tallyd_bolt::{Batch, Bolt, FieldRef, Key, Lasting, calendar::Calendar, memory::Memory};
use tallyd_event::{EntryId, Event, Field, FieldType, Schema, Value};
use tallyd_harness::{Server, ServerOptions};
use tallyd_leaderboard::{Leaderboard, Options, PeriodOptions, Score, Ties};
use tallyd_query::{
    Look, QueryError, Ranked, Seen, Shards, Stored,
    board::{Board, MOST_MEMBERS, MOST_ROWS, Members, Page, Standing},
};
use tallyd_store::{Connection, keys::Keys};

const TIES: [Ties; 3] = [Ties::First, Ties::Shared, Ties::Dense];

/// A row of the plain list: member, score, rank, and how many stand above.
type Row = (SmolStr, f64, u64, u64);

fn field(index: usize, name: &str) -> FieldRef {
    FieldRef { index, name: name.into() }
}

fn options(ties: Ties, is_ascending: bool) -> Options {
    let score = if is_ascending { Score::Min } else { Score::Max };
    let lasting = Lasting { retain_ms: None, grace_ms: None };
    let length = tallyd_bolt::calendar::Length::All;
    Options {
        member: field(0, "user"),
        score: score(field(1, "points")),
        boards: vec![vec![]],
        periods: vec![PeriodOptions { name: "all".into(), length, lasting }],
        ties,
        places: None,
        corrected: false,
    }
}

fn board(ties: Ties, is_ascending: bool) -> Board {
    let calendar = Calendar::new("UTC").unwrap();
    Board::new(&options(ties, is_ascending), &calendar, &[], None, 0).unwrap()
}

fn key() -> Key {
    Key::new(&["board", "all", "all", "everyone"])
}

fn memory(scores: &BTreeMap<SmolStr, f64>) -> Memory {
    Memory { scores: BTreeMap::from([(key(), scores.clone())]), ..Memory::default() }
}

/// The board as it is told by hand: sorted, and each rank counted over the whole list.
fn plain(mut rows: Vec<(SmolStr, f64)>, ties: Ties, is_ascending: bool) -> Vec<Row> {
    rows.sort_by(|(a, s), (b, t)| {
        let order = s.total_cmp(t).then_with(|| a.cmp(b));
        if is_ascending { order } else { order.reverse() }
    });
    let mut different = 0;
    let row = |(place, (member, score)): (usize, &(SmolStr, f64))| {
        let better = rows.iter().position(|(_, other)| other == score).unwrap();
        different += u64::from(better == place);
        let (count, different) = (better as u64, different - 1);
        let (above, rank) = match ties {
            Ties::First => (place as u64, place as u64 + 1),
            Ties::Shared => (count, count + 1),
            Ties::Dense => (count, different + 1),
        };
        // What a board of first-come ties stores has the time in its fraction.
        let score = if ties == Ties::First { score.floor() } else { *score };
        (member.clone(), score, rank, above)
    };
    rows.iter().enumerate().map(row).collect()
}

fn rows(page: &Page) -> Vec<Row> {
    page.standings.iter().map(row).collect()
}

fn row(standing: &Standing) -> Row {
    (standing.member.clone(), standing.score.as_f64(), standing.rank, standing.above)
}

/// Asks everything of a board, and compares it with the plain list.
async fn agrees(
    results: &mut impl Ranked,
    scores: &BTreeMap<SmolStr, f64>,
    (ties, is_ascending): (Ties, bool),
) {
    let board = board(ties, is_ascending);
    let listed: Vec<(SmolStr, f64)> = scores.iter().map(|(m, s)| (m.clone(), *s)).collect();
    let all = plain(listed.clone(), ties, is_ascending);
    let size = all.len();
    assert_eq!(board.size(results).await.unwrap(), size as u64);
    let places = [0, 1, 2, 3, size / 2, size.saturating_sub(2), size.saturating_sub(1), size];
    for skip in places {
        for count in [0, 1, 2, 7, 50, 10_000] {
            let page = board.page(results, skip as u64, count as u64).await.unwrap();
            let end = (skip + count).min(size);
            assert_eq!(rows(&page), all[skip.min(end)..end], "{ties:?} {skip} {count}");
            assert_eq!(page.size, size as u64);
        }
    }
    for place in places.into_iter().filter(|place| *place < size) {
        let member = &all[place].0;
        for count in [1, 2, 10, 11, 10_000] {
            let found = rows(&board.around(results, member, count).await.unwrap());
            assert_eq!(found.len(), size.min(count as usize), "{ties:?} around {member}");
            let begin = all.iter().position(|row| *row == found[0]).unwrap();
            assert_eq!(found, all[begin..begin + found.len()]);
            // As many above as below, but for the ends.
            let (above, below) = (place - begin, begin + found.len() - 1 - place);
            let is_middle = above == below || above + 1 == below;
            assert!(is_middle || begin == 0 || begin + found.len() == size, "{above} {below}");
        }
        let (standing, of) = board.of(results, member).await.unwrap().unwrap();
        assert_eq!((row(&standing), of), (all[place].clone(), size as u64));
        let others = (size - 1).max(1) as f64;
        let percentile =
            if size == 1 { 100.0 } else { 100.0 * (others - all[place].3 as f64) / others };
        assert_eq!(standing.percentile(of), percentile);
    }
    // Every third member, the last first, one twice, and two who are not there.
    let mut set: Vec<SmolStr> = all.iter().step_by(3).map(|row| row.0.clone()).rev().collect();
    set.extend([all[0].0.clone(), "no one".into(), "nor this".into()]);
    let Members { size: of, found, missing } = board.of_members(results, &set).await.unwrap();
    assert_eq!((of, missing), (size as u64, vec!["no one".into(), "nor this".into()]));
    let on_board: Vec<Row> = found.iter().map(|found| row(&found.standing)).collect();
    let expected: Vec<Row> = all.iter().step_by(3).cloned().collect();
    assert_eq!(on_board, expected);
    let listed = listed.into_iter().filter(|(member, _)| set.contains(member)).collect();
    let within: Vec<u64> = found.iter().map(|found| found.rank).collect();
    let expected: Vec<u64> = plain(listed, ties, is_ascending).iter().map(|row| row.2).collect();
    assert_eq!(within, expected);

    assert_eq!(board.around(results, "no one", 5).await.unwrap().standings, []);
    assert_eq!(board.of(results, "no one").await.unwrap(), None);
    let none = board.of_members(results, &[]).await.unwrap();
    assert_eq!(none, Members { size: size as u64, found: vec![], missing: vec![] });
}

/// A board of so many members, whose scores repeat as often as `each` says.
fn repeated(size: u32, each: u32) -> BTreeMap<SmolStr, f64> {
    // The names are in another order than the scores.
    let name = |number: u32| format_smolstr!("m{:04}", (number * 7919) % 10_007);
    (0..size).map(|number| (name(number), f64::from(number / each) - 3.0)).collect()
}

#[tokio::test]
async fn a_redis_ranks_as_a_plain_list() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    let mut connection = Connection::open(&server.url).await.unwrap();
    // Every size with few ties, and with many; 2,500 is more than is counted at once.
    let cases = [(1, 1), (5, 1), (5, 2), (5, 5), (1000, 1), (1000, 3), (1000, 400), (2500, 2)];
    for (number, (size, each)) in cases.into_iter().enumerate() {
        let (scores, keys) = (repeated(size, each), Keys::new(&format!("t{number}"), 0));
        let mut put = redis::Pipeline::new();
        let add = put.cmd("ZADD").arg(keys.bolt("b", &key()));
        for (member, score) in &scores {
            add.arg(*score).arg(member.as_str());
        }
        connection.all(&put).await.unwrap();
        for ties in TIES {
            for is_ascending in [false, true] {
                let mut stored = Stored::new(&mut connection, &keys, "b");
                agrees(&mut stored, &scores, (ties, is_ascending)).await;
            }
        }
    }
}

/// Of a board whose members are spread over shards, everything is as if it were in one: also where
/// those of one score stand in several, and where a shard has none.
#[tokio::test]
async fn shards_rank_as_one_board() {
    for (size, each) in [(1, 1), (5, 2), (5, 5), (300, 1), (300, 7), (1200, 900)] {
        let scores = repeated(size, each);
        for shards in [1, 2, 3, 7] {
            let mut spread = vec![BTreeMap::new(); shards];
            for (number, (member, score)) in scores.iter().enumerate() {
                spread[number * number % shards].insert(member.clone(), *score);
            }
            let memories: Vec<Memory> = spread.iter().map(memory).collect();
            for ties in TIES {
                for is_ascending in [false, true] {
                    let mut results = Shards(memories.iter().collect());
                    agrees(&mut results, &scores, (ties, is_ascending)).await;
                }
            }
        }
    }
}

/// A full server of Redis up to 7.0 queues no command after MULTI, not even one that reads.
#[tokio::test]
async fn a_full_server_still_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    let mut connection = Connection::open(&server.url).await.unwrap();
    let (scores, keys) = (repeated(5, 2), Keys::new("t", 0));
    let mut put = redis::Pipeline::new();
    let add = put.cmd("ZADD").arg(keys.bolt("b", &key()));
    for (member, score) in &scores {
        add.arg(*score).arg(member.as_str());
    }
    put.cmd("CONFIG").arg("SET").arg("maxmemory").arg(1);
    connection.all(&put).await.unwrap();
    for ties in TIES {
        agrees(&mut Stored::new(&mut connection, &keys, "b"), &scores, (ties, false)).await;
    }
}

#[tokio::test]
async fn more_than_one_answer_holds_is_refused() {
    let (memory, board) = (Memory::default(), board(Ties::First, false));
    let said = |error: QueryError| error.to_string();
    let names: Vec<SmolStr> =
        (0..=MOST_MEMBERS).map(|number| format_smolstr!("{number}")).collect();
    assert_eq!(
        said(board.of_members(&mut &memory, &names).await.unwrap_err()),
        "1001 members are too many for one answer (at most 1000: ask in parts)"
    );
    for asked in [
        board.page(&mut &memory, 0, MOST_ROWS + 1).await,
        board.around(&mut &memory, "a", MOST_ROWS + 1).await,
    ] {
        let expected = "10001 rows are too many for one answer (at most 10000: ask in parts)";
        assert_eq!(said(asked.unwrap_err()), expected);
    }
}

/// A board on which one member climbs between any two looks, and the others change scores.
struct Restless {
    memory: Memory,
    /// By how much the member's score grows each time.
    step: f64,
    looks: usize,
}

impl Restless {
    fn stir(&mut self) {
        let scores = self.memory.scores.get_mut(&key()).unwrap();
        *scores.get_mut("me").unwrap() += self.step;
        self.looks += 1;
    }
}

impl Ranked for Restless {
    async fn look(&mut self, key: &Key, look: &Look) -> Result<Seen, QueryError> {
        self.stir();
        (&self.memory).look(key, look).await
    }

    async fn worse(
        &mut self,
        key: &Key,
        ascending: bool,
        than: Option<f64>,
        count: u64,
    ) -> Result<Vec<f64>, QueryError> {
        self.stir();
        (&self.memory).worse(key, ascending, than, count).await
    }
}

#[tokio::test]
async fn a_board_that_changes_meanwhile_still_gives_as_many_rows() {
    for ties in TIES {
        for step in [0.0, 1.0, 12.0, 90.0] {
            let mut scores = repeated(3000, 1);
            scores.insert("me".into(), 500.0);
            let mut results = Restless { memory: memory(&scores), step, looks: 0 };
            let page = board(ties, false).around(&mut results, "me", 11).await.unwrap();
            let place = page.standings.iter().position(|standing| standing.member == "me");
            assert_eq!((page.standings.len(), place), (11, Some(5)), "{ties:?} {step}");
            let mut scores: Vec<f64> = page.standings.iter().map(|s| s.score.as_f64()).collect();
            assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
            scores.dedup();
            let ranks = page.standings.windows(2).all(|pair| pair[0].rank <= pair[1].rank);
            assert!(ranks && results.looks < 40, "{ties:?} {step}: {} looks", results.looks);
            let members = board(ties, false).of_members(&mut results, &["me".into()]).await;
            assert_eq!(members.unwrap().found.len(), 1);
        }
    }
}

fn now<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

fn schema() -> Schema {
    let kinds = [("user", FieldType::String), ("points", FieldType::Int), ("at", FieldType::Time)];
    let fields = kinds.map(|(name, kind)| Field::new(name, kind)).into();
    Schema { fields, id: None, key: None, time: Some(2) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_board_ranks_as_a_plain_list(
        scores in prop::collection::btree_map("[a-f]{1,2}", prop_oneof![-3i8..4, any::<i8>()], 1..40),
        is_ascending: bool,
    ) {
        let scores = scores.into_iter().map(|(m, s)| (m.into(), f64::from(s) / 4.0)).collect();
        for ties in TIES {
            now(agrees(&mut &memory(&scores), &scores, (ties, is_ascending)));
        }
    }

    /// From events to ranks: by score, of first-come ties then by when it was reached, and then by
    /// name, as Redis has it.
    #[test]
    fn ranks_are_those_of_the_events(
        sent in prop::collection::vec((0u8..12, -2i64..3, 0i64..6), 1..60),
        cuts in prop::collection::vec(any::<bool>(), 60),
        since in prop_oneof![Just(1_388_534_400_000i64), Just(1_767_225_600_000)],
        is_ascending: bool,
    ) {
        let event = |(arrival, (user, points, at)): (u64, &(u8, i64, i64))| {
            let user = Value::Str(format_smolstr!("u{user}"));
            let values = vec![user, Value::Int(*points), Value::Int(since + at)];
            Event::new(EntryId { ms: since as u64 + arrival, seq: 0 }, 0, values)
        };
        let events: Vec<Event> = (0..).zip(&sent).map(event).collect();
        // Of each member the best value, and the earliest time at which it had it.
        let mut best: BTreeMap<SmolStr, (i64, i64)> = BTreeMap::new();
        for (user, points, at) in &sent {
            let value = (if is_ascending { *points } else { -points }, *at);
            let known = best.entry(format_smolstr!("u{user}")).or_insert(value);
            *known = value.min(*known);
        }
        for ties in TIES {
            let bolt = Leaderboard::new(options(ties, is_ascending), schema(), Calendar::new("UTC").unwrap(), 1);
            let (mut memory, schema, mut start) = (Memory::default(), schema(), 0);
            for end in 1..=events.len() {
                if end == events.len() || cuts[end] {
                    let batch = Batch { schema: &schema, events: &events[start..end], now: 0 };
                    memory.run(&bolt as &dyn Bolt, &batch);
                    start = end;
                }
            }
            let mut listed: Vec<_> = best.iter().map(|(m, (score, at))| (*score, *at, m)).collect();
            let by_name = |a: &SmolStr, b: &SmolStr| if is_ascending { a.cmp(b) } else { b.cmp(a) };
            listed.sort_by(|(s, at, a), (t, other, b)| {
                let by_time = if ties == Ties::First { at.cmp(other) } else { std::cmp::Ordering::Equal };
                s.cmp(t).then(by_time).then(by_name(a, b))
            });
            let page = now(board(ties, is_ascending).page(&mut &memory, 0, 100)).unwrap();
            let found: Vec<(&SmolStr, f64, u64)> =
                page.standings.iter().map(|s| (&s.member, s.score.as_f64(), s.rank)).collect();
            let expected: Vec<(&SmolStr, f64, u64)> = listed.iter().enumerate().map(|(place, (score, _, member))| {
                let better = || listed.iter().map(|(other, ..)| other).filter(|other| *other < score);
                let rank = match ties {
                    Ties::First => place,
                    Ties::Shared => better().count(),
                    Ties::Dense => better().collect::<BTreeSet<_>>().len(),
                };
                let shown = if is_ascending { *score } else { -score };
                (*member, shown as f64, rank as u64 + 1)
            }).collect();
            prop_assert_eq!(found, expected, "{:?}", ties);
            if ties == Ties::First {
                for standing in &page.standings {
                    let at = since + best[&standing.member].1;
                    prop_assert_eq!(standing.reached, Some((at, at)));
                }
            }
        }
    }
}
