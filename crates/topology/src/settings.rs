//! The keys of the file's top, of `[redis]`, `[run]` and of sinks.

use crate::{plan::Settings, redis_address::RedisAddress, substitute::Environment};
use jiff::tz::TimeZoneDatabase;
use tallyd_bolt::calendar::Calendar;
use tallyd_kind::{
    fault::{Fault, nearest},
    key_spec::{Default, KeySpec, Kind},
    section::Section,
    sheet::Word,
    units::{DAY_MS, MINUTE_MS},
};

/// The keys at the top of the file, before any table, and the tables.
pub const TOP_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "name",
        kind: Kind::Text,
        default: Default::Required,
        doc: "The topology's name, which all of its Redis keys carry: lower-case letters, digits, \
              `-` and `_`.",
    },
    KeySpec {
        name: "time_zone",
        kind: Kind::Text,
        default: Default::value("\"UTC\""),
        doc: "Where days, weeks and months begin: an IANA name such as `Asia/Kolkata`.",
    },
    KeySpec {
        name: "partitions",
        kind: Kind::Int(1, 1024),
        default: Default::value("16"),
        doc: "Into how many parts the work of each bolt is split: the most workers that can share \
              it. It can't be changed while data is stored.",
    },
    table("redis", "Where Redis is."),
    table("run", "How workers run the topology."),
    table("serve", "Who may see what over HTTP."),
    table("source", "`[source.NAME]`: a stream that producers write. At least one."),
    table("bolt", "`[bolt.NAME]`: what is done with events."),
    table("sink", "`[sink.NAME]`: a stream for applications to follow."),
    table("test", "`[[test]]`: events, and the results that they must give."),
];

const fn table(name: &'static str, doc: &'static str) -> KeySpec {
    KeySpec { name, kind: Kind::Table, default: Default::Absent("none"), doc }
}

/// The keys of `[redis]`.
pub const REDIS_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "url",
        kind: Kind::Text,
        default: Default::value("\"redis://127.0.0.1:6379\""),
        doc: "`redis://[user:password@]host[:port][/db]`, `rediss://…` (TLS) or \
              `unix:///path[?user=…&pass=…&db=…]`. Special characters of the user and password \
              are percent-encoded. Without this key the environment variable `TALLYD_REDIS` is used, \
              if it is set.",
    },
    file(
        "password_file",
        "none",
        "A file with the password of the URL's user; not with one in the URL.",
    ),
    file("ca", "the system's", "A file (PEM) with the certificates that may sign the server's."),
    file("cert", "none", "A file (PEM) with the client's certificate; with `key`."),
    file("key", "none", "A file (PEM) with the key of `cert`."),
];

const fn file(name: &'static str, absent: &'static str, doc: &'static str) -> KeySpec {
    KeySpec { name, kind: Kind::Text, default: Default::Absent(absent), doc }
}

/// The keys of `[run]`.
pub const RUN_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "session_timeout",
        kind: Kind::Duration,
        default: Default::value("\"5s\""),
        doc: "After how long without a heartbeat a worker counts as gone and others take over; \
              `\"500ms\"` to `\"5m\"`.",
    },
    KeySpec {
        name: "max_backlog",
        kind: Kind::Int(1000, 1_000_000_000),
        default: Default::value("100_000"),
        doc: "A bolt stops reading while a stream that it writes holds more events than this.",
    },
    KeySpec {
        name: "max_stalled",
        kind: Kind::Size,
        default: Default::value("\"256MiB\""),
        doc: "How much may wait, for each node that writes it, for partitions that are halted or \
              have no worker. Up to there the others go on; beyond it their writer stops reading.",
    },
    KeySpec {
        name: "max_batch",
        kind: Kind::Int(1, 65_536),
        default: Default::value("8_192"),
        doc: "The most events that are processed and committed together; fewer hold Redis for a \
              shorter time.",
    },
    KeySpec {
        name: "shared_refresh",
        kind: Kind::Duration,
        default: Default::value("\"5s\""),
        doc: "How old another worker's part of a shared number (the difficulty of an item) may be; \
              `\"10ms\"` to `\"1d\"`.",
    },
    KeySpec {
        name: "dead_letters",
        kind: Kind::Int(1, i64::MAX),
        default: Default::value("1_000_000"),
        doc: "How many dead letters are kept; the oldest are deleted first.",
    },
    KeySpec {
        name: "dead_letters_bytes",
        kind: Kind::Size,
        default: Default::value("\"256MiB\""),
        doc: "About how much memory of Redis they take; the oldest are deleted first. `\"1MiB\"` or more.",
    },
    KeySpec {
        name: "cache",
        kind: Kind::Size,
        default: Default::value("\"256MiB\""),
        doc: "How much state a worker keeps in memory for each bolt; `\"1MiB\"` or more. What a \
              dedup bolt has seen comes on top: about 20 to 40 bytes for each id of its window.",
    },
    KeySpec {
        name: "fuse",
        kind: Kind::Bool,
        default: Default::value("true"),
        doc: "A bolt that reads from a dedup bolt, and is partitioned by the same key, runs in \
              that one's commits: there is no stream between them, and their partitions have the \
              same owner. Results are the same. It can't be changed while data is stored.",
    },
];

