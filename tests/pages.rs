//! Pages of the documentation whose commands are run: what a reader types, in the order in which
//! it is read, and what the page says is printed.

#![allow(dead_code, reason = "not every test that reads pages uses all of it")]

use std::{
    fs,
    io::Write,
    net::TcpStream,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a block may take, and how long it is looked at again.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a page writes for what differs each time: within a line, or as a line for any number.
const ANY: &str = "…";

/// A block of code of a page.
#[derive(Debug)]
pub enum Block {
    /// ```` ```toml tallyd.toml ````: a file to save.
    File { name: String, text: String },
    /// ```` ```sh ````: commands, and what the ```` ```text ```` after them says is printed.
    Commands { line: usize, text: String, printed: Option<String> },
}

/// The blocks of a page that its reader saves or runs.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(page.lines());
    while let Some((line, text)) = lines.next() {
        let Some(info) = text.strip_prefix("```") else { continue };
        let inside: String = lines
            .by_ref()
            .map(|(_, text)| text)
            .take_while(|text| *text != "```")
            .flat_map(|text| [text, "\n"])
            .collect();
        match info.split_once(' ').unwrap_or((info, "")) {
            ("toml", name) if !name.is_empty() => {
                blocks.push(Block::File { name: name.to_owned(), text: inside });
            }
            ("sh", _) => blocks.push(Block::Commands { line, text: inside, printed: None }),
            ("text", _) => match blocks.last_mut() {
                Some(Block::Commands { printed: printed @ None, .. }) => *printed = Some(inside),
                _ => panic!("line {line}: nothing prints this"),
            },
            _ => {}
        }
    }
    blocks
}

/// A shell in a folder of its own. All that it starts ends with it.
pub struct Shell {
    bash: Child,
    folder: tempfile::TempDir,
    blocks: usize,
}

impl Shell {
    /// Starts it in a folder that stands for that of the repository. There `make build` gives the
    /// program that is tested, after a look that the Makefile has this target.
    pub fn new(repository: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        let here = folder.path().join("repository");
        fs::create_dir(&here).unwrap();
        fs::create_dir(&bin).unwrap();
        let make = format!(
            "#!/bin/sh\nset -eu\n/usr/bin/env -i PATH=/usr/bin:/bin make -n -C '{}' \"$@\" >/dev/null\n\
             mkdir -p target/release\nln -sf '{}' target/release/tallyd\n",
            repository.display(),
            env!("CARGO_BIN_EXE_tallyd")
        );
        fs::write(bin.join("make"), make).unwrap();
        fs::set_permissions(bin.join("make"), fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.arg("--norc").current_dir(here).process_group(0).stdin(Stdio::piped());
        bash.env("PATH", path).env("LC_ALL", "C.UTF-8").stdout(Stdio::null()).stderr(Stdio::null());
        for variable in ["TALLYD_TOPOLOGY", "TALLYD_REDIS", "TALLYD_LOG", "REDISCLI_AUTH"] {
            bash.env_remove(variable);
        }
        Self { bash: bash.spawn().unwrap(), folder, blocks: 0 }
    }

    /// Saves a file in the folder where the shell is.
    pub fn write(&mut self, name: &str, text: &str) {
        let file = self.folder.path().join("file");
        fs::write(&file, text).unwrap();
        let copied = self.typed(&format!("cp '{}' '{name}'", file.display()));
        assert_eq!(copied, (0, String::new()), "can't save {name}");
    }

    /// Runs a block, and compares what it prints. Where it only asks how things stand, it is asked
    /// again, as a reader does who looks too soon.
    pub fn run(&mut self, text: &str, printed: Option<&str>, place: &str) {
        let asks = text.lines().all(|line| line.starts_with("tallyd status"));
        let began = Instant::now();
        loop {
            let (code, said) = self.typed(text);
            let fits = printed.is_none_or(|printed| is_like(&said, printed));
            if code == 0 && fits {
                return;
            }
            let again = asks && began.elapsed() < PATIENCE;
            let expected = printed.unwrap_or_default();
            assert!(
                again,
                "{place}\n{text}exit code {code}, printed:\n{said}\nexpected:\n{expected}"
            );
            sleep(Duration::from_millis(200));
        }
    }

    /// The exit code of what is typed, and what it prints.
    fn typed(&mut self, text: &str) -> (i32, String) {
        self.blocks += 1;
        let file = |kind: &str| self.folder.path().join(format!("{}.{kind}", self.blocks));
        let [script, out, code] = ["sh", "out", "code"].map(file);
        fs::write(&script, text).unwrap();
        let line = format!(
            "source {} > {} 2>&1 < /dev/null; echo $? > {}.part; mv {2}.part {2}\n",
            script.display(),
            out.display(),
            code.display()
        );
        self.bash.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        await_that(|| code.exists(), || format!("it does not end:\n{text}\n{}", read(&out)));
        (read(&code).trim().parse().unwrap(), read(&out))
    }

    /// Waits until something listens on a port.
    pub fn await_port(&self, port: u16) {
        let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
        await_that(listens, || format!("nothing listens on {port}"));
    }

    /// The text of a file that the shell's commands have written, by its path from the start.
    pub fn written(&self, path: &str) -> String {
        read(&self.folder.path().join("repository").join(path))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.bash);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.bash.wait();
    }
}

fn read(file: &PathBuf) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn await_that(mut holds: impl FnMut() -> bool, what: impl Fn() -> String) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{}", what());
        sleep(Duration::from_millis(10));
    }
}

/// Whether a text is what a page shows.
pub fn is_like(said: &str, shown: &str) -> bool {
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect();
    let (said, shown): (Vec<String>, Vec<String>) = (lines(said), lines(shown));
    lines_are_like(&said, &shown)
}

fn lines_are_like(said: &[String], shown: &[String]) -> bool {
    match (said.split_first(), shown.split_first()) {
        (_, Some((any, rest))) if any == ANY => {
            let after =
                |skipped| said.get(skipped..).is_some_and(|said| lines_are_like(said, rest));
            (0..=said.len()).any(after)
        }
        (Some((said, others)), Some((shown, rest))) => {
            line_is_like(said, shown) && lines_are_like(others, rest)
        }
        (said, shown) => said.is_none() && shown.is_none(),
    }
}

fn line_is_like(said: &str, shown: &str) -> bool {
    match shown.split_once(ANY) {
        None => said == shown,
        Some((before, after)) => said.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|place| rest.is_char_boundary(*place))
                .any(|place| line_is_like(&rest[place..], after))
        }),
    }
}
