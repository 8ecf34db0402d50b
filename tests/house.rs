//! The arrows of ARCHITECTURE.md, checked over the `Cargo.toml` files; and that what the pages and
//! comments cite is in the repository.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What each crate may depend on, of this repository. A bolt may name nothing else at all that
/// could do input or output.
const MAY_USE: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("bolt", &["event"]),
    ("kind", &["bolt", "event"]),
    ("dedup", &["bolt", "event", "kind"]),
    ("aggregate", &["bolt", "event", "kind"]),
    ("latest", &["bolt", "event", "kind"]),
    ("leaderboard", &["bolt", "event", "kind"]),
    ("fatigue", &["bolt", "event", "kind"]),
    ("mastery", &["bolt", "event", "kind"]),
    (
        "topology",
        &[
            "aggregate",
            "bolt",
            "dedup",
            "event",
            "fatigue",
            "kind",
            "latest",
            "leaderboard",
            "mastery",
        ],
    ),
    ("runtime", &["bolt", "event", "topology"]),
    ("store", &["bolt", "event", "runtime", "topology"]),
    (
        "query",
        &["aggregate", "bolt", "event", "kind", "leaderboard", "runtime", "store", "topology"],
    ),
    ("ingest", &["event"]),
    (
        "serve",
        &[
            "aggregate",
            "bolt",
            "event",
            "ingest",
            "kind",
            "leaderboard",
            "query",
            "runtime",
            "store",
            "topology",
        ],
    ),
    ("learners", &[]),
    ("model", &[]),
    ("simulation", &["bolt", "event", "learners", "runtime", "store", "topology"]),
    ("chaos", &["event", "harness", "learners", "runtime", "store", "topology"]),
    ("harness", &["bolt", "event", "learners", "runtime", "store", "topology"]),
    ("bench", &["bolt", "event", "harness", "learners", "runtime", "store", "topology"]),
];

