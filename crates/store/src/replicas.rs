//! Whether enough replicas follow a server for it to take writes.

use crate::{
    connection::Connection,
    memory::{info, refusals},
};
use std::collections::BTreeMap;
use tallyd_runtime::StoreError;

/// What a server says of the replicas that it asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// How many follow closely, where the server asks for some (`min-replicas-to-write`).
    pub good: Option<u64>,
    /// How many commands were refused for want of replicas since the server was started.
    pub refused: u64,
}

impl Replicas {
    /// Whether the server refuses writes for want of replicas, as far as two looks tell.
    #[must_use]
    pub fn are_missing(&self, before: &Replicas) -> bool {
        self.good == Some(0) || self.refused > before.refused
    }
}

/// Asks for it.
///
/// # Errors
/// Where the connection fails, or the user may not use INFO.
pub async fn replicas(c: &mut Connection) -> Result<Replicas, StoreError> {
    Ok(of_info(&info(c, &["replication", "errorstats"]).await?))
}

fn of_info(info: &BTreeMap<String, String>) -> Replicas {
    let good = info.get("min_slaves_good_slaves").and_then(|text| text.parse().ok());
    Replicas { good, refused: refusals(info, "NOREPLICAS") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::facts::parse_info;

    #[test]
    fn replicas_are_missing_where_none_follows_or_writes_are_refused() {
        let of = |text: &str| of_info(&parse_info(text));
        let none_wanted = of("role:master\r\nconnected_slaves:0\r\n");
        assert!(!none_wanted.are_missing(&none_wanted));
        let none = of("min_slaves_good_slaves:0\r\n");
        assert!(none.are_missing(&none));
        let one = of("min_slaves_good_slaves:1\r\nerrorstat_NOREPLICAS:count=7\r\n");
        let refused = of("min_slaves_good_slaves:1\r\nerrorstat_NOREPLICAS:count=8\r\n");
        assert!(!one.are_missing(&one) && refused.are_missing(&one));
    }
}
