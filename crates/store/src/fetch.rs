//! Reading the state that a bolt asked for: one round trip for all of it, but for long logs.

use crate::{
    connection::{Connection, checked},
    keys::Keys,
    reply,
};
use hashbrown::{HashMap, HashSet};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use tallyd_bolt::{Address, Cell, Fingerprints, Key, Kind};
use tallyd_event::partition_of;
use tallyd_runtime::{
    StoreError,
    store::{ErrorKind, Refused},
};

/// How many elements of a log are asked for at first, beside everything else: at most 256 KB. A
/// bolt may ask for hundreds of logs.
const FIRST: usize = 1 << 10;
/// How many elements of a long log are asked for at once: at most 16 MB. No answer may take longer
/// than a connection waits.
const MORE: usize = 1 << 16;
/// About how many names of a set are asked for at once.
const NAMES: usize = 1 << 10;

/// What is asked for of one bolt: its place, its name, and the addresses.
pub(crate) type Asked<'a> = (usize, &'a str, Vec<Address>);

/// What a fetch found: the replies of the other commands, the cells, and the keys that hold none.
pub(crate) type Found = (Vec<Value>, Vec<(usize, Address, Cell)>, Vec<Refused>);

/// Fetches cells of bolts, in one round trip with other commands, whose replies come first. A key
/// that holds something else is told: it must cost no more than the events that need it.
///
/// # Errors
/// Where the connection broke, or another command failed.
pub async fn fetch(
    connection: &mut Connection,
    others: Pipeline,
    keys: &Keys,
    asked: Vec<Asked<'_>>,
) -> Result<Found, StoreError> {
    let mut groups: HashMap<(usize, Kind, Key), (&str, Vec<SmolStr>)> = HashMap::new();
    for (place, bolt, addresses) in asked {
        for Address { kind, key, name } in addresses {
            let group = groups.entry((place, kind, key));
            group.or_insert_with(|| (bolt, Vec::new())).1.push(name);
        }
    }
    let (of_others, mut ask) = (others.len(), others);
    for ((_, kind, key), (bolt, names)) in &groups {
        let key = keys.bolt(bolt, key);
        match kind {
            Kind::Counters(names) => ask.cmd("HMGET").arg(key).arg(*names),
            Kind::Field => ask.cmd("HMGET").arg(key).arg(texts(names)),
            Kind::Score => ask.cmd("ZMSCORE").arg(key).arg(texts(names)),
            Kind::Log => ask.cmd("LRANGE").arg(key).arg(0).arg(FIRST - 1),
            Kind::Names => ask.cmd("SSCAN").arg(key).arg(0).arg("COUNT").arg(NAMES),
            Kind::Ranked(..) => ask.cmd("ZSCAN").arg(key).arg(0).arg("COUNT").arg(NAMES),
        };
    }
    let mut others = connection.send(&ask).await?;
    let answers = others.split_off(of_others);
    let others = others.into_iter().map(checked).collect::<Result<Vec<Value>, StoreError>>()?;
    let (mut cells, mut refused) = (Vec::new(), Vec::new());
    for (((node, kind, key), (bolt, names)), answer) in groups.into_iter().zip(answers) {
        let full = keys.bolt(bolt, &key);
        match cells_of(connection, kind, &full, answer).await {
            Ok(found) => {
                for (name, cell) in names.into_iter().zip(found) {
                    cells.push((node, Address { kind, key: key.clone(), name }, cell));
                }
            }
            Err(error) if matches!(error.kind, ErrorKind::Reply | ErrorKind::WrongType) => {
                let reason = format!("key {full}: {}", error.message);
                refused.push(Refused { node, key, reason });
            }
            Err(error) => return Err(error),
        }
    }
    Ok((others, cells, refused))
}

