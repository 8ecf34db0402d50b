//! An element of `windows` or `periods`: a name such as `"1h"`, or a table that also says how long
//! it is kept.

use crate::{
    fault::Fault,
    key_spec::{Default, KeySpec, Kind, Spans},
    section::{Section, word, wrong_kind},
    sheet::{Item, Word},
    units::duration_text,
};
use tallyd_bolt::Lasting;
use toml::de::DeValue;

/// What `retain` of a window or period may say beside a length of time.
pub const SPAN_RETAIN: &[&str] = &["forever"];

/// The key of a bolt for how long late events change windows or periods that do not say it.
pub const GRACE_KEY: KeySpec = KeySpec {
    name: "grace",
    kind: Kind::Grace,
    default: Default::value("\"1d\""),
    doc: "For how long after its end late events still change a window or period that does not \
          say it itself, at most while it is kept. After that it is final.",
};

/// The same key of one window or period.
pub const SPAN_GRACE_KEY: KeySpec = KeySpec {
    name: "grace",
    kind: Kind::Grace,
    default: Default::Absent("the bolt's `grace`"),
    doc: "For how long after its end late events still change it, at most while it is kept; `0`: \
          it is final at its end.",
};

/// The key of one window or period for how long it is kept, of this default.
pub const fn span_retain_key(default: &'static str) -> KeySpec {
    KeySpec {
        name: "retain",
        kind: Kind::Retain(SPAN_RETAIN),
        default: Default::Absent(default),
        doc: "For how long after its end it can be read.",
    }
}

/// One element.
pub struct SpanEntry {
    /// Its name.
    pub name: Word,
    /// How long it is kept, where the file says it: `Some(None)` is for ever.
    retain_ms: Option<Option<i64>>,
    /// How long late events change it, where the file says it: `Some(None)` is for ever.
    grace_ms: Option<Option<i64>>,
}

impl SpanEntry {
    /// The elements of the list `key`, `None` for one that can't be read.
    pub fn read_all(
        section: &Section<'_>,
        key: &str,
        spans: &Spans,
    ) -> Option<Vec<Option<SpanEntry>>> {
        let Spans { what, name: name_key, keys, .. } = spans;
        let items = section.list(key)?;
        if items.is_empty() {
            let help = format!("name at least one: {key} = [\"all\"]");
            let fault = Fault::new(format!("\"{key}\" is empty"), section.span(key)).help(help);
            section.sheet.fault(fault);
            return None;
        }
        let entry = |item: &Item<'_>| match (word(item), item.get_ref()) {
            (Some(name), _) => Some(SpanEntry { name, retain_ms: None, grace_ms: None }),
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
        let (retain, grace_ms) = (section.retain("retain"), section.grace("grace"));
        let is_faulty = |key, is_read: bool| !is_read && section.written(key).is_some();
        if is_faulty("retain", retain.is_some()) || is_faulty("grace", grace_ms.is_some()) {
            return None;
        }
        let name = name?;
        let has_no_end = |key: &str, message: String| {
            let help = format!("leave {key} out: all time has no end");
            section.sheet.fault(Fault::new(message, section.span(key)).help(help));
            None
        };
        match (name.text.as_str(), &retain, grace_ms) {
            ("all", Some(Ok(ms)), _) => {
                let text = duration_text(*ms);
                return has_no_end("retain", format!("\"all\" has no end to be kept {text} after"));
            }
            ("all", _, Some(Some(_))) => {
                return has_no_end("grace", "\"all\" has no end, and no event is late".to_owned());
            }
            (_, Some(Ok(kept)), Some(Some(grace))) if grace > *kept => {
                let (kept, grace) = (duration_text(*kept), duration_text(grace));
                let message = format!("late events can't change it for {grace}: it is kept {kept}");
                let help = "make grace no longer than retain";
                section.sheet.fault(Fault::new(message, section.span("grace")).help(help));
                return None;
            }
            _ => {}
        }
        Some(SpanEntry { name, retain_ms: retain.map(Result::ok), grace_ms })
    }

    /// How long it lasts, where the file does not say it: `retain_ms`, and the bolt's `grace_ms`.
    pub fn lasting(&self, retain_ms: Option<i64>, grace_ms: Option<i64>) -> Lasting {
        Lasting {
            retain_ms: self.retain_ms.unwrap_or(retain_ms),
            grace_ms: self.grace_ms.unwrap_or(grace_ms),
        }
    }
}

/// Faults a list in which one window or period stands twice.
pub fn refuse_twice(section: &Section<'_>, key: &str, names: &[&str]) {
    let repeated = names
        .iter()
        .enumerate()
        .find(|(place, name)| names.iter().take(*place).any(|earlier| earlier == *name));
    if let Some((_, name)) = repeated {
        let message = format!("\"{key}\" names \"{name}\" twice");
        section.sheet.fault(Fault::new(message, section.span(key)).help("take one away"));
    }
}