/// The crates that do no input or output, and so never name these.
const PURE: &[&str] = &[
    "event",
    "bolt",
    "kind",
    "dedup",
    "latest",
    "aggregate",
    "leaderboard",
    "fatigue",
    "mastery",
    "topology",
];
const IMPURE: &[&str] = &["redis", "tokio", "rand", "axum", "metrics"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn dependencies() -> BTreeMap<String, Vec<String>> {
    let crates = root().join("crates");
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

/// The files that people read and write, with their text.
fn texts() -> Vec<(PathBuf, String)> {
    let kinds = ["md", "rs", "toml", "sh", "py", "yml", "yaml", "html"];
    let (mut folders, mut texts) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != ".git" {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kinds.iter().any(|known| kind == *known))
            {
                texts.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    texts
}

/// The links of a page that lead into the repository, without what is after `#`.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let targets = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    targets.map(|target| target.split('#').next().unwrap_or_default())
}

/// The names of documents in a text.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let of_a_path = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let words = text.split(move |c| !of_a_path(c)).map(|word| word.trim_end_matches('.'));
    words.filter(|word| word.ends_with(".md") && word.len() > 3)
}

#[test]
fn what_is_cited_is_in_the_repository() {
    let (mut cited, mut missing) = (0, Vec::new());
    for (path, text) in texts() {
        let folder = path.parent().unwrap().to_owned();
        let page = path.extension().is_some_and(|kind| kind == "md");
        // What has changed may have been said on pages that are no more.
        let history = path.ends_with("CHANGELOG.md");
        let links = links(&text).filter(|_| page).map(|name| (name, vec![folder.clone()]));
        // A test names what it reads from the folder of its crate on.
        let of_a_crate = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
        let [docs, internals] = ["docs", "docs/internals"].map(|folder| root().join(folder));
        let places = vec![folder.clone(), root(), docs, internals, of_a_crate];
        let documents = documents(&text).filter(|_| !history).map(|name| (name, places.clone()));
        for (name, places) in links.chain(documents) {
            cited += 1;
            let name = name.trim_start_matches('/');
            if !places.iter().any(|place| place.join(name).exists()) {
                missing.push(format!("{} cites {name}", path.display()));
            }
        }
        // A page that only those have who planned it, and that has no ending to be known by.
        if text.contains(&["DES", "IGN"].concat()) && !history {
            missing.push(format!("{} cites a page that is not here", path.display()));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(cited > 50, "only {cited} citations found: are they spelled another way now?");
}

/// The functions that a page names, each with the file that it stands in: a line that begins with
/// `Code:` names functions, then the file of them, each in backquotes. And paths by themselves.
fn code_of(page: &str) -> (Vec<(&str, &str)>, Vec<&str>) {
    let mut functions = Vec::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("Code:")) {
        let mut names = Vec::new();
        for quoted in line.split('`').skip(1).step_by(2) {
            if quoted.ends_with(".rs") {
                functions.extend(names.drain(..).map(|name| (name, quoted)));
            } else {
                names.push(quoted);
            }
        }
        functions.extend(names.into_iter().map(|name| (name, "")));
    }
    let quoted = page.split('`').skip(1).step_by(2);
    let folders = ["crates/", "tests/", "scripts/", "deploy/", "topologies/", "docs/", "findings/"];
    let is_path = |text: &&str| folders.iter().any(|folder| text.starts_with(folder));
    let of_a_path = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (functions, quoted.filter(is_path).filter(|path| path.chars().all(of_a_path)).collect())
}

#[test]
fn what_pages_say_of_the_code_is_there() {
    let (mut named, mut missing) = (0, Vec::new());
    for (page, text) in texts() {
        if page.extension().is_none_or(|kind| kind != "md") || page.ends_with("CHANGELOG.md") {
            continue;
        }
        let (functions, paths) = code_of(&text);
        named += functions.len();
        let gone = paths.into_iter().filter(|path| !root().join(path).exists());
        missing.extend(gone.map(|path| format!("{}: no {path}", page.display())));
        for (function, file) in functions {
            let code = fs::read_to_string(root().join(file)).unwrap_or_default();
            let defined = [format!("fn {function}("), format!("fn {function}<")];
            if !defined.iter().any(|begin| code.contains(begin)) {
                missing.push(format!("{}: no {function} in \"{file}\"", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named > 20, "only {named} functions found: are they spelled another way now?");
}

/// The pages of a folder.
fn pages(folder: &str) -> Vec<String> {
    let names = fs::read_dir(root().join(folder)).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let pages = names.filter(|name| name.ends_with(".md"));
    pages.map(|name| format!("{folder}/{name}")).collect()
}

/// A page for users has what they need to use tallyd, and stands apart from those for its makers.
#[test]
fn the_readme_names_every_page_and_internals_are_apart() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, more) = readme.split_once("## More").unwrap();
    let (users, makers) = more.split_once("For those who want to know how").unwrap();
    for (folder, named) in [("docs", users), ("docs/internals", makers)] {
        let pages = pages(folder);
        assert!(!pages.is_empty(), "no page in {folder}");
        let missing: Vec<_> = pages.iter().filter(|page| !named.contains(*page)).collect();
        assert!(missing.is_empty(), "README.md does not name {missing:?} where it should");
    }
}

/// Words that a reader who learned English at school has to look up, and what says the same.
const NOT_PLAIN: &[(&str, &str)] = &[
    ("anew", "again"),
    ("beside", "compared with, in addition to, next to"),
    ("dear", "expensive"),
    ("dearer", "more expensive"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("mends", "fixes"),
    ("whoever", "the one who, every client that"),
];

#[test]
fn pages_are_in_plain_english() {
    let mut found = Vec::new();
    for (path, text) in texts() {
        let is_page = path.extension().is_some_and(|kind| kind == "md");
        if !is_page || path.ends_with("CHANGELOG.md") {
            continue;
        }
        for (line, text) in (1..).zip(text.lines()) {
            for word in text.split(|c: char| !c.is_alphabetic()) {
                let plain = NOT_PLAIN.iter().find(|(not, _)| word.eq_ignore_ascii_case(not));
                if let Some((not, plain)) = plain {
                    found.push(format!("{}:{line}: {not} (write {plain})", path.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
