//! An element of `windows` or `periods`: a name such as `"1h"`, or a table that also says how long
//! it is kept.

use crate::{
    fault::Fault,
    key_spec::KeySpec,
    section::{Section, word, wrong_kind},
    sheet::{Item, Word},
    units::duration_text,
};
use toml::de::DeValue;

/// What `retain` of a window or period may say beside a length of time.
pub(crate) const SPAN_RETAIN: &[&str] = &["forever"];

/// One element.
pub(crate) struct SpanEntry {
    pub name: Word,
    /// How long it is kept, where the file says it: `Some(None)` is for ever.
    pub retain_ms: Option<Option<i64>>,
}

impl SpanEntry {
    /// The elements of the list `key`, `None` for one that can't be read. A table has the `keys`,
    /// of which `name_key` is the name; `what` is what messages call an element.
    pub fn read_all(
        section: &Section<'_>,
        key: &str,
        (what, name_key): (&str, &str),
        keys: &[KeySpec],
    ) -> Option<Vec<Option<SpanEntry>>> {
        let items = section.list(key)?;
        if items.is_empty() {
            let help = format!("name at least one: {key} = [\"all\"]");
            let fault = Fault::new(format!("\"{key}\" is empty"), section.span(key)).help(help);
            section.sheet.fault(fault);
            return None;
        }
        let entry = |item: &Item<'_>| match (word(item), item.get_ref()) {
            (Some(name), _) => Some(SpanEntry { name, retain_ms: None }),
            (None, DeValue::Table(table)) => {
                let what = format!("this {what}");
                let inner = Section::open(section.sheet, what, item.span(), table, keys.to_vec());
                Self::of_table(&inner, name_key)
            }
            (None, _) => {
                let wanted = format!("a name, such as \"all\", or a table with \"{name_key}\"");
                section.sheet.fault(wrong_kind(key, &wanted, item));
                None
            }
        };
        Some(items.iter().map(entry).collect())
    }

    fn of_table(section: &Section<'_>, name_key: &str) -> Option<SpanEntry> {
        let name = section.text(name_key);
        let retain = section.retain("retain");
        if retain.is_none() && section.written("retain").is_some() {
            return None;
        }
        let name = name?;
        if let (Some(Ok(ms)), "all") = (&retain, name.text.as_str()) {
            let message = format!("\"all\" has no end to be kept {} after", duration_text(*ms));
            let help = "leave retain out: all time is kept for ever";
            section.sheet.fault(Fault::new(message, section.span("retain")).help(help));
            return None;
        }
        Some(SpanEntry { name, retain_ms: retain.map(Result::ok) })
    }
}

/// Faults a list in which one window or period stands twice.
pub(crate) fn refuse_twice(section: &Section<'_>, key: &str, names: &[&str]) {
    let repeated = names
        .iter()
        .enumerate()
        .find(|(place, name)| names.iter().take(*place).any(|earlier| earlier == *name));
    if let Some((_, name)) = repeated {
        let message = format!("\"{key}\" names \"{name}\" twice");
        section.sheet.fault(Fault::new(message, section.span(key)).help("take one away"));
    }
}
