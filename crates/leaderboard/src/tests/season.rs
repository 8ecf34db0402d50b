//! Periods that are closed, and boards that start over: by the places of events in the stream, in
//! whatever order they come by several ways.

use super::{edit::rule_without_arrivals, *};
use tallyd_bolt::EditAt;
use tallyd_event::{Edit, EditKind, Scope, partition_of};

/// Something that happens, in the order of the source.
#[derive(Clone, Debug)]
enum Item {
    /// An event, and the way that it goes.
    Event(Event, usize),
    /// An edit goes all ways. The worker that does it dies after so many steps, each time.
    Edit(Box<Edit>, Vec<usize>),
}

fn id(place: usize) -> EntryId {
    EntryId { ms: place as u64 + 1, seq: 0 }
}

/// What all partitions hold after everything has come, by each way in order. `turns` says which way is
/// next, and `cuts` after which events a batch ends.
fn arrive(
    bolt: &Leaderboard,
    items: &[Item],
    ways: usize,
    turns: &[usize],
    cuts: &[bool],
) -> Memory {
    let (schema, mut memory) = (schema(), Memory::default());
    // Of each partition by each way.
    let mut queues = vec![std::collections::VecDeque::new(); usize::from(PARTITIONS) * ways];
    for item in items {
        match item {
            Item::Event(event, way) => {
                let member = event.value(0).to_text();
                let partition = usize::from(partition_of([member.as_str()], PARTITIONS));
                queues[partition * ways + way % ways].push_back(item);
            }
            Item::Edit(..) => queues.iter_mut().for_each(|queue| queue.push_back(item)),
        }
    }
    let (mut batch, mut came) = (Vec::new(), BTreeMap::new());
    let process = |memory: &mut Memory, batch: &mut Vec<Event>| {
        memory.run(bolt, &Batch { schema: &schema, events: batch, now: 0 });
        batch.clear();
    };
    for step in 0.. {
        let (all, wanted) = (queues.len(), turns.get(step % turns.len()).copied().unwrap_or(0));
        let next = (0..all).map(|of| (wanted + of) % all).find(|&of| !queues[of].is_empty());
        let Some(queue) = next else { break };
        let partition = (queue / ways) as u16;
        match queues[queue].pop_front().unwrap() {
            Item::Event(event, _) => batch.push(event.clone()),
            Item::Edit(edit, deaths) => {
                process(&mut memory, &mut batch);
                let came = came.entry((partition, edit.id.clone())).or_insert(0);
                *came += 1;
                let mut edit = Edit { copies: ways as u32, ..(**edit).clone() };
                if let Some(scope) = &mut edit.scope {
                    scope.left = edit.copies - *came;
                } else if *came < edit.copies {
                    continue;
                }
                for steps in deaths.iter().copied().chain([usize::MAX]) {
                    memory.edit(
                        bolt,
                        &edit,
                        EditAt { partition, partitions: PARTITIONS, now: 0 },
                        steps,
                    );
                }
            }
        }
        if cuts.get(step).copied().unwrap_or(false) {
            process(&mut memory, &mut batch);
        }
    }
    process(&mut memory, &mut batch);
    memory
}

