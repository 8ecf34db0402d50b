//! Members who are hidden stand on no board, and miss nothing meanwhile.

use super::*;
use tallyd_bolt::{EditAt, EditStep};
use tallyd_event::{Edit, EditKind};

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    Event(Event),
    /// An edit, and after how many steps the worker dies that does it, each time.
    Edit(EditKind, String, Vec<usize>),
}

fn edit_of(kind: EditKind, member: &str) -> Edit {
    Edit::new("e", kind, "user", member)
}

/// Does an edit in all partitions, as each gets it.
fn edit(bolt: &Leaderboard, memory: &mut Memory, edit: &Edit, deaths: &[usize], now: i64) -> u64 {
    let mut changed = 0;
    for partition in 0..PARTITIONS {
        for steps in deaths.iter().copied().chain([usize::MAX]) {
            changed +=
                memory.edit(bolt, edit, EditAt { partition, partitions: PARTITIONS, now }, steps);
        }
    }
    changed
}

/// Runs what happens, events in batches cut after each of `cuts`.
fn happen(bolt: &Leaderboard, happenings: &[Happening], cuts: &[bool]) -> Memory {
    let (schema, mut memory, mut events) = (schema(), Memory::default(), Vec::new());
    let process = |memory: &mut Memory, events: &mut Vec<Event>| {
        memory.run(bolt, &Batch { schema: &schema, events, now: 0 });
        events.clear();
    };
    for (place, happening) in happenings.iter().enumerate() {
        match happening {
            Happening::Event(event) => events.push(event.clone()),
            Happening::Edit(kind, member, deaths) => {
                process(&mut memory, &mut events);
                edit(bolt, &mut memory, &edit_of(*kind, member), deaths, 0);
            }
        }
        if cuts.get(place).copied().unwrap_or(false) {
            process(&mut memory, &mut events);
        }
    }
    process(&mut memory, &mut events);
    memory
}

fn happening() -> impl Strategy<Value = Happening> {
    let member = || (0usize..4).prop_map(|of| ["a", "b", "c d", "e:%"][of].to_owned());
    let text = |text: &str| Value::Str(text.into());
    let event = (0i64..3 * HOUR, member(), 0usize..3, -3i64..5, 0i64..4).prop_map(
        move |(at, user, class, points, grade)| {
            let class = [Value::Null, text("k"), text("l:m")][class].clone();
            let (points, grade) = (Value::Int(points), Value::Float(grade as f64 / 3.0));
            let values = vec![text(&user), class, points, grade, Value::Int(at)];
            Happening::Event(Event::new(EntryId { ms: at as u64, seq: 0 }, 0, values))
        },
    );
    let deaths = prop::collection::vec(0usize..4, 0..3);
    let kind =
        (0usize..3).prop_map(|kind| [EditKind::Hide, EditKind::Unhide, EditKind::Forget][kind]);
    let edit = (kind, member(), deaths)
        .prop_map(|(kind, member, deaths)| Happening::Edit(kind, member, deaths));
    prop_oneof![4 => event, 1 => edit]
}

fn rule() -> impl Strategy<Value = (Score, Ties)> {
    let rules: [fn(FieldRef) -> Score; 5] =
        [Score::Sum, Score::Max, Score::Min, Score::Last, Score::LastArrived];
    (0..=rules.len(), any::<bool>(), any::<bool>()).prop_map(move |(rule, float, first)| {
        let name = if float { "grade" } else { "points" };
        let score = rules.get(rule).map_or(Score::Count, |rule| rule(field(name)));
        let is_whole = !float || score == Score::Count;
        (score, if is_whole && first { Ties::First } else { Ties::Shared })
    })
}

/// A score and how ties are told, for events that may be taken in another order than they came in.
pub(super) fn rule_without_arrivals() -> impl Strategy<Value = (Score, Ties)> {
    let rules: [fn(FieldRef) -> Score; 4] = [Score::Sum, Score::Max, Score::Min, Score::Last];
    (0..=rules.len(), any::<bool>(), any::<bool>()).prop_map(move |(rule, float, first)| {
        let name = if float { "grade" } else { "points" };
        let score = rules.get(rule).map_or(Score::Count, |rule| rule(field(name)));
        // Of two events with one value, the one that comes first says when a last value was reached.
        let is_told = !float && !matches!(score, Score::Last(_));
        let is_whole = is_told || score == Score::Count;
        (score, if is_whole && first { Ties::First } else { Ties::Shared })
    })
}

