//! `${VARIABLE}` and `${VARIABLE:-default}` in string values.

use std::{borrow::Cow, ops::Range};
use tallyd_kind::{
    fault::Fault,
    sheet::{Item, Sheet, Word},
};
use toml::de::{DeTable, DeValue};

/// Where variables get their values from.
pub(crate) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Puts the environment into every string value of a table. Keys stay as they are.
pub(crate) fn table(sheet: &Sheet<'_>, tree: &mut DeTable<'_>, env: Environment<'_>) {
    for (_, value) in tree.iter_mut() {
        item(sheet, value, env);
    }
}

fn item(sheet: &Sheet<'_>, item_: &mut Item<'_>, env: Environment<'_>) {
    let span = item_.span();
    match item_.get_mut() {
        DeValue::String(text) if text.contains("${") => {
            let word = Word { text: text.to_string(), span };
            *text = Cow::Owned(string(sheet, &word, env));
        }
        DeValue::Array(items) => {
            for element in items.iter_mut() {
                item(sheet, element, env);
            }
        }
        DeValue::Table(entries) => table(sheet, entries, env),
        _ => {}
    }
}

fn string(sheet: &Sheet<'_>, word: &Word, env: Environment<'_>) -> String {
    let mut out = String::with_capacity(word.text.len());
    let mut at = 0;
    while let Some(rest) = word.text.get(at..) {
        let Some(found) = rest.find("${") else {
            out.push_str(rest);
            break;
        };
        let before = rest.get(..found).unwrap_or_default();
        let start = at + found;
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            at = start + 2;
            continue;
        }
        out.push_str(before);
        let Some(length) = rest.get(found..).and_then(|rest| rest.find('}')) else {
            sheet.fault(malformed(sheet.inside(word, start..word.text.len())));
            break;
        };
        let end = start + length + 1;
        let inner = word.text.get(start + 2..end - 1).unwrap_or_default();
        match value(inner, env, sheet.inside(word, start..end)) {
            Ok(value) => out.push_str(&value),
            Err(fault) => sheet.fault(fault),
        }
        at = end;
    }
    out
}

fn value(inner: &str, env: Environment<'_>, span: Range<usize>) -> Result<String, Fault> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Err(malformed(span));
    }
    // As in a shell, a default also stands for an empty variable.
    match (env(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            let help = format!("set {name}, or give a default: ${{{name}:-default}}");
            Err(Fault::new(format!("environment variable {name} is not set"), span).help(help))
        }
    }
}

fn malformed(span: Range<usize>) -> Fault {
    let help = "write ${NAME} or ${NAME:-default}, and $${ for a plain ${";
    Fault::new("this is no variable", span).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn substituted(text: &str) -> (String, Vec<String>) {
        let env = |name: &str| match name {
            "HOST" => Some("redis".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let sheet = Sheet::new("");
        let word = Word { text: text.to_owned(), span: 0..0 };
        let out = string(&sheet, &word, &env);
        (out, sheet.into_faults().into_iter().map(|fault| fault.message).collect())
    }

    #[test]
    fn variables_are_put_in() {
        let cases = [
            ("redis://${HOST}:6379", "redis://redis:6379"),
            ("${HOST}${HOST:-x}", "redisredis"),
            ("${PORT:-6379}", "6379"),
            ("${EMPTY:-6379}|${EMPTY}", "6379|"),
            ("${URL:-redis://localhost}", "redis://localhost"),
            ("$${HOST} and $HOST", "${HOST} and $HOST"),
        ];
        for (text, expected) in cases {
            assert_eq!(substituted(text), (expected.to_owned(), vec![]), "{text}");
        }
    }

    #[test]
    fn what_is_no_variable_is_a_fault() {
        let unset = "environment variable PORT is not set".to_owned();
        assert_eq!(substituted("a${PORT}b"), ("ab".to_owned(), vec![unset]));
        for text in ["${", "${}", "${1A}", "${A B}", "${A:+b}"] {
            assert_eq!(substituted(text).1, ["this is no variable"], "{text}");
        }
    }
}
