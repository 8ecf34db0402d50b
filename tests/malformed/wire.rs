//! What a producer can put on the wire: fields of bytes, and MessagePack made by hand, since what
//! is wanted here no encoder would make.

use tallyd_event::decode::Fields;

/// A sound event, with an identity of its own.
pub fn good(id: &str) -> Fields {
    [
        ("id", id),
        ("user", "u7"),
        ("class", "10B"),
        ("question", "q9"),
        ("concept", "algebra"),
        ("correct", "1"),
        ("ms", "5300"),
        ("points", "4"),
        ("weight", "0.5"),
        ("at", "2026-01-01T09:00:00Z"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .to_vec()
}

/// A sound event with another value in one field.
pub fn with(name: &str, value: impl AsRef<[u8]>) -> Fields {
    let mut fields = good("spoilt");
    for (field, old) in &mut fields {
        if field == name.as_bytes() {
            *old = value.as_ref().to_vec();
        }
    }
    fields
}

/// A sound event that leaves a field out.
pub fn without(name: &str) -> Fields {
    let mut fields = good("spoilt");
    fields.retain(|(field, _)| field != name.as_bytes());
    fields
}

/// A sound event that gives a field twice.
pub fn twice(name: &str) -> Fields {
    let mut fields = good("spoilt");
    let double = fields.iter().find(|(field, _)| field == name.as_bytes()).cloned();
    fields.extend(double);
    fields
}

/// An entry that is a batch of these bytes.
pub fn batch(bytes: impl AsRef<[u8]>) -> Fields {
    vec![("batch".into(), bytes.as_ref().to_vec())]
}

/// An event as JSON, with some members written by hand: the last of a name counts here.
pub fn json(id: &str, members: &[(&str, &str)]) -> String {
    let mut all: Vec<(String, String)> = good(id)
        .into_iter()
        .map(|(name, value)| {
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            (text(name), format!("\"{}\"", text(value)))
        })
        .collect();
    for (name, value) in members {
        all.retain(|(known, _)| known != name);
        all.push(((*name).to_owned(), (*value).to_owned()));
    }
    let members: Vec<String> =
        all.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A text in MessagePack.
pub fn packed_text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[0xda], length.as_slice(), text.as_bytes()].concat()
}

/// An event as a MessagePack map, with one value written by hand.
pub fn packed(id: &str, name: &str, value: &[u8]) -> Vec<u8> {
    let fields = good(id);
    let mut bytes = vec![0xde, 0, u8::try_from(fields.len()).unwrap_or(u8::MAX)];
    for (field, text) in &fields {
        let (field, text) = (String::from_utf8_lossy(field), String::from_utf8_lossy(text));
        bytes.extend(packed_text(&field));
        if field == name { bytes.extend(value) } else { bytes.extend(packed_text(&text)) }
    }
    bytes
}

/// A MessagePack array of these items.
pub fn array(items: &[&[u8]]) -> Vec<u8> {
    let length = u16::try_from(items.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[0xdc], length.as_slice(), &items.concat()].concat()
}