proptest! {
    #[test]
    fn events_and_edits_in_any_batches_are_a_recount_without_the_hidden_and_forgotten(
        (score, ties) in rule(),
        happenings in prop::collection::vec(happening(), 0..40),
        cuts in prop::collection::vec(any::<bool>(), 0..40),
    ) {
        let bolt = leaderboard(score, ties);
        let (mut events, mut hidden) = (Vec::new(), BTreeSet::new());
        for happening in &happenings {
            match happening {
                Happening::Event(event) => events.push(event.clone()),
                Happening::Edit(EditKind::Hide, member, _) => drop(hidden.insert(member.clone())),
                Happening::Edit(EditKind::Unhide, member, _) => drop(hidden.remove(member)),
                Happening::Edit(EditKind::Forget, member, _) => {
                    hidden.remove(member);
                    events.retain(|event: &Event| event.value(0) != &Value::Str(member.into()));
                }
                Happening::Edit(..) => {}
            }
        }
        let (plain, _) = run(&bolt, &events, &[], false);
        let edited = happen(&bolt, &happenings, &cuts);
        let (mut shown, mut kept) = (BTreeMap::new(), BTreeMap::new());
        for (key, members) in &plain.scores {
            for (member, score) in members {
                if hidden.contains(member.as_str()) {
                    let key = Key::new(&[&key.as_str().replacen("board", "hidden", 1)]);
                    kept.entry(key).or_insert_with(BTreeMap::new).insert(member.clone(), *score);
                } else {
                    shown.entry(key.clone()).or_insert_with(BTreeMap::new).insert(member.clone(), *score);
                }
            }
        }
        prop_assert_eq!(&edited.scores, &shown);
        let stored = |kind: &str, memory: &Memory| -> BTreeMap<Key, BTreeMap<smol_str::SmolStr, Vec<u8>>> {
            let of_kind = memory.hashes.iter().filter(|(key, _)| key.as_str().starts_with(kind));
            of_kind.map(|(key, hash)| (key.clone(), hash.clone())).collect()
        };
        prop_assert_eq!(stored("state:", &edited), stored("state:", &plain));
        let scores = |hash: BTreeMap<smol_str::SmolStr, Vec<u8>>| {
            let score = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().parse::<f64>().unwrap();
            hash.into_iter().map(|(member, bytes)| (member, score(bytes))).collect::<BTreeMap<_, _>>()
        };
        let found = stored("hidden:", &edited).into_iter().map(|(key, hash)| (key, scores(hash)));
        prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), kept);
        // Boards of nobody else may stay listed.
        for (key, members) in &plain.members {
            prop_assert!(edited.members.get(key).is_some_and(|all| members.is_subset(all)));
        }
        // Whatever was hidden: with everyone back, nothing tells that anything was.
        let mut again = edited;
        for member in hidden {
            edit(&bolt, &mut again, &edit_of(EditKind::Unhide, &member), &[1], 0);
        }
        prop_assert_eq!((again.scores, again.hashes), (plain.scores, plain.hashes));
    }
}

#[test]
fn an_edit_counts_the_boards_that_it_changes_and_does_nothing_twice() {
    let bolt = leaderboard(Score::Count, Ties::First);
    let events = [points(1, "a", 1), points(2, "b", 1), points(HOUR, "a", 1)];
    let (mut memory, _) = run(&bolt, &events, &[], false);
    let (hide, unhide) = (edit_of(EditKind::Hide, "a"), edit_of(EditKind::Unhide, "a"));
    // Two hours and all time, each for everyone and for the class.
    assert_eq!(edit(&bolt, &mut memory, &hide, &[], 0), 6);
    let hidden = memory.clone();
    assert_eq!(edit(&bolt, &mut memory, &hide, &[], 0), 0);
    assert_eq!(memory, hidden);
    assert_eq!(edit(&bolt, &mut memory, &unhide, &[1, 1], 0), 6);
    assert_eq!(edit(&bolt, &mut memory, &unhide, &[], 0), 0);
    assert_eq!(edit(&bolt, &mut memory, &edit_of(EditKind::Hide, "nobody"), &[], 0), 0);
    let forget = edit_of(EditKind::Forget, "a");
    assert_eq!(edit(&bolt, &mut memory, &hide, &[], 0), 6);
    assert_eq!(edit(&bolt, &mut memory, &forget, &[1, 1], 0), 6);
    assert_eq!(edit(&bolt, &mut memory, &forget, &[], 0), 0);
    // One that is of another field is for others.
    let other = Edit { field: "class".into(), member: "k".into(), ..hide };
    assert_eq!(edit(&bolt, &mut memory, &other, &[], 0), 0);
}

#[test]
fn a_step_is_of_few_boards_and_says_last_who_is_hidden() {
    let bolt = leaderboard(Score::Count, Ties::First);
    let (memory, _) = run(&bolt, &[points(1, "a", 1), points(HOUR, "a", 1)], &[], false);
    let partition = tallyd_event::partition_of(["a"], PARTITIONS);
    let (edit, at) =
        (edit_of(EditKind::Hide, "a"), EditAt { partition, partitions: PARTITIONS, now: 0 });
    let state = memory.state(|reads| bolt.edit_reads(&edit, at, reads));
    let steps: Vec<EditStep> = bolt.edit(&edit, at, &state);
    let changed: Vec<u64> = steps.iter().map(|step| step.changed).collect();
    assert_eq!(changed, [2, 2, 2, 0]);
    let hides = hides_key(partition);
    let says = |step: &EditStep| step.effects.writes.iter().any(|write| *write.key() == hides);
    assert_eq!(steps.iter().map(says).collect::<Vec<_>>(), [false, false, false, true]);
}

#[test]
fn boards_that_are_gone_leave_the_directory() {
    let bolt = leaderboard(Score::Count, Ties::First);
    let (schema, mut memory) = (schema(), Memory::default());
    let list = labels_key(&bolt.options.periods[0]);
    for hour in [0, 1, 4] {
        let events = [points(hour * HOUR, "a", 1)];
        memory.run(&bolt, &Batch { schema: &schema, events: &events, now: hour * HOUR });
    }
    let labels: Vec<&str> = memory.members[&list].iter().map(|name| name.as_str()).collect();
    assert_eq!(labels, ["1970-01-01T0400Z 21600000"]);
    // One that goes before the next label comes is passed over.
    let hide = edit_of(EditKind::Hide, "a");
    assert_eq!(edit(&bolt, &mut memory, &hide, &[], 6 * HOUR), 2);
}
