//! The arrows of ARCHITECTURE.md, checked over the `Cargo.toml` files.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path};

/// What each crate may depend on, of this repository. A bolt may name nothing else at all that
/// could do input or output.
const MAY_USE: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("bolt", &["event"]),
    ("dedup", &["bolt", "event"]),
    ("aggregate", &["bolt", "event"]),
    ("leaderboard", &["bolt", "event"]),
    ("fatigue", &["bolt", "event"]),
    ("mastery", &["bolt", "event"]),
    ("topology", &["aggregate", "bolt", "dedup", "event", "fatigue", "leaderboard", "mastery"]),
    ("runtime", &["bolt", "event", "topology"]),
    ("store", &["bolt", "event", "runtime", "topology"]),
    (
        "query",
        &[
            "aggregate",
            "bolt",
            "event",
            "fatigue",
            "leaderboard",
            "mastery",
            "runtime",
            "store",
            "topology",
        ],
    ),
    ("ingest", &["event"]),
    ("learners", &[]),
    ("model", &[]),
    ("simulation", &["bolt", "event", "runtime", "store", "topology"]),
    ("chaos", &["event", "harness", "learners", "runtime", "store", "topology"]),
    ("harness", &["bolt", "event", "learners", "runtime", "store", "topology"]),
];

/// The crates that do no input or output, and so never name these.
const PURE: &[&str] =
    &["event", "bolt", "dedup", "aggregate", "leaderboard", "fatigue", "mastery", "topology"];
const IMPURE: &[&str] = &["redis", "tokio", "rand", "axum", "metrics"];

fn dependencies() -> BTreeMap<String, Vec<String>> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = BTreeMap::new();
    for folder in fs::read_dir(crates).unwrap() {
        let folder = folder.unwrap().path();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let section = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap_or_default();
        let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        let names = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        all.insert(folder.file_name().unwrap().to_string_lossy().into_owned(), names);
    }
    all
}

#[test]
fn arrows_point_one_way() {
    for (name, dependencies) in dependencies() {
        if name == "tallyd" {
            continue;
        }
        let Some((_, may)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            panic!("crates/{name} is new: say in tests/house.rs what it may depend on");
        };
        for dependency in dependencies {
            if let Some(ours) = dependency.strip_prefix("tallyd-") {
                assert!(may.contains(&ours), "{name} may not depend on {ours}");
            }
            let impure = PURE.contains(&name.as_str()) && IMPURE.contains(&dependency.as_str());
            assert!(!impure, "{name} does no input or output, but names {dependency}");
            assert!(name != "runtime" || dependency != "redis", "the runtime never names redis");
            let anyhow = dependency == "anyhow";
            assert!(!anyhow, "{name} is a library: anyhow is for the binary only");
        }
    }
}
