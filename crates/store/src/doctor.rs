//! Whether a Redis can be trusted: facts are gathered in one place, checks are pure functions from
//! facts to findings, and a worker at its start goes by the same checks as `tallyd doctor`.

pub mod address;
pub mod checks;
pub mod estimate;
pub mod facts;
pub mod finding;

mod gather;
mod start;
mod stored;
mod trial;

pub use finding::{Finding, Level};
pub use start::Danger;

pub(crate) use start::check as check_at_start;
pub use start::{RISKS, risks};

use crate::{connection::Connection, keys::Keys};
use checks::Of;
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_topology::{RedisAddress, Topology};

/// The topology to look at, and how commands of tallyd name it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The topology.
    pub topology: &'a Topology,
    /// Its keys.
    pub keys: &'a Keys,
    /// Its file.
    pub file: &'a str,
    /// Whether its Redis was named apart from the file.
    pub elsewhere: bool,
}

/// What an examination gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where the server is, without a password.
    pub server: String,
    /// Its name and version.
    pub version: String,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
}

/// Looks at a server, and at a topology that is stored on it. Changes nothing.
///
/// # Errors
/// Where the server can't be reached or does not answer.
pub async fn examine(
    address: &RedisAddress,
    subject: Option<Subject<'_>>,
) -> Result<Report, StoreError> {
    let mut connection = Connection::open_at(address).await?;
    let scope = subject.map(|subject| (subject.topology, subject.keys));
    let mut facts = gather::server(&mut connection, address, scope).await?;
    let mut stored = None;
    let mut cut_off = None;
    if let Some(subject) = subject {
        let Subject { topology, keys, .. } = subject;
        let mut found = stored::stored(&mut connection, topology, keys, &mut facts).await;
        if matches!(&found, Err(error) if error.kind == ErrorKind::Connection) {
            // A connection may break for any reason: only the same question tells.
            connection.open_again().await?;
            found = stored::stored(&mut connection, topology, keys, &mut facts).await;
        }
        match found {
            Ok(found) => stored = Some((subject, found)),
            Err(error) if gather::is_refusal(&error) => {
                gather::refuse(&mut facts, checks::access::TOPOLOGY, &error)
            }
            // Where it takes the next connection, it cut off who asked for what is stored.
            Err(error) if error.kind == ErrorKind::Connection => {
                connection.open_again().await?;
                cut_off = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    let mut findings: Vec<Finding> =
        checks::OF_SERVER.iter().flat_map(|check| check(&facts)).collect();
    findings.extend(cut_off.map(|error| checks::connections::cut_off(&error)));
    if let Some((subject, stored)) = &stored {
        let of = Of { facts: &facts, subject: *subject, stored };
        findings.extend(checks::OF_TOPOLOGY.iter().flat_map(|check| check(&of)));
    }
    // Stable: within a level they stay in the order of the checks.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    Ok(Report {
        server: facts.address.shown.clone(),
        version: checks::server::name(&facts),
        findings,
    })
}