/// A board: its period, label and group.
type Name = (&'static str, String, String);

/// Which events count on each board, how many came too late for a period, and who is hidden.
fn recount(items: &[Item]) -> (BTreeMap<Name, Vec<Event>>, u64, BTreeSet<String>) {
    let (mut boards, mut late, mut hidden) =
        (BTreeMap::<Name, Vec<Event>>::new(), 0, BTreeSet::new());
    let mut closed: BTreeSet<(&str, String)> = BTreeSet::new();
    for item in items {
        match item {
            Item::Event(event, _) => {
                let hour = event.value(4).as_int().unwrap() / HOUR;
                let class = event.value(1);
                let groups = [
                    Some("everyone".to_owned()),
                    (!class.is_null()).then(|| format!("class={}", class.to_text())),
                ];
                for (period, label) in
                    [("hour", format!("1970-01-01T{hour:02}00Z")), ("all", "all".to_owned())]
                {
                    if closed.contains(&(period, label.clone())) {
                        late += 1;
                        continue;
                    }
                    for group in groups.iter().flatten() {
                        let name = (period, label.clone(), group.clone());
                        boards.entry(name).or_default().push(event.clone());
                    }
                }
            }
            Item::Edit(edit, _) => match (edit.kind, &edit.scope) {
                (EditKind::Hide, _) => drop(hidden.insert(edit.member.to_string())),
                (EditKind::Unhide, _) => drop(hidden.remove(edit.member.as_str())),
                (EditKind::Close, Some(scope)) => {
                    let period =
                        if scope.period.as_deref() == Some("all") { "all" } else { "hour" };
                    closed.insert((period, scope.label.clone().unwrap().into()));
                }
                (_, Some(scope)) => {
                    boards.retain(|(period, label, group), _| {
                        let is_of = scope.period.as_ref().is_none_or(|of| of == period)
                            && scope.label.as_ref().is_none_or(|of| of == label);
                        !is_of || scope.group.first().is_some_and(|of| of != group)
                    });
                    if scope.group.is_empty() {
                        closed.retain(|(period, label)| {
                            scope.period.as_ref().is_some_and(|of| of != period)
                                || scope.label.as_ref().is_some_and(|of| of != label)
                        });
                    }
                }
                _ => {}
            },
        }
    }
    (boards, late, hidden)
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let member = || (0usize..4).prop_map(|of| ["a", "b", "c d", "e:%"][of].to_owned());
    let event = (0i64..3, 0i64..HOUR / 1000, member(), 0usize..3, -3i64..5, 0usize..3);
    let event = event.prop_map(|(hour, at, user, class, points, way)| {
        let text = |text: &str| Value::Str(text.into());
        let class = [Value::Null, text("k"), text("l")][class].clone();
        // Points of 0 are no part of a sum.
        let points = if points == 0 { 7 } else { points };
        let grade = Value::Float(points as f64 / 3.0);
        let at = hour * HOUR + at * 1000;
        let values = vec![text(&user), class, Value::Int(points), grade, Value::Int(at)];
        Item::Event(Event::new(EntryId::ZERO, 0, values), way)
    });
    let deaths = || prop::collection::vec(0usize..4, 0..3);
    let hour = (0usize..3).prop_map(|hour| ("hour", format!("1970-01-01T0{hour}00Z")));
    let part = prop_oneof![3 => hour, 1 => Just(("all", "all".to_owned()))];
    let scoped = (part, 0usize..4, 0usize..3, any::<bool>(), deaths());
    let scoped = scoped.prop_map(|((period, label), wide, class, closes, deaths)| {
        let kind = if closes { EditKind::Close } else { EditKind::Reset };
        let is_wide = |of| !closes && wide >= of;
        let scope = Scope {
            bolt: "b".into(),
            period: (!is_wide(3)).then(|| period.into()),
            label: (!is_wide(2)).then(|| label.into()),
            group: [vec![], vec!["class=k".into()], vec!["class=l".into()]][class].clone(),
            ..Scope::default()
        };
        let group = if closes { Vec::new() } else { scope.group.clone() };
        let scope = Some(Scope { group, ..scope });
        let edit = Edit { scope, ..Edit::new("", kind, "", "") };
        Item::Edit(Box::new(edit), deaths)
    });
    let hides = (any::<bool>(), member(), deaths()).prop_map(|(hides, member, deaths)| {
        let kind = if hides { EditKind::Hide } else { EditKind::Unhide };
        Item::Edit(Box::new(Edit::new("", kind, "user", &member)), deaths)
    });
    let item = prop_oneof![8 => event, 2 => scoped, 1 => hides];
    prop::collection::vec(item, 0..40).prop_map(|mut items| {
        for (place, item) in items.iter_mut().enumerate() {
            match item {
                Item::Event(event, _) => {
                    // No two happen at one time: then the order in which they come would count.
                    let mut values = event.values.clone();
                    values[4] = Value::Int(event.value(4).as_int().unwrap() + place as i64);
                    *event = Event::new(id(place), 0, values);
                }
                Item::Edit(edit, _) => {
                    edit.id = format!("e{place}").into();
                    if let Some(scope) = &mut edit.scope {
                        scope.at = id(place);
                    }
                }
            }
        }
        items
    })
}

proptest! {
    #[test]
    fn what_comes_by_any_ways_is_a_recount_of_what_was_sent_in_its_time(
        (score, ties) in rule_without_arrivals(),
        items in items(),
        ways in 1usize..4,
        turns in prop::collection::vec(0usize..6, 1..30),
        cuts in prop::collection::vec(any::<bool>(), 0..60),
    ) {
        let bolt = leaderboard(score, ties);
        let found = arrive(&bolt, &items, ways, &turns, &cuts);
        let (boards, late, hidden) = recount(&items);
        let (mut shown, mut kept, mut rests) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for ((period, label, group), events) in boards {
            let (plain, _) = run(&bolt, &events, &[], false);
            let [board, state] = ["board", "state"].map(|of| Key::new(&[of, period, &label, &group]));
            for (member, score) in plain.scores.get(&board).into_iter().flatten() {
                let of = if hidden.contains(member.as_str()) { &mut kept } else { &mut shown };
                of.entry((period, label.clone(), group.clone())).or_insert_with(BTreeMap::new).insert(member.clone(), *score);
            }
            rests.extend(plain.hashes.get(&state).map(|hash| (state.clone(), hash.clone())));
        }
        let named = |of: BTreeMap<Name, BTreeMap<SmolStr, f64>>, kind: &str| -> BTreeMap<Key, BTreeMap<SmolStr, f64>> {
            of.into_iter().map(|((p, l, g), members)| (Key::new(&[kind, p, &l, &g]), members)).collect()
        };
        prop_assert_eq!(&found.scores, &named(shown, "board"));
        let of_kind = |kind: &'static str| {
            found.hashes.iter().filter(move |(key, _)| key.as_str().starts_with(kind))
        };
        let number = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).parse::<f64>().unwrap();
        let hashes = of_kind("hidden:").map(|(key, hash)| {
            (key.clone(), hash.iter().map(|(member, bytes)| (member.clone(), number(bytes))).collect())
        });
        prop_assert_eq!(hashes.collect::<BTreeMap<Key, BTreeMap<SmolStr, f64>>>(), named(kept, "hidden"));
        let states: BTreeMap<_, _> = of_kind("state:").map(|(k, h)| (k.clone(), h.clone())).collect();
        prop_assert_eq!(states, rests);
        prop_assert_eq!(found.late, late);
        // Where all copies have come, only what is closed is noted.
        for (_, hash) in of_kind("cuts") {
            for text in hash.values() {
                prop_assert!(!String::from_utf8_lossy(text).contains("reset"));
            }
        }
    }
}

