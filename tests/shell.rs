//! What shells and `man` make of the scripts and pages that the program prints.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn tallyd(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tallyd")).args(words).output().unwrap()
}

fn printed(words: &[&str]) -> String {
    let output = tallyd(words);
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a program that may not be installed says; `None` where it is not.
fn said(command: &mut Command) -> Option<String> {
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    assert!(output.status.success() && output.stderr.is_empty(), "{command:?}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn bash_completes_commands_options_and_values() {
    // As bash does when Tab is pressed: the words so far, and which of them is being typed.
    let script = r#"
        set -eu
        source "$1"
        complete -p tallyd >/dev/null
        completed() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            _tallyd tallyd "${@: -1}" "${@: -2:1}"
            echo "${COMPREPLY[*]}"
        }
        completed tallyd bo
        completed tallyd board points --aro
        completed tallyd graph --format ''
        completed tallyd dead re
    "#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tallyd.bash");
    std::fs::write(&file, printed(&["completions", "bash"])).unwrap();
    let bash = said(Command::new("bash").args(["--norc", "-c", script, "-"]).arg(&file));
    assert_eq!(bash.expect("bash is there"), "board\n--around\nmermaid dot\nreplay\n");
}

#[test]
fn zsh_and_fish_read_their_scripts() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["zsh", "fish"] {
        let script = printed(&["completions", shell]);
        for command in ["board", "completions", "doctor", "stats"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
        let file = folder.path().join(shell);
        std::fs::write(&file, script).unwrap();
        said(Command::new(shell).arg("-n").arg(&file));
    }
    assert_eq!(tallyd(&["completions", "cmd"]).status.code(), Some(2));
}

#[test]
fn every_command_has_a_man_page_that_renders() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    printed(&["man", "--out", pages.to_str().unwrap()]);
    let pages = std::fs::read_dir(&pages).unwrap().map(|page| page.unwrap().path());
    let pages: Vec<PathBuf> = pages.collect();
    assert!(pages.len() > 15, "{pages:?}");
    for page in &pages {
        let name = page.file_stem().unwrap().to_str().unwrap();
        let source = std::fs::read_to_string(page).unwrap();
        for part in [".SH NAME", ".SH SYNOPSIS"] {
            assert!(source.contains(part), "{name} has no {part}");
        }
        // Every page that is cited is there.
        for cited in source.replace("\\-", "-").split('\n').filter_map(|l| l.strip_suffix("(1)")) {
            let cited = page.with_file_name(format!("{cited}.1"));
            assert!(cited.exists(), "{name} cites {}", cited.display());
        }
        let Some(shown) = rendered(page) else { continue };
        assert!(shown.contains("tallyd"), "{shown}");
    }
    let board = printed(&["man", "board"]);
    let written = pages.iter().find(|page| page.ends_with("tallyd-board.1")).unwrap();
    assert_eq!(board, std::fs::read_to_string(written).unwrap());
    if let Some(shown) = rendered(written) {
        let example = "tallyd board points --around ann                      ann, and those above";
        for line in [example, "--period", "EXAMPLES"] {
            assert!(shown.contains(line), "no {line} in\n{shown}");
        }
    }
    assert_eq!(tallyd(&["man", "bord"]).status.code(), Some(2));
}

/// A page as `man` shows it, without a warning.
fn rendered(page: &Path) -> Option<String> {
    let mut man = Command::new("man");
    man.args(["--warnings", "-l"]).arg(page).env("MANWIDTH", "120").env("LC_ALL", "C.UTF-8");
    said(man.env_remove("MANPAGER").env_remove("MAN_KEEP_FORMATTING"))
}
