//! Reading the state that a bolt asked for: one round trip for all of it, but for long logs.

use crate::{connection::Connection, keys::Keys, reply};
use hashbrown::HashMap;
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use tallyd_bolt::{Address, Cell, Fingerprints, Kind};
use tallyd_runtime::{StoreError, store::ErrorKind};

/// How much of a log is asked for at first, beside everything else. A bolt may ask for hundreds.
const FIRST: usize = 1 << 20;
/// How much of a long log is asked for at once: no answer may take longer than a connection waits.
const MORE: usize = 16 << 20;

/// Fetches cells of a bolt.
///
/// # Errors
/// Where the connection broke, or what is stored is no such cell.
pub async fn fetch(
    connection: &mut Connection,
    keys: &Keys,
    bolt: &str,
    addresses: Vec<Address>,
) -> Result<Vec<(Address, Cell)>, StoreError> {
    let mut groups: HashMap<(Kind, _), Vec<SmolStr>> = HashMap::new();
    for Address { kind, key, name } in addresses {
        groups.entry((kind, key)).or_default().push(name);
    }
    let mut ask = Pipeline::new();
    for ((kind, key), names) in &groups {
        let key = keys.bolt(bolt, key);
        match kind {
            Kind::Counters(names) => ask.cmd("HMGET").arg(key).arg(*names),
            Kind::Field => ask.cmd("HMGET").arg(key).arg(texts(names)),
            Kind::Score => ask.cmd("ZMSCORE").arg(key).arg(texts(names)),
            Kind::Log => ask.cmd("GETRANGE").arg(key).arg(0).arg(FIRST - 1),
        };
    }
    let answers = connection.all(&ask).await?;
    let mut cells = Vec::new();
    for (((kind, key), names), answer) in groups.into_iter().zip(answers) {
        let values = match kind {
            Kind::Counters(_) => vec![answer],
            Kind::Field | Kind::Score => reply::array(answer)?,
            Kind::Log => {
                let log = whole_log(connection, &keys.bolt(bolt, &key), answer).await?;
                cells.push((Address { kind, key, name: SmolStr::default() }, log));
                continue;
            }
        };
        for (name, value) in names.into_iter().zip(values) {
            cells.push((Address { kind, key: key.clone(), name }, cell(kind, value)?));
        }
    }
    Ok(cells)
}

fn texts(names: &[SmolStr]) -> Vec<&str> {
    names.iter().map(SmolStr::as_str).collect()
}

fn cell(kind: Kind, value: Value) -> Result<Cell, StoreError> {
    Ok(match kind {
        Kind::Counters(_) => {
            let stored = reply::array(value)?;
            Cell::Counters(stored.iter().map(reply::integer).collect::<Result<_, _>>()?, 0)
        }
        Kind::Field => Cell::Field(reply::bytes(value)?),
        Kind::Score => Cell::Score(reply::number(value)?),
        Kind::Log => Cell::Log(fingerprints(&reply::bytes(value)?.unwrap_or_default())?),
    })
}

/// The log that begins with this answer.
async fn whole_log(
    connection: &mut Connection,
    key: &str,
    first: Value,
) -> Result<Cell, StoreError> {
    let first = reply::bytes(first)?.unwrap_or_default();
    let (mut log, mut read, mut full) = (fingerprints(&first)?, first.len(), first.len() == FIRST);
    drop(first);
    while full {
        let mut ask = Pipeline::new();
        ask.cmd("GETRANGE").arg(key).arg(read).arg(read + MORE - 1);
        let answer = connection.all(&ask).await?.pop().unwrap_or(Value::Nil);
        let more = reply::bytes(answer)?.unwrap_or_default();
        log.extend(fingerprints(&more)?);
        (read, full) = (read + more.len(), more.len() == MORE);
    }
    Ok(Cell::Log(log))
}

fn fingerprints(stored: &[u8]) -> Result<Fingerprints, StoreError> {
    let (chunks, rest) = stored.as_chunks::<16>();
    if !rest.is_empty() {
        let message = format!("a log is {} bytes long (expected a multiple of 16)", stored.len());
        return Err(StoreError::new(ErrorKind::Reply, message));
    }
    Ok(chunks.iter().map(|chunk| u128::from_be_bytes(*chunk)).collect())
}