fn edit_of(kind: EditKind, scope: Scope, at: usize) -> Edit {
    let scope = Some(Scope { bolt: "b".into(), at: id(at), ..scope });
    Edit { scope, ..Edit::new("e", kind, "", "") }
}

fn do_edit(bolt: &Leaderboard, memory: &mut Memory, edit: &Edit, now: i64) -> u64 {
    (0..PARTITIONS)
        .map(|partition| {
            memory.edit(bolt, edit, EditAt { partition, partitions: PARTITIONS, now }, usize::MAX)
        })
        .sum()
}

#[test]
fn an_edit_counts_the_boards_that_it_is_of_and_notes_itself_last() {
    let bolt = leaderboard(Score::Count, Ties::First);
    let events = [points(1, "a", 1), points(2, "b", 1), points(HOUR, "a", 1)];
    let (mut memory, _) = run(&bolt, &events, &[], false);
    let hour = || Scope {
        period: Some("hour".into()),
        label: Some("1970-01-01T0000Z".into()),
        ..Scope::default()
    };
    let close = edit_of(EditKind::Close, hour(), 10);
    // Of everyone and of the class.
    assert_eq!(do_edit(&bolt, &mut memory, &close, 0), 2);
    let noted = &memory.hashes[&Key::new(&["cuts"])];
    assert_eq!(noted.len(), usize::from(PARTITIONS));
    // It goes with the boards.
    assert!(noted.values().all(|of| String::from_utf8_lossy(of).contains("\"until\":7200000")));
    let reset = edit_of(EditKind::Reset, Scope::default(), 11);
    let at = EditAt { partition: partition_of(["a"], PARTITIONS), partitions: PARTITIONS, now: 0 };
    let state = memory.state(|reads| bolt.edit_reads(&reset, at, reads));
    let steps = bolt.edit(&reset, at, &state);
    // Two members of boards in each step, and the last says that the hour goes on.
    let cuts = |step: &tallyd_bolt::EditStep| {
        step.effects.writes.iter().any(|write| *write.key() == Key::new(&["cuts"]))
    };
    assert!(steps.len() >= 3, "{steps:?}");
    assert!(steps.iter().all(|step| step.effects.writes.len() <= 3), "{steps:?}");
    let (last, others) = steps.split_last().unwrap();
    assert!(cuts(last) && !others.iter().any(cuts), "{steps:?}");
    assert_eq!(do_edit(&bolt, &mut memory, &reset, 0), 6);
    assert_eq!((memory.scores.len(), memory.hashes.len()), (0, 0));
}
