//! Members who go from a class to another, with their points or without, and who get other names.

use super::{edit::rule_without_arrivals, *};
use tallyd_bolt::{EditAt, Handing};
use tallyd_event::{Edit, EditKind, Moves, partition_of};

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    Event(Event),
    /// An edit, and after how many steps the worker dies that does it, each time.
    Edit(Box<Edit>, Vec<usize>),
}

/// A board and a member: the period, label and group, and the name.
type Standing = (&'static str, String, String, String);

/// What partitions handed over, and others did not take yet.
type Handed = Vec<(Edit, Handing)>;

/// Does so many steps of an edit.
fn edit_once(
    bolt: &Leaderboard,
    memory: &mut Memory,
    (edit, partition): (&Edit, u16),
    steps: usize,
) -> (u64, Handed) {
    let at = EditAt { partition, partitions: PARTITIONS, now: 0 };
    let state = memory.state(|reads| bolt.edit_reads(edit, at, reads));
    let (mut changed, mut handed) = (0, Vec::new());
    for step in bolt.edit(edit, at, &state).into_iter().take(steps) {
        memory.apply(&step.effects);
        changed += step.changed;
        handed.extend(step.handed.into_iter().map(|handing| (edit.clone(), handing)));
    }
    (changed, handed)
}

/// Does an edit in the partition of its member, with a worker that dies so often.
fn edit(bolt: &Leaderboard, memory: &mut Memory, edit: &Edit, deaths: &[usize]) -> (u64, Handed) {
    let partition = partition_of([edit.member.as_str()], PARTITIONS);
    let (mut changed, mut handed) = (0, Vec::new());
    for steps in deaths.iter().copied().chain([usize::MAX]) {
        let (more, mut others) = edit_once(bolt, memory, (edit, partition), steps);
        changed += more;
        handed.append(&mut others);
    }
    (changed, handed)
}

/// Partitions take what was handed over to them.
fn take(bolt: &Leaderboard, memory: &mut Memory, all: Handed) {
    for (of, Handing { to, kind, member, state }) in all {
        let handed = Some(tallyd_event::Handed { bolt: "points".into(), state });
        let adopts = Edit { handed, ..Edit::new(&of.id, kind, &of.field, &member) };
        assert_eq!(edit_once(bolt, memory, (&adopts, to), usize::MAX).1, []);
    }
}

fn happen(bolt: &Leaderboard, happenings: &[Happening], cuts: &[bool]) -> Memory {
    let (schema, mut memory, mut events) = (schema(), Memory::default(), Vec::new());
    let mut handed = Handed::new();
    let process = |memory: &mut Memory, events: &mut Vec<Event>| {
        memory.run(bolt, &Batch { schema: &schema, events, now: 0 });
        events.clear();
    };
    for (place, happening) in happenings.iter().enumerate() {
        match happening {
            Happening::Event(event) => events.push(event.clone()),
            Happening::Edit(of, deaths) => {
                process(&mut memory, &mut events);
                // What is on its way may come after many events, but before the next edit.
                take(bolt, &mut memory, std::mem::take(&mut handed));
                handed = edit(bolt, &mut memory, of, deaths).1;
            }
        }
        if cuts.get(place).copied().unwrap_or(false) {
            process(&mut memory, &mut events);
        }
    }
    process(&mut memory, &mut events);
    take(bolt, &mut memory, handed);
    memory
}

/// Which events stand behind the score of each member on each board, and who is hidden.
fn recount(happenings: &[Happening]) -> (BTreeMap<Standing, Vec<Event>>, BTreeSet<String>) {
    let (mut all, mut hidden) = (BTreeMap::<Standing, Vec<Event>>::new(), BTreeSet::new());
    for happening in happenings {
        match happening {
            Happening::Event(event) => {
                let (member, class) = (event.value(0).to_text(), event.value(1));
                let hour = event.value(4).as_int().unwrap() / HOUR;
                let class =
                    (!class.is_null()).then(|| format!("class={}", Key::encode(&class.to_text())));
                for group in [Some("everyone".to_owned()), class].into_iter().flatten() {
                    for (period, label) in
                        [("hour", format!("1970-01-01T{hour:02}00Z")), ("all", "all".to_owned())]
                    {
                        let standing = (period, label, group.clone(), member.to_string());
                        all.entry(standing).or_default().push(event.clone());
                    }
                }
            }
            Happening::Edit(edit, _) => match (&edit.moves, edit.kind) {
                (Some(moves), _) => {
                    let leaves = |(.., group, member): &Standing| {
                        *member == edit.member && *group == moves.from[0]
                    };
                    let left: Vec<Standing> = all.keys().filter(|of| leaves(of)).cloned().collect();
                    for standing in left {
                        let events = all.remove(&standing).unwrap();
                        let (period, label, _, member) = standing;
                        if moves.keeps {
                            let to = (period, label, moves.to[0].to_string(), member);
                            all.entry(to).or_default().extend(events);
                        }
                    }
                }
                (None, EditKind::Rename) => {
                    let is_old = |(.., member): &Standing| *member == edit.member;
                    let old: Vec<Standing> = all.keys().filter(|of| is_old(of)).cloned().collect();
                    for standing in old {
                        let events = all.remove(&standing).unwrap();
                        let (period, label, group, _) = standing;
                        let to = (period, label, group, edit.to.to_string());
                        all.entry(to).or_default().extend(events);
                    }
                    if hidden.remove(edit.member.as_str()) {
                        hidden.insert(edit.to.to_string());
                    }
                }
                (None, EditKind::Hide) => drop(hidden.insert(edit.member.to_string())),
                (None, _) => drop(hidden.remove(edit.member.as_str())),
            },
        }
    }
    (all, hidden)
}

fn move_of(member: &str, (from, to): (&str, &str), keeps: bool) -> Edit {
    let moves = Some(Moves { from: vec![from.into()], to: vec![to.into()], keeps });
    Edit { moves, ..Edit::new("e", EditKind::Move, "user", member) }
}

fn rename(member: &str, to: &str) -> Edit {
    Edit { to: to.into(), ..Edit::new("e", EditKind::Rename, "user", member) }
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let member = || (0usize..3).prop_map(|of| ["a", "b", "c d"][of].to_owned());
    let event = (0i64..3, 0i64..HOUR / 1000, member(), 0usize..3, -3i64..5);
    let event = event.prop_map(|(hour, at, user, class, points)| {
        let text = |text: &str| Value::Str(text.into());
        let class = [Value::Null, text("k"), text("l:m")][class].clone();
        // Points of 0 are no part of a sum.
        let points = if points == 0 { 7 } else { points };
        let grade = Value::Float(points as f64 / 3.0);
        let at = hour * HOUR + at * 1000;
        let values = vec![text(&user), class, Value::Int(points), grade, Value::Int(at)];
        Happening::Event(Event::new(EntryId::ZERO, 0, values))
    });
    let deaths = || prop::collection::vec(0usize..4, 0..3);
    let moves = (member(), any::<bool>(), any::<bool>(), deaths());
    let moves = moves.prop_map(|(member, back, keeps, deaths)| {
        let (from, to) = ("class=k", "class=l%3Am");
        let way = if back { (to, from) } else { (from, to) };
        Happening::Edit(Box::new(move_of(&member, way, keeps)), deaths)
    });
    let renames = (0usize..3, 1usize..3, deaths()).prop_map(|(from, by, deaths)| {
        let names = ["a", "b", "c d"];
        let edit = rename(names[from], names[(from + by) % 3]);
        Happening::Edit(Box::new(edit), deaths)
    });
    let hides = (any::<bool>(), member(), deaths()).prop_map(|(hides, member, deaths)| {
        let kind = if hides { EditKind::Hide } else { EditKind::Unhide };
        Happening::Edit(Box::new(Edit::new("e", kind, "user", &member)), deaths)
    });
    let happening = prop_oneof![8 => event, 2 => moves, 2 => renames, 1 => hides];
    prop::collection::vec(happening, 0..40).prop_map(|mut all| {
        for (place, happening) in (0i64..).zip(&mut all) {
            if let Happening::Event(event) = happening {
                // No two happen at one time: then the order in which they came would count.
                let mut values = event.values.clone();
                values[4] = Value::Int(event.value(4).as_int().unwrap() + place);
                *event = Event::new(EntryId { ms: place as u64, seq: 0 }, 0, values);
            }
        }
        all
    })
}

proptest! {
    #[test]
    fn who_moves_or_is_renamed_has_the_score_of_all_that_counts_there(
        (score, ties) in rule_without_arrivals(),
        happenings in happenings(),
        cuts in prop::collection::vec(any::<bool>(), 0..40),
    ) {
        let bolt = leaderboard(score, ties);
        let found = happen(&bolt, &happenings, &cuts);
        let (all, hidden) = recount(&happenings);
        let mut scores: BTreeMap<Key, BTreeMap<SmolStr, f64>> = BTreeMap::new();
        let mut rests: BTreeMap<Key, BTreeMap<SmolStr, Vec<u8>>> = BTreeMap::new();
        for ((period, label, group, member), mut events) in all {
            for event in &mut events {
                event.values[1] = match group.strip_prefix("class=") {
                    Some(class) => Value::Str(Key::decode(class).into()),
                    None => Value::Null,
                };
            }
            for event in &mut events {
                event.values[0] = Value::Str(member.as_str().into());
            }
            let (plain, _) = run(&bolt, &events, &[], false);
            let kind = if hidden.contains(&member) { "hidden" } else { "board" };
            let [board, shown, state] =
                ["board", kind, "state"].map(|of| Key::new(&[of, period, &label, &group]));
            let score = plain.scores[&board][member.as_str()];
            scores.entry(shown).or_default().insert(member.as_str().into(), score);
            if let Some(rest) = plain.hashes.get(&state).and_then(|hash| hash.get(member.as_str())) {
                rests.entry(state).or_default().insert(member.as_str().into(), rest.clone());
            }
        }
        let of_kind = |kind: &'static str| {
            found.hashes.iter().filter(move |(key, _)| key.as_str().starts_with(kind))
        };
        let number = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).parse::<f64>().unwrap();
        let kept = of_kind("hidden:").map(|(key, hash)| {
            (key.clone(), hash.iter().map(|(member, bytes)| (member.clone(), number(bytes))).collect())
        });
        let mut all_found = found.scores.clone();
        all_found.extend(kept);
        prop_assert_eq!(all_found, scores);
        let states: BTreeMap<_, _> = of_kind("state:").map(|(k, h)| (k.clone(), h.clone())).collect();
        prop_assert_eq!(states, rests);
        // Each board is listed, and so is found by the next edit.
        for key in found.scores.keys() {
            let parts: Vec<&str> = key.as_str().splitn(4, ':').collect();
            let listed = &found.members[&Key::new(&["groups", parts[1], parts[2]])];
            prop_assert!(listed.contains(parts[3]), "{key:?} {listed:?}");
        }
    }
}

