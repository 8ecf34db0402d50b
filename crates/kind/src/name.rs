//! What names may be made of.

/// Whether it is letters, digits, `-` and `_` of ASCII, 1 to 64 of them: safe in every key and label.
#[must_use]
pub fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
