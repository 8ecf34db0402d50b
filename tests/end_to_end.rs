//! A real redis-server, real worker processes, real faults: the demo with its kill and its audit,
//! and topology files with their tests, as a newcomer runs them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn tallyd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tallyd")).args(arguments).output().unwrap()
}

#[test]
fn the_audit_holds_through_a_kill() {
    let output = tallyd(&["demo", "--for", "6s", "--rate", "1000", "--seed", "7"]);
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("killed worker 1 with SIGKILL"), "{said}");
    assert!(said.contains(" 0 differ\n"), "{said}");
    assert!(said.contains("· 0 lost · 0 doubled ·"), "{said}");
}

#[test]
fn the_shipped_topologies_pass_their_own_tests() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../topologies");
    for name in ["testprep", "high-scores", "page-views", "regrade"] {
        let output = tallyd(&["check", &format!("{folder}/{name}.toml")]);
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{errors}");
        assert!(said.contains("ok,"), "{said}");
    }
}

#[test]
fn a_broken_topology_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.toml");
    std::fs::write(&file, "name = \"x\"\n[bolt.a]\ntype = \"dedupp\"\nfrom = \"nothing\"\n")
        .unwrap();
    let output = tallyd(&["check", file.to_str().unwrap()]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("broken.toml:3"), "{errors}");
    assert_eq!(tallyd(&["check"]).status.code(), Some(2));
}

#[test]
fn wrong_use_has_an_exit_code_of_its_own() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../topologies/testprep.toml");
    let send = ["send", "-", "--topology", file, "--source", "nothing", "--format", "csv"];
    let cases: [&[&str]; 3] =
        [&["run", file, "--bolts", "nothing"], &send, &["demo", "--workers", "0"]];
    for arguments in cases {
        let output = tallyd(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    }
}