#[test]
fn a_move_counts_the_boards_that_it_changes_and_does_nothing_twice() {
    let bolt = leaderboard(Score::Count, Ties::First);
    let (mut memory, _) = run(&bolt, &[points(1, "a", 1), points(HOUR, "a", 1)], &[], false);
    let mut go = |of: &Edit, steps| {
        let partition = partition_of([of.member.as_str()], PARTITIONS);
        edit_once(&bolt, &mut memory, (of, partition), steps).0
    };
    let there = move_of("a", ("class=k", "class=l"), true);
    // Two hours and all time, each left and joined: the first step is of one of them.
    assert_eq!(go(&there, 1), 2);
    assert_eq!(go(&there, usize::MAX), 4);
    assert_eq!(go(&there, usize::MAX), 0);
    assert_eq!(go(&move_of("a", ("class=l", "class=k"), false), usize::MAX), 3);
    assert_eq!(go(&move_of("a", ("class=k", "class=l"), true), usize::MAX), 0);
}

#[test]
fn a_sum_that_no_board_holds_leaves_the_greater_part() {
    let bolt = leaderboard(Score::Sum(field("points")), Ties::Shared);
    let events = [points(1, "a", GREATEST), points(2, "b", 7)];
    let (mut memory, _) = run(&bolt, &events, &[], false);
    let (_, handed) = edit(&bolt, &mut memory, &rename("b", "a"), &[]);
    take(&bolt, &mut memory, handed);
    let (mut other, _) = run(&bolt, &events, &[], false);
    let (changed, handed) = edit(&bolt, &mut other, &rename("a", "b"), &[1, 1]);
    // Of an hour and all time, each for everyone and for the class: two in a step.
    assert_eq!((changed, handed.len()), (4, 2));
    take(&bolt, &mut other, handed);
    for (memory, name) in [(memory, "a"), (other, "b")] {
        assert_eq!(
            ranking(&bolt, &memory, 1, "all", EVERYONE),
            [(name.to_owned(), GREATEST as f64)]
        );
    }
}
