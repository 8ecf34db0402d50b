//! The stream that a simulation gives, read by a strict reader of its own: what claims to be an
//! answer is that answer, and what claims to be malformed is no event.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use jiff::Timestamp;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::{BTreeMap, HashSet};
use tallyd_learners::{Answer, Faults, Item, Malformation, Sending, Simulation, SimulationOptions};

const NOW: i64 = 1_767_225_600_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

type Fields = Vec<(String, Vec<u8>)>;

/// A map of scalars, doubled names kept, every value as the text that a flat entry would carry.
struct Map(Fields);

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Map;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                    let text = match value {
                        serde_json::Value::String(text) => text,
                        value if value.is_object() || value.is_array() => {
                            return Err(serde::de::Error::custom("nested"));
                        }
                        value => value.to_string(),
                    };
                    fields.push((name, text.into_bytes()));
                }
                Ok(Map(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// What is sent, item by item; `None` for what can't be read.
fn open(sending: &Sending) -> Vec<Option<Fields>> {
    let [("batch", bytes)] = &sending.fields[..] else {
        let owned = |(name, value): &(&str, Vec<u8>)| (name.to_string(), value.clone());
        return vec![Some(sending.fields.iter().map(owned).collect())];
    };
    let all: Option<Vec<Map>> = match bytes.first() {
        Some(b'{') => {
            let lines = bytes.split(|&byte| byte == b'\n');
            return lines.map(|l| serde_json::from_slice(l).ok().map(|m: Map| m.0)).collect();
        }
        Some(b'[') => serde_json::from_slice(bytes).ok(),
        // An array of up to 15, one by one: of one that is cut short, the whole members are read.
        Some(0x91..=0x9f) => {
            let members = usize::from(bytes[0] & 0xf);
            let mut rest = rmp_serde::Deserializer::from_read_ref(&bytes[1..]);
            let mut found = Vec::new();
            while found.len() < members && !matches!(found.last(), Some(None)) {
                found.push(Map::deserialize(&mut rest).ok().map(|map| map.0));
            }
            return found;
        }
        _ => None,
    };
    match all {
        Some(maps) if !maps.is_empty() => maps.into_iter().map(|map| Some(map.0)).collect(),
        _ => vec![None],
    }
}

/// Reads fields by the schema of `topologies/testprep.toml`.
fn read(fields: &Fields) -> Option<Answer> {
    let text = |name: &str| -> Option<Option<&str>> {
        let mut given = fields.iter().filter(|(n, _)| n == name);
        let first = given.next();
        if given.next().is_some() {
            return None;
        }
        let Some((_, bytes)) = first else { return Some(None) };
        let text = std::str::from_utf8(bytes).ok()?;
        let strange = |c: char| c.is_control() || c == '\u{202e}';
        (text.len() <= 4096 && !text.contains(strange))
            .then_some(Some(text).filter(|t| !t.is_empty()))
    };
    let needed = |name| text(name)?;
    let (concept, number) = needed("question")?.rsplit_once('/')?;
    let ms = needed("ms")?.parse().ok().filter(|ms| (0..=3_600_000).contains(ms))?;
    let at: i64 = match needed("at")? {
        time if time.contains('T') => time.parse::<Timestamp>().ok()?.as_millisecond(),
        time => time.parse().ok()?,
    };
    // A number of seconds would be a time in 1970.
    (needed("concept")? == concept && (NOW - 30 * DAY..=NOW + 10 * MINUTE).contains(&at))
        .then_some(())?;
    Some(Answer {
        user: needed("user")?.into(),
        number: needed("id")?.strip_prefix('a')?.parse().ok()?,
        class: text("class")?.map(Into::into),
        concept: concept.into(),
        question: number.parse().ok()?,
        correct: match needed("correct")? {
            "1" | "1.0" | "true" => true,
            "0" | "0.0" | "false" => false,
            _ => return None,
        },
        ms,
        points: needed("points")?.parse().ok()?,
        at,
    })
}

#[expect(clippy::unwrap_used, reason = "the options of these tests are within their bounds")]
fn simulation(seed: u64, faults: Faults) -> Simulation {
    Simulation::new(SimulationOptions { seed, faults, ..Default::default() }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn items_are_what_they_claim(
        seed: u64,
        malformed in 0.0..0.6,
        retry in 0.0..0.3,
        late in 0.0..1.0,
        batch in 0.0..1.0,
    ) {
        let faults = Faults { malformed, retry, late, batch, batch_events: 8, ..Faults::default() };
        let mut simulation = simulation(seed, faults);
        for _ in 0..200 {
            let sending = simulation.send(NOW);
            let found = open(&sending);
            prop_assert_eq!(found.len(), sending.items.len(), "{:?}", sending);
            for (found, item) in found.iter().zip(&sending.items) {
                let found = found.as_ref().and_then(read);
                match item {
                    Item::Answer(answer) => prop_assert_eq!(found.as_ref(), Some(answer)),
                    Item::DeadLetter(claimed) => {
                        prop_assert!(found.is_none(), "{claimed:?}: {sending:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn equal_options_and_times_give_an_equal_stream(seed: u64, other: u64) {
        let stream = |seed| -> Vec<Sending> {
            let mut simulation = simulation(seed, Faults::default());
            (0..100).map(|step| simulation.send(NOW + step)).collect()
        };
        prop_assert_eq!(stream(seed), stream(seed));
        if seed != other {
            prop_assert_ne!(stream(seed), stream(other));
        }
    }
}

/// All items of a long stream.
fn items(faults: Faults, entries: usize) -> Vec<Item> {
    let mut simulation = simulation(7, faults);
    (0..entries).flat_map(|_| simulation.send(NOW).items).collect()
}

#[test]
fn faults_come_as_often_as_asked() {
    let faults = Faults { malformed: 0.1, retry: 0.2, batch: 0.0, ..Faults::default() };
    let items = items(faults, 20_000);
    let mut seen = HashSet::new();
    let (mut answers, mut again, mut late, mut early, mut classless) = (0, 0, 0, 0, 0);
    for item in &items {
        let Item::Answer(answer) = item else { continue };
        answers += 1;
        if !seen.insert((answer.user.clone(), answer.number)) {
            again += 1;
            continue;
        }
        late += usize::from(answer.at < NOW);
        early += usize::from(answer.at > NOW);
        classless += usize::from(answer.class.is_none());
    }
    let near = |count: usize, of: usize, share: f64| {
        let given = count as f64 / of as f64;
        assert!((given - share).abs() < 0.15 * share + 0.002, "{given} for {share}");
    };
    near(items.len() - answers, items.len(), 0.8 * 0.1);
    near(again, items.len(), 0.2);
    near(late, seen.len(), 0.01);
    near(early, seen.len(), 0.005);
    near(classless, seen.len(), 0.02);
}

#[test]
fn every_malformation_is_sent() {
    let faults = Faults { malformed: 0.2, batch: 0.5, ..Faults::default() };
    let mut kinds: BTreeMap<Malformation, u32> = BTreeMap::new();
    for item in items(faults, 5_000) {
        if let Item::DeadLetter(kind) = item {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let names: Vec<&str> = kinds.keys().map(|kind| kind.name()).collect();
    let expected = [
        "bad bool",
        "bad time",
        "broken batch",
        "control character",
        "doubled field",
        "empty field",
        "missing field",
        "not an event",
        "not a number",
        "not UTF-8",
        "out of range",
        "too early",
        "too long",
    ];
    assert_eq!(names, expected);
    assert!(kinds.values().all(|&count| count > 20), "{kinds:?}");
}

#[test]
fn a_retry_in_an_entry_of_its_own_is_exact() {
    let faults = Faults { malformed: 0.0, retry: 0.3, batch: 0.0, ..Faults::default() };
    let mut simulation = simulation(3, faults);
    let mut first = BTreeMap::new();
    let mut retries = 0;
    for step in 0..2_000 {
        let Sending { fields, items } = simulation.send(NOW + step * 60_000);
        let [Item::Answer(answer)] = &items[..] else { panic!("{items:?}") };
        if let Some(earlier) = first.insert((answer.user.clone(), answer.number), fields.clone()) {
            assert_eq!(earlier, fields);
            retries += 1;
        }
    }
    assert!(retries > 400, "{retries}");
}

#[test]
fn who_tires_gets_slower_and_errs_more() {
    let right_and_ms = |tiring| {
        let options = SimulationOptions { learners: 50, tiring, ..Default::default() };
        let mut simulation = Simulation::new(options).unwrap();
        let answers: Vec<Answer> = (0..20_000)
            .flat_map(|_| simulation.send(NOW).items)
            .filter_map(|item| if let Item::Answer(answer) = item { Some(answer) } else { None })
            .collect();
        let count = answers.len() as f64;
        let right = answers.iter().filter(|answer| answer.correct).count() as f64 / count;
        (right, answers.iter().map(|answer| answer.ms).sum::<i64>() as f64 / count)
    };
    let (rested, tired) = (right_and_ms(0.0), right_and_ms(1.0));
    assert!(tired.0 < rested.0 - 0.1, "{tired:?} {rested:?}");
    assert!(tired.1 > rested.1 * 1.2, "{tired:?} {rested:?}");
}
