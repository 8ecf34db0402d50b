//! How a server is reached, as people may see it: without a password.

use redis::{ConnectionAddr, IntoConnectionInfo};

/// Where a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// For people, such as `redis://127.0.0.1:6379/2`.
    pub shown: String,
    /// The beginning of a command for a shell, such as `redis-cli -p 6380`.
    pub cli: String,
    /// The same as whoever, for commands that the user itself may hardly send.
    pub cli_as_anyone: String,
    /// The user that the URL names.
    pub user: Option<String>,
    /// The number of the database.
    pub database: i64,
}

impl Address {
    /// Reads a URL. One that is no address gives an address that shows nothing.
    #[must_use]
    pub fn of(url: &str) -> Self {
        let Ok(info) = url.into_connection_info() else { return Self::default() };
        let settings = info.redis_settings();
        let mut cli = vec!["redis-cli".to_owned()];
        let mut shown = match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                add_place(&mut cli, host, *port);
                format!("redis://{host}:{port}")
            }
            ConnectionAddr::TcpTls { host, port, .. } => {
                add_place(&mut cli, host, *port);
                cli.push("--tls".to_owned());
                format!("rediss://{host}:{port}")
            }
            ConnectionAddr::Unix(path) => {
                cli.extend(["-s".to_owned(), quoted(&path.display().to_string())]);
                format!("unix://{}", path.display())
            }
            _ => String::new(),
        };
        let cli_as_anyone = cli.join(" ");
        let user = settings.username().map(str::to_owned);
        if let Some(user) = &user {
            cli.extend(["--user".to_owned(), quoted(user)]);
        }
        if settings.password().is_some() {
            cli.push("--askpass".to_owned());
        }
        if settings.db() != 0 {
            cli.extend(["-n".to_owned(), settings.db().to_string()]);
            shown = format!("{shown}/{}", settings.db());
        }
        Self { shown, cli: cli.join(" "), cli_as_anyone, user, database: settings.db() }
    }
}

fn add_place(cli: &mut Vec<String>, host: &str, port: u16) {
    if host != "127.0.0.1" && host != "localhost" {
        cli.extend(["-h".to_owned(), quoted(host)]);
    }
    if port != 6379 {
        cli.extend(["-p".to_owned(), port.to_string()]);
    }
}

/// A word as a shell takes it for one.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.chars().any(char::is_control) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut safe = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => safe.extend(['\\', c]),
            c if c.is_control() => safe += &format!("\\u{:04x}", u32::from(c)),
            c => safe.push(c),
        }
    }
    safe + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_no_password_and_makes_a_command() {
        let cases = [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379", "redis-cli"),
            (
                "redis://ann:secret@db.example:6380/2",
                "redis://db.example:6380/2",
                "redis-cli -h db.example -p 6380 --user ann --askpass -n 2",
            ),
            (
                "rediss://:secret@db.example",
                "rediss://db.example:6379",
                "redis-cli -h db.example --tls --askpass",
            ),
            (
                "redis+unix:///tmp/a%20b.sock",
                "unix:///tmp/a b.sock",
                "redis-cli -s '/tmp/a b.sock'",
            ),
        ];
        for (url, shown, cli) in cases {
            let address = Address::of(url);
            assert_eq!((address.shown.as_str(), address.cli.as_str()), (shown, cli), "{url}");
        }
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a\n'$(b)"), r"$'a\u000a\'$(b)'");
    }
}
