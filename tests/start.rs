//! The pages for those who begin: every command that they show is run, and what they say is
//! printed is compared.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pages;

use pages::{Block, Shell, is_like};
use std::{fs, net::TcpListener, path::Path};

/// The port that the page uses. Another is in use on the machine where it is tested.
const PORT: &str = "6400";

fn repository() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Does what a page says.
fn follow(shell: &mut Shell, name: &str, page: &str, port: u16) {
    let blocks = pages::blocks(page);
    assert!(!blocks.is_empty(), "{name} is written in another way now");
    for block in blocks {
        match block {
            Block::File { name, text } => {
                let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
                assert!(lines <= 12, "{name} has {lines} lines");
                shell.write(&name, &text);
            }
            Block::Commands { line, text, printed } => {
                shell.run(&text, printed.as_deref(), &format!("{name}:{line}"));
                // What a person does by reading on.
                if text.contains("redis-server") {
                    shell.await_port(port);
                }
            }
        }
    }
}

#[test]
fn every_command_of_the_first_page_does_what_it_says() {
    let page = fs::read_to_string(repository().join("docs/start.md")).unwrap();
    let port = free_port();
    let mut shell = Shell::new(&repository());
    follow(&mut shell, "docs/start.md", &page.replace(PORT, &port.to_string()), port);
    let log = shell.written("quiz/worker-1.log");
    assert!(log.contains("its partitions are handed over"), "{log}");
}

#[test]
fn the_topology_of_the_readme_prints_what_it_says() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let lines = readme.lines().count();
    assert!(lines <= 100, "README.md has {lines} lines");
    assert_eq!(readme.matches("![").count(), 1, "it has one picture");
    // The commands of the rest install and measure.
    let (_, from) = readme.split_once("## A topology").unwrap();
    let (topology, _) = from.split_once("\n## ").unwrap();
    let port = free_port();
    let mut shell = Shell::new(&repository());
    // A Redis where the page has the local one.
    let redis = format!(
        "redis-server --port {port} --appendonly yes > redis.log &\n\
         export TALLYD_REDIS=redis://127.0.0.1:{port}\n\
         redis-cli() {{ command redis-cli -p {port} \"$@\"; }}\n"
    );
    shell.run(&redis, None, "a Redis");
    shell.await_port(port);
    follow(&mut shell, "README.md, from its topology on", topology, port);
}

#[test]
fn what_differs_each_time_is_let_through_and_nothing_else() {
    for (said, shown, fits) in [
        ("a\nb\n", "a\nb\n", true),
        ("a\nb\n", "a\n", false),
        ("a\n", "a\nb\n", false),
        ("ab\n", "a\n", false),
        ("a 12 b\n", "a … b\n", true),
        ("a 12 c\n", "a … b\n", false),
        ("x\ny\nb\n", "…\nb\n", true),
        ("b\n", "…\nb\n", true),
        ("x\ny\n", "…\nb\n", false),
    ] {
        assert_eq!(is_like(said, shown), fits, "{said:?} {shown:?}");
    }
}

#[test]
fn what_the_readme_says_of_speed_was_measured() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let file = fs::read_to_string(repository().join("docs/internals/performance.json")).unwrap();
    let measured: serde_json::Value = serde_json::from_str(&file).unwrap();
    let thousands = |contender: &str| {
        let rate = measured.pointer(&format!("/contenders/{contender}/events_per_second/median"));
        format!("{:.0},000", rate.unwrap().as_f64().unwrap() / 1000.0)
    };
    for (name, contender) in [("tallyd", "tallyd"), ("the usual consumer loop", "loop")] {
        let said = format!("{name} {}", thousands(contender));
        assert!(readme.contains(&said), "README.md does not say \"{said}\"");
    }
    let ratio = measured.pointer("/ratios/redis_cpu_single_over_loop").unwrap().as_f64().unwrap();
    assert!((0.2..0.3).contains(&ratio) && readme.contains("a quarter of the CPU"), "{ratio}");
}