/// The cells that an answer holds, in the order in which they were asked for.
async fn cells_of(
    connection: &mut Connection,
    kind: Kind,
    full: &str,
    answer: Value,
) -> Result<Vec<Cell>, StoreError> {
    let answer = checked(answer)?;
    match kind {
        Kind::Counters(_) => {
            Ok(vec![Cell::Counters(each(answer, |value| reply::integer(&value))?, 0)])
        }
        Kind::Field => each(answer, |value| reply::bytes(value).map(Cell::Field)),
        Kind::Score => each(answer, |value| reply::number(value).map(Cell::Score)),
        Kind::Log => Ok(vec![whole_log(connection, full, answer).await?]),
        Kind::Names => Ok(vec![whole_set(connection, full, answer, None).await?]),
        Kind::Ranked(partition, of) => {
            Ok(vec![whole_set(connection, full, answer, Some((partition, of))).await?])
        }
    }
}

fn texts(names: &[SmolStr]) -> Vec<&str> {
    names.iter().map(SmolStr::as_str).collect()
}

fn each<T, All: FromIterator<T>>(
    answer: Value,
    read: impl Fn(Value) -> Result<T, StoreError>,
) -> Result<All, StoreError> {
    reply::array(answer)?.into_iter().map(read).collect()
}

/// The log that begins with this answer.
async fn whole_log(
    connection: &mut Connection,
    key: &str,
    first: Value,
) -> Result<Cell, StoreError> {
    let mut log = Fingerprints::default();
    let mut read = add_elements(&mut log, first)?;
    let mut full = read == FIRST;
    while full {
        let mut ask = Pipeline::new();
        ask.cmd("LRANGE").arg(key).arg(read).arg(read + MORE - 1);
        let answer = connection.all(&ask).await?.pop().unwrap_or(Value::Nil);
        let more = add_elements(&mut log, answer)?;
        (read, full) = (read + more, more == MORE);
    }
    Ok(Cell::Log(Box::new(log)))
}

/// The set that begins with this answer, or of a sorted set the members of one partition of so many.
/// What is put in meanwhile may be missing.
async fn whole_set(
    connection: &mut Connection,
    key: &str,
    first: Value,
    ranked: Option<(u16, u16)>,
) -> Result<Cell, StoreError> {
    // The members of a sorted set come with their scores.
    let (scan, step) = if ranked.is_some() { ("ZSCAN", 2) } else { ("SSCAN", 1) };
    let is_wanted = |name: &SmolStr| {
        ranked.is_none_or(|(partition, of)| partition_of([name.as_str()], of) == partition)
    };
    let mut names = HashSet::new();
    let mut answer = first;
    loop {
        let mut parts = reply::array(answer)?.into_iter();
        let (cursor, page) = (parts.next().unwrap_or(Value::Nil), parts.next());
        for name in reply::array(page.unwrap_or(Value::Nil))?.into_iter().step_by(step) {
            names.extend(reply::text(name)?.map(SmolStr::from).filter(is_wanted));
        }
        match reply::text(cursor)? {
            Some(cursor) if cursor != "0" => {
                let mut ask = Pipeline::new();
                ask.cmd(scan).arg(key).arg(cursor).arg("COUNT").arg(NAMES);
                answer = connection.all(&ask).await?.pop().unwrap_or(Value::Nil);
            }
            _ => return Ok(Cell::Names(Box::new(names))),
        }
    }
}

/// Adds the fingerprints of a log's elements, and says how many elements there were.
fn add_elements(log: &mut Fingerprints, answer: Value) -> Result<usize, StoreError> {
    let elements = reply::array(answer)?;
    let count = elements.len();
    for element in elements {
        let bytes = reply::bytes(element)?.unwrap_or_default();
        let (fingerprints, rest) = bytes.as_chunks::<16>();
        if !rest.is_empty() {
            let length = bytes.len();
            let message = format!("an element of a log has {length} bytes (expected 16 for each)");
            return Err(StoreError::new(ErrorKind::Reply, message));
        }
        log.extend(fingerprints.iter().map(|bytes| u128::from_be_bytes(*bytes)));
    }
    Ok(count)
}
