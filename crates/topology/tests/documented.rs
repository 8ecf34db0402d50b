//! `docs/topology.md` says of every key what the program knows of it.

mod support;

use support::{read_file, repository};
use tallyd_kind::view::{self, views};
use tallyd_topology::{
    KINDS, bolts,
    key_spec::{Default, KeySpec, markdown},
    key_tables, parse,
};

/// The tables without the constants of formulas, which the bolts' own pages have.
fn tables() -> Vec<(String, Vec<KeySpec>)> {
    let mut tables = key_tables(KINDS);
    for (name, keys) in &mut tables {
        match name.as_str() {
            "fatigue" => *keys = bolts::fatigue::KEYS.to_vec(),
            "mastery" => *keys = bolts::mastery::KEYS.to_vec(),
            _ => {}
        }
    }
    tables
}

#[test]
fn the_page_has_every_table_of_keys() {
    let pages = ["docs/topology.md", "docs/http.md"];
    let page = pages.map(|page| read_file(&repository().join(page))).concat();
    let mut missing = String::new();
    for (name, keys) in tables() {
        let table = markdown(&keys);
        if !page.contains(&table) {
            missing.push_str(&format!("\n<!-- {name} -->\n{table}"));
        }
    }
    assert!(
        missing.is_empty(),
        "docs/topology.md (docs/http.md for [serve]) lacks or differs from:{missing}"
    );
}

#[test]
fn the_page_has_every_bolt_type_and_function() {
    let page = read_file(&repository().join("docs/topology.md"));
    for bolt in KINDS {
        assert!(page.contains(&format!("### {}", bolt.name())), "{}", bolt.name());
        assert!(page.contains(bolt.doc()), "{}: {}", bolt.name(), bolt.doc());
    }
    for (function, meaning) in bolts::aggregate::FUNCTIONS {
        let row = format!("| `{function}` | {meaning} |");
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn the_page_has_every_view() {
    let page = read_file(&repository().join("docs/views.md"));
    for view in views(KINDS) {
        let section = view::markdown(view);
        assert!(page.contains(&section), "docs/views.md lacks\n{section}");
        let is_column = |name: &str| view.columns.iter().any(|column| column.name == name);
        for shown in view.shown {
            assert!(is_column(shown.column), "{}: {}", view.name, shown.column);
        }
    }
    assert_eq!(page.matches("\n## `").count(), views(KINDS).count());
}

/// What `ties = "first"` can tell apart is tested where it is made; the page has the same table.
#[test]
fn the_page_says_what_ties_can_tell_apart() {
    let page = read_file(&repository().join("docs/topology.md"));
    let source = read_file(&repository().join("crates/leaderboard/src/composite.rs"));
    let rows: Vec<&str> = source.lines().filter_map(|line| line.strip_prefix("//! |")).collect();
    assert_eq!(rows.len(), 7);
    for row in rows {
        assert!(page.contains(&format!("|{row}\n")), "docs/topology.md lacks |{row}");
    }
}

#[test]
fn the_examples_of_the_page_are_sound() {
    let page = read_file(&repository().join("docs/topology.md"));
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    let test = blocks.iter().find(|block| block.starts_with("[[test]]")).unwrap();
    let topology = parse("docs/topology.md", &format!("{}\n{test}", blocks[0]), &|_| None);
    assert_eq!(topology.unwrap_or_else(|faults| panic!("{faults}")).tests.len(), 1);
    for block in blocks {
        assert!(toml::de::DeTable::parse(block).is_ok(), "{block}");
    }
}

#[test]
fn no_key_stands_twice_and_every_default_is_toml() {
    for (name, keys) in key_tables(KINDS) {
        for (place, key) in keys.iter().enumerate() {
            assert!(
                !keys[..place].iter().any(|other| other.name == key.name),
                "{name}.{}",
                key.name
            );
            assert!(key.doc.ends_with('.'), "{name}.{}: {}", key.name, key.doc);
            if let Default::Value(text) = &key.default {
                let line = format!("{} = {text}", key.name);
                assert!(toml::de::DeTable::parse(&line).is_ok(), "{name}: {line}");
            }
        }
    }
}
