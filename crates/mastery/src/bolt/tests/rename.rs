//! Two learners who become one, or one under another name.

use super::*;
use tallyd_bolt::Handing;
use tallyd_event::Handed;

/// Does an edit in the partition of its member, and what it hands over in others.
fn rename(memory: &mut Memory, edit: &Edit) -> u64 {
    let (bolt, partition) = (bolt(ROUND), partition_of([edit.member.as_str()], PARTITIONS));
    let at = EditAt { partition, partitions: PARTITIONS, now: 0 };
    let state = memory.state(|reads| bolt.edit_reads(edit, at, reads));
    let mut changed = 0;
    for step in bolt.edit(edit, at, &state) {
        memory.apply(&step.effects);
        changed += step.changed;
        for Handing { kind, member, state, .. } in step.handed {
            let handed = Some(Handed { bolt: "mastery".into(), state });
            let adopts = Edit { handed, ..Edit::new("e", kind, "user", &member) };
            changed += rename(memory, &adopts);
        }
    }
    changed
}

fn edit(from: &str, to: &str) -> Edit {
    Edit { to: to.into(), ..Edit::new("e", EditKind::Rename, "user", from) }
}

fn practise(memory: &mut Memory, learner: &str, answers: usize, concepts: usize) {
    let text = |n: usize| format!("{learner} c{} q{n} {}", n % concepts, n % 2);
    let texts: Vec<String> = (0..answers).map(text).collect();
    run(memory, &bolt(ROUND), &texts.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_new_name_has_all_that_the_old_one_had_in_any_number_of_concepts() {
    // Names in each of the partitions, of which the concepts have numbers of their own.
    for to in ["u", "v", "w:{x}", "y"] {
        let mut memory = Memory::default();
        practise(&mut memory, "other", 50, 7);
        practise(&mut memory, "old", 300, 120);
        let (before, other) = (stored(&memory, "old"), stored(&memory, "other"));
        assert_eq!(rename(&mut memory, &edit("old", to)), 2);
        assert_eq!(shown_of(&memory, "old"), None);
        assert!(memory.hashes.values().all(|hash| !hash.contains_key("old")));
        assert_eq!((stored(&memory, to), stored(&memory, "other")), (before, other));
        assert_eq!(rename(&mut memory, &edit("old", to)), 0);
        // What comes next goes on from there.
        practise(&mut memory, to, 1, 1);
        assert_eq!(stored(&memory, to).unwrap().0.answers, 301);
    }
}

#[test]
fn of_two_the_ability_with_more_answers_stays_in_each_concept() {
    let mut memory = Memory::default();
    practise(&mut memory, "old", 40, 20);
    run(&mut memory, &bolt(ROUND), &["old c1 q 1"; 9]);
    practise(&mut memory, "new", 90, 30);
    let (old, new) = (stored(&memory, "old").unwrap(), stored(&memory, "new").unwrap());
    rename(&mut memory, &edit("old", "new"));
    let (overall, concepts) = stored(&memory, "new").unwrap();
    let last = old.0.last.max(new.0.last);
    assert_eq!(overall, Ability { last, ..new.0 });
    for (name, found) in &concepts {
        let of_old = old.1.get(name).filter(|of| of.answers > new.1[name].answers);
        assert_eq!(found, of_old.unwrap_or(&new.1[name]), "{name}");
    }
    assert_eq!((concepts.len(), concepts["c1"].answers), (30, old.1["c1"].answers));
}
