//! The results over HTTP, as an application sees them: the program on a real redis-server.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../lab.rs"]
mod lab;

mod answers;
mod crowd;
mod described;
mod edits;
mod faults;
mod keys;
mod live;
mod replicas;
mod rights;
mod server;
mod socket;

/// A class, and what it is asked about. `[serve]` is appended where a test has one.
pub const FILE: &str = r#"
name = "lab"
time_zone = "Europe/Berlin"
partitions = 4
[source.ev]
id = "id"
key = "user"
time = "at"
[source.ev.fields]
id = "string"
user = "string"
class = { type = "string", optional = true }
concept = { type = "string", optional = true }
right = { type = "bool", optional = true }
pts = { type = "int", optional = true }
at = "time"
[bolt.unique]
type = "dedup"
from = "ev"
window = "24h"
[bolt.board]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(pts)"
boards = [[], ["class"]]
periods = ["all", "week"]
ties = "shared"
[bolt.agg]
type = "aggregate"
from = "unique"
by = ["class", "concept"]
grace = "forever"
windows = [{ length = "1h", retain = "forever" }, "all"]
[bolt.own]
type = "aggregate"
from = "unique"
by = ["user"]
grace = "forever"
windows = ["all"]
measures = { answers = "count" }
[bolt.agg.measures]
answers = "count"
right = "count(right)"
users = "distinct(user)"
"#;
