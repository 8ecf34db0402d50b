//! The JSON Schema accepts the topology files of this repository, and refuses broken ones.

#[path = "../support/mod.rs"]
mod support;
mod validator;

use support::{read_file, repository};
use tallyd_topology::{KINDS, json_schema, parse};
use validator::{to_json, validate};

const FILES: [&str; 3] = ["testprep", "high-scores", "page-views"];

#[test]
fn the_json_schema_accepts_the_files() {
    let schema = json_schema(KINDS);
    for name in FILES {
        let text = read_file(&repository().join("topologies").join(format!("{name}.toml")));
        let value = to_json(&text);
        assert_eq!(validate(&schema, &value, ""), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_json_schema_refuses_what_the_reader_refuses() {
    let schema = json_schema(KINDS);
    let text = read_file(&repository().join("topologies/testprep.toml"));
    let cases = [
        ("partitions = 16", "partitions = 0"),
        ("window = \"24h\"", "windw = \"24h\""),
        ("type = \"dedup\"", "type = \"dedupe\""),
        ("from = \"answers\"", ""),
        ("points   = \"int\"", "points = \"integer\""),
        ("points   = \"int\"", "points = \"decimal\""),
        ("points   = \"int\"", "points = { type = \"decimal\", places = 10 }"),
        ("ties = \"first\"", "ties = \"last\""),
        ("boards = [[], [\"class\"]]", "boards = [\"class\"]"),
        ("max_len = 100_000", "max_len = \"many\""),
        ("windows = [\"1m\", \"1h\", \"1d\", \"all\"]", "windows = [{ retain = \"1d\" }]"),
        ("duplicates = 1, passed = 2", "duplicats = 1"),
    ];
    for (right, wrong) in cases {
        assert!(text.contains(right), "{right}");
        let broken = text.replace(right, wrong);
        assert_ne!(validate(&schema, &to_json(&broken), ""), Vec::<String>::new(), "{wrong}");
        assert!(parse("f", &broken, &|_| None).is_err(), "{wrong}");
    }
}
