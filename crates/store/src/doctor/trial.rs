//! Tries the rights of a worker without using them: each command is queued in a transaction, where
//! the server checks rights at once, and the transaction is discarded.
//!
//! That needs no right of its own, unlike ACL DRYRUN, and works on every server that is supported.

use super::facts::MissingRight;
use crate::{
    connection::{Connection, checked},
    keys::Keys,
    rights::{self, Right},
};
use redis::{Pipeline, Value};
use tallyd_runtime::StoreError;
use tallyd_topology::Topology;

/// A key that stands for tallyd's own, where no topology says which those are.
const ANY_KEY: &str = "tallyd:{doctor/0}:none";

/// A command that no server has.
const MADE_UP: &str = "TALLYD.DOCTOR.NOSUCH";

/// What a trial gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// The server said which it does not let the user queue.
    Told {
        /// The rights of [`rights::WORKER`] that are missing.
        missing: Vec<MissingRight>,
        /// Why the server refuses writes at this moment, where it does.
        refuses_writes: Option<String>,
    },
    /// It queues whatever it is given, a command that no server has too: that proves nothing.
    QueuesAnything,
}

/// Tries the rights of [`rights::WORKER`]. Without a topology it is not known which keys matter, so
/// only commands are tried.
///
/// # Errors
/// Where the connection fails, or no transaction can be begun.
pub async fn run(
    c: &mut Connection,
    scope: Option<(&Topology, &Keys)>,
) -> Result<Trial, StoreError> {
    let mut tried = Tried::new();
    for right in rights::WORKER {
        match scope {
            Some((topology, keys)) => {
                let places = rights::places(right, topology, keys);
                tried.extend(places.into_iter().map(|key| (right, key)));
            }
            None => tried.push((right, ANY_KEY.to_owned())),
        }
    }
    // These are no commands of a transaction, and change nothing: they are tried as they are.
    let (plain, queued) = tried.into_iter().partition(|(right, _)| is_plain(right));
    let replies = c.send(&samples(&plain)).await?;
    let missing = refusals(plain, replies, scope.is_some());
    if !missing.is_empty() {
        // Without a transaction the others would be done: they are not tried.
        return Ok(Trial::Told { missing, refuses_writes: None });
    }
    let mut begin = Pipeline::new();
    begin.cmd("MULTI");
    c.all(&begin).await?;
    let replies = c.send(&samples(&queued)).await?;
    let refuses_writes = replies.iter().find_map(refused_write);
    let missing = refusals(queued, replies, scope.is_some());
    let mut end = Pipeline::new();
    end.cmd(MADE_UP).cmd("DISCARD");
    // Where the user may not discard, the end of the connection does.
    let replies = c.send(&end).await?;
    if matches!(replies.first(), Some(Value::SimpleString(word)) if word == "QUEUED") {
        return Ok(Trial::QueuesAnything);
    }
    Ok(Trial::Told { missing, refuses_writes })
}

/// Why a write is refused, where that is the server's state: it says so when one is queued.
fn refused_write(answer: &Value) -> Option<String> {
    let error = checked(answer.clone()).err()?.message;
    let code = error.split(' ').next().unwrap_or_default();
    ["OOM", "MISCONF", "NOREPLICAS"].contains(&code).then(|| error.trim_end().to_owned())
}

type Tried = Vec<(&'static Right, String)>;

fn is_plain(right: &Right) -> bool {
    matches!(right.command().as_str(), "watch" | "unwatch" | "multi" | "exec")
}

fn samples(tried: &Tried) -> Pipeline {
    let mut ask = Pipeline::new();
    for (right, key) in tried {
        let mut words = right.sample.split(' ');
        let command = ask.cmd(words.next().unwrap_or_default());
        for word in words {
            command.arg(if word == "KEY" { key } else { word });
        }
    }
    ask
}

fn refusals(tried: Tried, replies: Vec<Value>, with_keys: bool) -> Vec<MissingRight> {
    let answered = tried.into_iter().zip(replies);
    answered.filter_map(|((right, key), answer)| refusal(right, key, answer, with_keys)).collect()
}

/// Whether the answer says that the user may not, or that there is no such command. Any other
/// error is the state of the server, and not the user's.
fn refusal(right: &Right, key: String, answer: Value, with_keys: bool) -> Option<MissingRight> {
    let error = checked(answer).err()?.message;
    let of_database = error.contains("access database");
    let of_key = error.starts_with("NOPERM") && !error.contains("command") && !of_database;
    let counts = error.starts_with("NOPERM") || error.contains("unknown command");
    let counts = counts && (with_keys || !of_key);
    let key = if of_key { key } else { String::new() };
    counts.then(|| MissingRight {
        command: right.command(),
        key,
        error: error.trim_end().to_owned(),
    })
}