/// The keys of a sink.
pub const SINK_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "from",
        kind: Kind::Node,
        default: Default::Required,
        doc: "The source or bolt whose events it writes.",
    },
    KeySpec {
        name: "events",
        kind: Kind::Choice(&["emitted", "late"]),
        default: Default::value("\"emitted\""),
        doc: "Which events: those that `from` emits; or of an `aggregate` or `leaderboard` those that \
              came too late for a window or period.",
    },
    KeySpec {
        name: "stream",
        kind: Kind::Text,
        default: Default::Absent("the sink's name"),
        doc: "The Redis stream that it writes: one plain entry for each event.",
    },
    KeySpec {
        name: "max_len",
        kind: Kind::Int(1, i64::MAX),
        default: Default::Absent("no limit"),
        doc: "About how many entries the stream keeps; the oldest are deleted first.",
    },
];

/// The time zone and its calendar.
pub(crate) fn calendar(top: &Section<'_>) -> Option<(String, Calendar)> {
    let word = top.text("time_zone")?;
    match Calendar::new(&word.text) {
        Ok(calendar) => Some((word.text, calendar)),
        Err(error) => {
            let zones: Vec<String> =
                TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
            let fault = Fault::new(error.to_string(), word.span);
            top.sheet.fault(match nearest(&word.text, zones.iter().map(String::as_str)) {
                Some(name) => fault.help(format!("did you mean \"{name}\"?")),
                None => fault,
            });
            None
        }
    }
}

/// The variable that says where Redis is, for a file that does not.
const REDIS_VARIABLE: &str = "TALLYD_REDIS";

/// The address of Redis.
pub(crate) fn redis(redis: &Section<'_>, env: Environment<'_>) -> Option<RedisAddress> {
    let given = env(REDIS_VARIABLE).filter(|url| !url.is_empty() && redis.written("url").is_none());
    let (what, word) = match given {
        Some(text) => (REDIS_VARIABLE, Word { text, span: redis.place.clone() }),
        None => ("this", redis.text("url")?),
    };
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        if redis.written(one).is_some() && redis.written(other).is_none() {
            let message = format!("\"{one}\" needs \"{other}\"");
            let help = format!("add {other} = \"file.pem\", or leave both out");
            redis.sheet.fault(Fault::new(message, redis.span(one)).help(help));
        }
    }
    let schemes = ["redis://", "rediss://", "unix://", "redis+unix://"];
    if !schemes.iter().any(|scheme| word.text.starts_with(scheme)) {
        let help = "write redis://host:port, rediss://host:port or unix:///path";
        let message = format!("{what} is not the address of a Redis");
        redis.sheet.fault(Fault::new(message, word.span).help(help));
        return None;
    }
    let file = |key| redis.written(key).and_then(|_| Some(redis.text(key)?.text.into()));
    Some(RedisAddress {
        url: word.text,
        password_file: file("password_file"),
        ca: file("ca"),
        cert: file("cert"),
        key: file("key"),
    })
}

/// How workers run the topology.
pub(crate) fn settings(run: &Section<'_>) -> Option<Settings> {
    let session_timeout_ms = run.duration_within("session_timeout", 500..=5 * MINUTE_MS);
    let shared_refresh_ms = run.duration_within("shared_refresh", 10..=DAY_MS);
    let max_backlog = run.int("max_backlog");
    let max_batch = run.int("max_batch");
    let dead_letters = run.int("dead_letters");
    let cache_bytes = run.size("cache");
    let max_stalled_bytes = run.size("max_stalled");
    let dead_letters_bytes = run.size("dead_letters_bytes");
    let fuse = run.bool("fuse");
    for (key, bytes) in [("cache", cache_bytes), ("dead_letters_bytes", dead_letters_bytes)] {
        if bytes.is_some_and(|bytes| bytes < 1 << 20) {
            let fault = Fault::new(format!("\"{key}\" is too small"), run.span(key));
            run.sheet.fault(fault.help("it must be 1MiB or more"));
        }
    }
    Some(Settings {
        session_timeout_ms: session_timeout_ms?.unsigned_abs(),
        max_backlog: max_backlog?.unsigned_abs(),
        max_batch: usize::try_from(max_batch?).ok()?,
        shared_refresh_ms: shared_refresh_ms?.unsigned_abs(),
        dead_letters: dead_letters?.unsigned_abs(),
        dead_letters_bytes: dead_letters_bytes?,
        max_stalled_bytes: max_stalled_bytes?,
        cache_bytes: cache_bytes?,
        fuse: fuse?,
    })
}
