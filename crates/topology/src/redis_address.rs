//! Where Redis is, and what opens it. Passwords in it are never shown.

use std::{fmt, ops::Range, path::PathBuf};

/// Where Redis is, with the environment already put in. The files are read whenever a connection
/// is made, so that renewed ones are found.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    /// Such as `rediss://user:password@host:port/db`.
    pub url: String,
    /// The file that holds the password of the URL's user.
    pub password_file: Option<PathBuf>,
    /// The file with the certificates (PEM) of who may sign the server's; `None` for the system's.
    pub ca: Option<PathBuf>,
    /// The file with the client's certificate (PEM).
    pub cert: Option<PathBuf>,
    /// The file with the key of that certificate (PEM).
    pub key: Option<PathBuf>,
}

impl From<&str> for RedisAddress {
    fn from(url: &str) -> Self {
        Self { url: url.to_owned(), password_file: None, ca: None, cert: None, key: None }
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, password_file, ca, cert, key } = self;
        f.debug_struct("RedisAddress")
            .field("url", &masked(url))
            .field("password_file", password_file)
            .field("ca", ca)
            .field("cert", cert)
            .field("key", key)
            .finish()
    }
}

/// The text with a star for each byte of a password: in URLs, and after a key such as `password`.
/// A variable (`${NAME}`) is no password.
pub(crate) fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for place in in_urls(text).into_iter().chain(in_values(text)) {
        let secret = text.get(place.clone()).unwrap_or_default();
        if !is_variable(secret)
            && let Some(part) = bytes.get_mut(place)
        {
            part.fill(b'*');
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where passwords stand in URLs: `://user:PASSWORD@`, and `?pass=PASSWORD`.
fn in_urls(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for (at, mark) in text.match_indices("://") {
        let start = at + mark.len();
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
        let url = end.map_or(rest, |end| rest.get(..end).unwrap_or_default());
        // The last @, because a password that is not encoded may hold others.
        if let (Some(colon), Some(at)) = (url.find(':'), url.rfind('@'))
            && colon < at
        {
            places.push(start + colon + 1..start + at);
        }
        for (at, mark) in url.match_indices("pass=") {
            let from = at + mark.len();
            let value = url.get(from..).unwrap_or_default();
            let length = value.find('&').unwrap_or(value.len());
            places.push(start + from..start + from + length);
        }
    }
    places
}

/// Where passwords stand as the value of a key of their own, which is no key of a topology.
fn in_values(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for (at, mark) in text.match_indices("pass") {
        let rest = text.get(at + mark.len()..).unwrap_or_default();
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let Some(value) = rest.trim_start_matches([' ', '\t']).strip_prefix('=') else { continue };
        let value = value.trim_start_matches([' ', '\t']);
        if let Some(secret) = value.strip_prefix(['"', '\'']) {
            let start = text.len() - secret.len();
            let end = secret.find(['"', '\'', '\n']).unwrap_or(secret.len());
            places.push(start..start + end);
        }
    }
    places
}

fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_stars() {
        let cases = [
            ("redis://u:secret@h:1/0", "redis://u:******@h:1/0"),
            ("url = \"redis://:s@e/c@h\" # x@y", "url = \"redis://:*****@h\" # x@y"),
            ("redis://u:${PASSWORD}@h", "redis://u:${PASSWORD}@h"),
            ("redis://u:${P:-secret}@h", "redis://u:************@h"),
            ("redis://u:pä@h", "redis://u:***@h"),
            ("redis://h:6379", "redis://h:6379"),
            ("unix:///s?user=u&pass=secret&db=1", "unix:///s?user=u&pass=******&db=1"),
            ("a = 1\n password = \"secret\"\nb = 2", "a = 1\n password = \"******\"\nb = 2"),
            ("password = \"secret", "password = \"******"),
            ("password = \"", "password = \""),
            ("redis = { password = 'secret' }", "redis = { password = '******' }"),
            ("password_file = \"/run/p\"", "password_file = \"/run/p\""),
        ];
        for (text, expected) in cases {
            assert_eq!(masked(text), expected);
        }
        let address = RedisAddress::from("redis://u:secret@h");
        assert!(!format!("{address:?}").contains("secret"));
    }
}
