//! `tallyd demo` as a user ends it: Ctrl-C in a terminal, SIGTERM, and a terminal that is closed.
//! However it ends, no process of it is left.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The demo on a terminal of its own, and what belongs to it.
struct Demo {
    child: Child,
    /// The user's end of the terminal.
    terminal: Option<std::fs::File>,
    /// The user has gone: nobody reads what is drawn.
    is_gone: Arc<AtomicBool>,
    folder: tempfile::TempDir,
}

impl Demo {
    /// Starts it, and waits until its server and both workers run.
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("td").tempdir_in("/tmp").unwrap();
        let terminal =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let open = || -> OwnedFd {
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap()
        };
        let child = Command::new(env!("CARGO_BIN_EXE_tallyd"))
            .args(["demo", "--keep", "--rate", "200", "--workers", "2"])
            .env("TMPDIR", folder.path())
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::from(open()))
            .spawn()
            .unwrap();
        let is_gone = Arc::new(AtomicBool::new(false));
        let has_gone = Arc::clone(&is_gone);
        let demo = Self { child, terminal: Some(std::fs::File::from(terminal)), is_gone, folder };
        // A terminal that nobody reads fills up, and stops who writes to it.
        let mut screen = demo.terminal.as_ref().unwrap().try_clone().unwrap();
        std::thread::spawn(move || {
            let mut drawn = [0; 4096];
            while !has_gone.load(Ordering::Relaxed) && screen.read(&mut drawn).is_ok_and(|n| n > 0)
            {
            }
        });
        await_that("the server and the workers run", || demo.processes().len() == 3);
        demo
    }

    /// The command lines of its server and workers.
    fn processes(&self) -> Vec<String> {
        processes_of(self.folder.path())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Closes the user's end of the terminal.
    fn hang_up(&mut self) {
        self.is_gone.store(true, Ordering::Relaxed);
        self.terminal = None;
    }

    /// Waits for its end, and for that of all that it started.
    fn ended(mut self) -> ExitStatus {
        let mut status = None;
        await_that("the demo ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        await_that("nothing of it is left", || self.processes().is_empty());
        let left = files(self.folder.path());
        assert!(left.is_empty(), "{status:?}: {left:?}");
        status.unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Where a test failed: the demo ends what it has started.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// All files and folders below one.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let with_those_below = |path: PathBuf| {
        let below = if path.is_dir() { files(&path) } else { Vec::new() };
        std::iter::once(path).chain(below)
    };
    paths.flat_map(with_those_below).collect()
}

fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path: PathBuf = entry.ok()?.path().join("cmdline");
        Some(String::from_utf8_lossy(&std::fs::read(path).ok()?).replace('\0', " "))
    });
    lines.filter(|line| line.contains(folder)).collect()
}

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn control_c_in_a_terminal_ends_the_load_and_the_audit_follows() {
    let mut demo = Demo::start();
    demo.terminal.as_mut().unwrap().write_all(b"\x03").unwrap();
    assert_eq!(demo.ended().code(), Some(0));
}

#[test]
fn sigterm_leaves_no_process_behind() {
    let demo = Demo::start();
    demo.signal(Signal::TERM);
    assert_eq!(demo.ended().code(), Some(143));
}

#[test]
fn a_closed_terminal_leaves_no_process_behind() {
    let demo = Demo::start();
    demo.signal(Signal::HUP);
    assert_eq!(demo.ended().code(), Some(129));
}

#[test]
fn a_terminal_that_can_not_be_written_any_more_ends_it() {
    let mut demo = Demo::start();
    // No signal comes: the demo does not belong to this terminal, as under `nohup` or `setsid`.
    demo.hang_up();
    assert_eq!(demo.ended().code(), Some(1));
}

#[test]
fn its_pages_are_there_while_it_runs() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_tallyd"))
        .args(["demo", "--keep", "--rate", "200", "--workers", "2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let line = lines.find(|line| line.as_ref().unwrap().starts_with("pages ")).unwrap().unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(get("/operator").starts_with("HTTP/1.1 200"));
    await_that("the board has rows", || get("/v1/boards/points").contains("\"rank\":1,"));
    kill_process(Pid::from_child(&demo), Signal::INT).unwrap();
    // What is said further has to be read, or the demo waits.
    assert!(lines.all(|line| line.is_ok()));
    assert!(demo.wait().unwrap().success());
    assert!(TcpStream::connect(&address).is_err(), "the pages end with it");
}
