//! What a terminal shows: tables as wide as it is, and colour where something must not be missed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use redis::Pipeline;
use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tallyd_harness::{Server, ServerOptions};
use tallyd_store::Connection;
use tempfile::TempDir;
use tokio::time::sleep;

const FILE: &str = r#"
name = "t"
partitions = 2
[run]
session_timeout = "500ms"
[source.s]
id = "id"
key = "user"
fields = { id = "string", user = "string", points = "int" }
[bolt]
board = { type = "leaderboard", from = "s", member = "user", score = "sum(points)", periods = ["all"] }
"#;

/// Alone, so that it can be told from all that is broken.
const POINTS: &str = "987654321";

struct Place {
    server: Server,
    folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
        std::fs::write(folder.path().join("tallyd.toml"), FILE).unwrap();
        Self { server, folder }
    }

    fn tallyd(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
        command.args(words).current_dir(self.folder.path()).env("TALLYD_REDIS", &self.server.url);
        command.env_remove("TALLYD_TOPOLOGY").env_remove("NO_COLOR").env("TERM", "xterm");
        command
    }

    async fn ask(&self, words: &[&str]) {
        let mut ask = Pipeline::new();
        let (name, arguments) = words.split_first().unwrap();
        ask.cmd(name).arg(arguments);
        Connection::open(&self.server.url).await.unwrap().all(&ask).await.unwrap();
    }
}

/// What a terminal of so many columns gets from a command.
fn shown(command: &mut Command, columns: u16) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let open = || -> OwnedFd {
        rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap()
    };
    command.stdin(Stdio::null()).stdout(Stdio::from(open())).stderr(Stdio::from(open()));
    let mut child = command.spawn().unwrap();
    // Ours are closed, so that the end of the command is the end of what it writes.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut screen, mut said) = (std::fs::File::from(terminal), Vec::new());
    let mut part = [0; 4096];
    while let Ok(read @ 1..) = screen.read(&mut part) {
        said.extend(part.get(..read).unwrap());
    }
    let said = String::from_utf8(said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    said
}

/// A command on a terminal whose keys are pressed by the test: once `words` are shown, `key` is.
fn pressed(command: &mut Command, words: &str, key: &[u8]) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let open = || -> OwnedFd {
        rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap()
    };
    command.stdin(Stdio::from(open())).stdout(Stdio::from(open())).stderr(Stdio::from(open()));
    let mut child = command.spawn().unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (mut screen, mut said) = (std::fs::File::from(terminal), String::new());
    let (mut part, mut is_pressed) = ([0; 4096], false);
    while let Ok(read @ 1..) = screen.read(&mut part) {
        said += &String::from_utf8_lossy(part.get(..read).unwrap());
        if !is_pressed && said.contains(words) {
            screen.write_all(key).unwrap();
            is_pressed = true;
        }
    }
    assert!(child.wait().unwrap().success(), "{said}");
    said
}

fn written(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn tables_fit_and_what_is_gone_halted_or_full_has_colour() {
    let place = Place::new().await;
    let mut worker = place.tallyd(&["run"]).stderr(Stdio::null()).spawn().unwrap();
    let member = "a-learner-whose-name-is-longer-than-a-narrow-terminal-is-wide";
    place.ask(&["XADD", "s", "*", "id", "1", "user", member, "points", POINTS]).await;
    written(&mut place.tallyd(&["wait", "--timeout", "30s"]));
    worker.kill().unwrap();
    worker.wait().unwrap();
    place.ask(&["SET", "tallyd:{t/0}:fence:board:1", "!halted#9#abc"]).await;
    place.ask(&["HSET", "tallyd:{t/0}:halted", "board:1", "a reason"]).await;
    place.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1"]).await;
    let status = || place.tallyd(&["status"]);
    let began = Instant::now();
    while !written(&mut status()).contains("GONE") {
        assert!(began.elapsed() < Duration::from_secs(30), "it is not gone");
        sleep(Duration::from_millis(50)).await;
    }

    for columns in [60, 80, 200] {
        let board = shown(&mut place.tallyd(&["board", "board"]), columns);
        let widest = board.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
        assert!(widest <= columns.into(), "{columns}: {board}");
        assert!(board.contains(POINTS), "{columns}: {board}");
        assert_eq!(board.contains(member), columns > 80, "{columns}: {board}");
        let screen = shown(&mut status(), columns);
        // A colour is before each, on the same line.
        for word in ["GONE for", "1 HALTED", "FULL", "HALTED"] {
            let place = screen.lines().find_map(|line| line.split_once(word));
            let before = place.expect("it is said").0;
            assert!(before.contains('\u{1b}'), "{word} at {columns}: {screen:?}");
        }
        let plain = shown(status().env("NO_COLOR", "1"), columns);
        assert!(plain.contains("1 HALTED") && !plain.contains('\u{1b}'), "{plain:?}");
    }
    // What is no terminal is never cut, and has no colour.
    let file = written(&mut status()) + &written(&mut place.tallyd(&["board", "board"]));
    assert!(file.contains(member) && file.contains("1 HALTED"), "{file:?}");
    assert!(!file.contains('\u{1b}'), "{file:?}");
}

#[tokio::test]
async fn top_draws_until_a_key_ends_it_and_gives_the_terminal_back() {
    let place = Place::new().await;
    let mut worker = place.tallyd(&["run"]).stderr(Stdio::null()).spawn().unwrap();
    let said = pressed(&mut place.tallyd(&["top", "--every", "100ms"]), "1 worker", b"q");
    worker.kill().unwrap();
    worker.wait().unwrap();
    let (enter, leave) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
    assert!(said.find(enter) < said.rfind(leave), "{said}");
    assert!(said.contains("what happened"), "{said}");
    let elsewhere = place.tallyd(&["top"]).output().unwrap();
    assert_eq!(elsewhere.status.code(), Some(2));
    let error = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(error.contains("tallyd status --json"), "{error}");
}
