//! Each file of `tests/broken` with what is said of it: one snapshot a file.

mod support;

use support::read_file;
use tallyd_topology::parse;

#[expect(clippy::unwrap_used, reason = "a test may panic")]
fn broken() -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), read_file(&path)))
        .collect();
    files.sort();
    files
}

#[test]
fn every_fault_is_said_with_its_place_and_the_fix() {
    let files = broken();
    assert!(files.len() >= 30, "{}", files.len());
    for (name, text) in files {
        let faults = parse(&format!("{name}.toml"), &text, &|_| None).expect_err(&name);
        insta::assert_snapshot!(name, faults.render(false));
    }
}

#[test]
fn passwords_are_not_shown() {
    for (name, text) in broken().into_iter().filter(|(name, _)| name.contains("secret")) {
        assert!(text.contains("hunter2"), "{name}");
        let faults = parse("f", &text, &|_| None).unwrap_err();
        assert!(!format!("{faults} {faults:?}").contains("hunter2"), "{name}: {faults}");
    }
}

#[test]
fn many_faults_are_said_at_once() {
    let (_, text) = broken().into_iter().find(|(name, _)| name == "many_at_once").unwrap();
    let faults = parse("f", &text, &|_| None).unwrap_err();
    assert!(faults.faults.len() >= 6, "{faults}");
}

#[test]
fn colours_change_nothing_but_the_colour() {
    for (name, text) in broken() {
        let faults = parse("f", &text, &|_| None).unwrap_err();
        let mut plain = String::new();
        let mut is_escape = false;
        for c in faults.render(true).chars() {
            match (is_escape, c) {
                (false, '\u{1b}') => is_escape = true,
                (true, 'm') => is_escape = false,
                (true, _) => {}
                (false, c) => plain.push(c),
            }
        }
        let lines = |text: &str| text.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(lines(&plain), lines(&faults.render(false)), "{name}");
    }
}

/// Whatever is cut from or put into a sound file, the answer is a topology or faults, never a
/// panic, and every fault has a place in the file.
#[test]
fn no_damage_makes_it_panic() {
    let file = support::repository().join("topologies/testprep.toml");
    let text = read_file(&file);
    let damages = ["", "\"", "[", "]", "{", "}", "=", "\n", "0", "é", "${", "[[", "\u{202e}", "\0"];
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).step_by(37).collect();
    for (number, at) in places.iter().enumerate() {
        let damage = damages[number % damages.len()];
        let rest = &text[*at..];
        let cut = rest.char_indices().nth(number % 5).map_or(0, |(n, _)| n);
        let damaged = format!("{}{damage}{}", &text[..*at], &rest[cut..]);
        for text in [damaged.as_str(), &text[..*at]] {
            if let Err(faults) = parse("f", text, &|_| None) {
                assert!(!faults.faults.is_empty(), "{text}");
                assert!(
                    faults.faults.iter().all(|fault| fault.span.end <= text.len() + 1),
                    "{text}"
                );
                assert!(!faults.render(true).is_empty());
            }
        }
    }
}

#[test]
fn deep_nesting_is_a_fault_and_no_overflow() {
    for text in [format!("a = {}", "[".repeat(100_000)), format!("a = {}", "{b=".repeat(100_000))] {
        let faults = parse("f", &text, &|_| None).unwrap_err();
        assert!(
            faults.faults[0].message.starts_with("this is not TOML"),
            "{}",
            faults.faults[0].message
        );
    }
    let dotted = format!("{}a = 1", "a.".repeat(20_000));
    assert!(parse("f", &dotted, &|_| None).is_err());
    let header = format!("[{}a]", "a.".repeat(20_000));
    assert!(parse("f", &header, &|_| None).is_err());
}
