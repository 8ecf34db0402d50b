//! Probes: how long the way through the topology takes, measured while nobody sends anything too.

use std::{sync::Arc, time::Duration};
use tallyd_harness::duration;
use tallyd_store::{Connection, probe};
use tallyd_topology::{RedisAddress, Topology};

/// How many were sent.
const METRIC: &str = "tallyd_probes_sent_total";
/// The shortest time between two: more often they would be load.
const SHORTEST: Duration = Duration::from_millis(100);

/// How often a worker sends a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Never.
    Off,
    /// So long after the last.
    Time(Duration),
}

impl std::str::FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            text => match duration(text)? {
                every if every >= SHORTEST => Ok(Self::Time(every)),
                _ => Err(format!("\"{text}\" is too short (at least 100ms, or off)")),
            },
        }
    }
}

/// Says that none was sent yet.
pub fn begin() {
    metrics::describe_counter!(METRIC, "Probes that this worker added to sources");
    metrics::counter!(METRIC).increment(0);
}

/// Sends them for as long as the worker runs.
pub async fn send(every: Every, address: RedisAddress, topology: Arc<Topology>, worker: String) {
    let Every::Time(every) = every else { return };
    let mut kept = None;
    loop {
        tokio::time::sleep(every).await;
        let connection = match kept.take() {
            Some(connection) => Ok(connection),
            None => Connection::open_at(&address).await,
        };
        // One that can't be sent is missing at every node, which is what it is there for; why is
        // said by the worker itself.
        let sent = async {
            let mut connection = connection?;
            let sent = probe::send(&mut connection, &topology, &worker).await?;
            Ok::<_, tallyd_runtime::StoreError>((connection, sent))
        };
        match sent.await {
            Ok((connection, sent)) => {
                metrics::counter!(METRIC).increment(sent);
                kept = Some(connection);
            }
            Err(error) => tracing::debug!(%error, "can't send a probe"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_off() {
        assert_eq!("off".parse(), Ok(Every::Off));
        assert_eq!("10s".parse(), Ok(Every::Time(Duration::from_secs(10))));
        assert!("1ms".parse::<Every>().unwrap_err().contains("at least 100ms"));
        assert!("often".parse::<Every>().is_err());
    }
}
