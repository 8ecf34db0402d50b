//! What a topology does, part by part: what workers compare to know whether they do the same.

use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;
use tallyd_kind::sheet::Item;
use toml::de::{DeTable, DeValue};
use xxhash_rust::xxh3::xxh3_64;

/// The tables and keys of a file that decide what is done with events. The others say where Redis
/// is, how fast workers go, and what the tests are: workers may differ in them.
const DECIDING: [&str; 5] = ["bolt", "partitions", "sink", "source", "time_zone"];

/// The parts of a topology: the path of each value in its file, such as `bolt.points.score`, and
/// the value. An item of a list is a part of its own: `bolt.agg.windows: "1h"`.
pub type Parts = BTreeMap<SmolStr, SmolStr>;

/// The parts of a file.
pub(crate) fn parts(tree: &DeTable<'_>) -> Parts {
    let mut parts = Parts::new();
    for (key, item) in tree {
        let key: &str = key.get_ref();
        if DECIDING.contains(&key) {
            add(&mut parts, key.into(), item.get_ref());
        } else if let ("run", Some(fuse)) = (key, item.get_ref().get("fuse")) {
            add(&mut parts, "run.fuse".into(), fuse.get_ref());
        }
    }
    parts
}

/// The same for the same parts, however they are written and in whatever order: 16 hex digits.
#[must_use]
pub fn fingerprint(parts: &Parts) -> SmolStr {
    let lines: String = parts.iter().map(|(path, value)| format!("{path}\0{value}\n")).collect();
    format_smolstr!("{:016x}", xxh3_64(lines.as_bytes()))
}

fn add(parts: &mut Parts, path: SmolStr, value: &DeValue<'_>) {
    match value {
        DeValue::Table(table) => {
            // A table without keys is a part too.
            parts.insert(path.clone(), "".into());
            for (key, item) in table {
                add(parts, format_smolstr!("{path}.{}", key.get_ref()), item.get_ref());
            }
        }
        DeValue::Array(items) => {
            parts.insert(path.clone(), "".into());
            for item in items {
                parts.insert(format_smolstr!("{path}: {}", text(item)), "".into());
            }
        }
        _ => {
            parts.insert(path, plain(value).into());
        }
    }
}

/// A value on one line, the same for the same value.
fn text(item: &Item<'_>) -> String {
    match item.get_ref() {
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(text).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(table) => {
            let pair = |(key, item): (&_, &Item<'_>)| (key_text(key), text(item));
            let pairs: BTreeMap<String, String> = table.iter().map(pair).collect();
            let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k} = {v}")).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => plain(other),
    }
}

fn key_text(key: &toml::Spanned<std::borrow::Cow<'_, str>>) -> String {
    key.get_ref().to_string()
}

fn plain(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.as_str().to_owned(), |number| number.to_string()),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
name = "t"
partitions = 4
[redis]
url = "redis://one"
[source.s]
key = "user"
[source.s.fields]
user = "string"
[bolt.sums]
type = "aggregate"
from = "s"
windows = ["1h", { every = "1d", retain = "30d" }]
[bolt.sums.measures]
n = "count"
"#;

    fn of(text: &str) -> Parts {
        parts(DeTable::parse(text).unwrap().get_ref())
    }

    #[test]
    fn what_is_done_with_events_is_a_part_and_how_it_is_written_is_none() {
        let parts = of(FILE);
        assert_eq!(parts["bolt.sums.measures.n"], "\"count\"");
        assert!(parts.contains_key("bolt.sums.windows: \"1h\""));
        assert!(parts.contains_key("bolt.sums.windows: { every = \"1d\", retain = \"30d\" }"));
        let same = FILE
            .replace("redis://one", "redis://two")
            .replace("partitions = 4", "partitions = 0x4 # as before")
            .replace("key = \"user\"\n", "\"key\" = 'user'\n[run]\nmax_batch = 7\n")
            .replace("every = \"1d\", retain = \"30d\"", "retain = \"30d\", every = \"1d\"");
        assert_eq!(of(&same), parts);
        assert_eq!(fingerprint(&of(&same)), fingerprint(&parts));
        for (old, new) in [("\"count\"", "\"sum(x)\""), ("\"1h\", ", ""), ("user = ", "more = ")] {
            assert_ne!(fingerprint(&of(&FILE.replace(old, new))), fingerprint(&parts), "{old}");
        }
        let fused = of(&format!("{FILE}\n[run]\nfuse = false\n"));
        assert_eq!(fused.len(), parts.len() + 1);
    }
}
