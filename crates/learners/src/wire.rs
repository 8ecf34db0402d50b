//! Fields on their way to a stream: flat texts, or one `batch` value of many events.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// The fields of one event in the order of sending; a name may stand twice.
pub(crate) type Fields = Vec<(&'static str, Wire)>;

/// The value of a field. A flat entry carries texts alone; a batch keeps the type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wire {
    Bool(bool),
    /// Bytes that are no UTF-8: for flat entries alone.
    Bytes(Vec<u8>),
    Int(i64),
    Text(String),
}

impl Wire {
    fn into_bytes(self) -> Vec<u8> {
        match self {
            Wire::Bool(true) => b"1".to_vec(),
            Wire::Bool(false) => b"0".to_vec(),
            Wire::Bytes(bytes) => bytes,
            Wire::Int(number) => number.to_string().into_bytes(),
            Wire::Text(text) => text.into_bytes(),
        }
    }
}

impl Serialize for Wire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Wire::Bool(truth) => serializer.serialize_bool(*truth),
            Wire::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Wire::Int(number) => serializer.serialize_i64(*number),
            Wire::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// How a `batch` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    JsonArray,
    JsonLines,
    MessagePack,
}

/// What a batch holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Member {
    Event(Fields),
    /// A line that is no event at all: for JSON lines alone, and never the first.
    Line(&'static str),
}

/// The fields of an entry of one event.
pub(crate) fn flat(fields: Fields) -> Vec<(&'static str, Vec<u8>)> {
    fields.into_iter().map(|(name, value)| (name, value.into_bytes())).collect()
}

/// The value of a `batch` field.
pub(crate) fn batch(format: Format, members: &[Member]) -> Vec<u8> {
    match format {
        Format::JsonLines => {
            let lines: Vec<String> = members.iter().map(line).collect();
            lines.join("\n").into_bytes()
        }
        Format::JsonArray => {
            let lines: Vec<String> = members.iter().map(line).collect();
            format!("[{}]", lines.join(",")).into_bytes()
        }
        Format::MessagePack => {
            // Written to memory, of types that MessagePack has: there is nothing to fail.
            rmp_serde::to_vec(members).unwrap_or_default()
        }
    }
}

fn line(member: &Member) -> String {
    match member {
        Member::Line(line) => (*line).to_owned(),
        // Written to memory, with texts for keys: there is nothing to fail.
        member => serde_json::to_string(member).unwrap_or_default(),
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Member::Event(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
            Member::Line(line) => serializer.serialize_str(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Vec<Member> {
        let fields = vec![("ms", Wire::Int(-5)), ("ms", Wire::Text("\"5\"".to_owned()))];
        vec![Member::Event(fields), Member::Event(vec![("correct", Wire::Bool(true))])]
    }

    #[test]
    fn a_batch_keeps_types_order_and_doubled_names() {
        let first = r#"{"ms":-5,"ms":"\"5\""}"#;
        let second = r#"{"correct":true}"#;
        let json = |format| String::from_utf8(batch(format, &members())).unwrap();
        assert_eq!(json(Format::JsonLines), format!("{first}\n{second}"));
        assert_eq!(json(Format::JsonArray), format!("[{first},{second}]"));
        let packed = b"\x92\x82\xa2ms\xfb\xa2ms\xa3\"5\"\x81\xa7correct\xc3".to_vec();
        assert_eq!(batch(Format::MessagePack, &members()), packed);
    }

    #[test]
    fn a_flat_entry_is_texts() {
        let fields =
            vec![("a", Wire::Bool(true)), ("b", Wire::Int(7)), ("c", Wire::Bytes(vec![255]))];
        let texts = vec![("a", b"1".to_vec()), ("b", b"7".to_vec()), ("c", vec![255])];
        assert_eq!(flat(fields), texts);
    }
}
