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

#[test]
fn every_command_of_the_first_page_does_what_it_says() {
    let page = fs::read_to_string(repository().join("docs/start.md")).unwrap();
    let port = free_port();
    let blocks = pages::blocks(&page.replace(PORT, &port.to_string()));
    let commands = blocks.iter().filter(|block| matches!(block, Block::Commands { .. }));
    assert!(commands.count() > 10, "the page is written in another way now");
    let mut shell = Shell::new(&repository());
    for block in blocks {
        match block {
            Block::File { name, text } => {
                let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
                assert!(lines <= 12, "{name} has {lines} lines");
                shell.write(&name, &text);
            }
            Block::Commands { line, text, printed } => {
                shell.run(&text, printed.as_deref(), &format!("docs/start.md:{line}"));
                // What a person does by reading on.
                if text.contains("redis-server") {
                    shell.await_port(port);
                }
            }
        }
    }
    let log = shell.written("quiz/worker-1.log");
    assert!(log.contains("its partitions are handed over"), "{log}");
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
