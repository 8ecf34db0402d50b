//! How long events take to be seen: a histogram to which many events are added at once.
//!
//! The histograms of `metrics` keep every value that is recorded until somebody looks. A value for
//! each event would cost a worker more than some bolts do, so these count in place, and render
//! themselves.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The name of the histogram.
pub const NAME: &str = "tallyd_visible_seconds";
/// What it means.
pub const HELP: &str = "Time from an event's arrival to the commit of its effects, of every event";
/// The upper bounds in ms, from what an idle topology takes to a worker that was away for a day.
const BOUNDS_MS: [u64; 24] = [
    1,
    2,
    5,
    10,
    25,
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    14_400_000,
    43_200_000,
    86_400_000,
    604_800_000,
];

/// The delays of one node's events.
#[derive(Debug, Default)]
pub struct Delays {
    /// By bound, and one more for what is longer.
    counts: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_ms: AtomicU64,
}

/// By node, as the recorder of `metrics` is one for the whole process.
static ALL: LazyLock<Mutex<BTreeMap<String, Arc<Delays>>>> = LazyLock::new(Mutex::default);

/// The delays of the node of this name: the same for all of its tasks.
#[must_use]
pub fn of(node: &str) -> Arc<Delays> {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(all.entry(node.to_owned()).or_default())
}

impl Delays {
    /// So many events took so long. What seems to come from the future took no time.
    pub fn add(&self, ms: i64, events: u64) {
        let ms = u64::try_from(ms).unwrap_or(0);
        let slot = BOUNDS_MS.partition_point(|bound| *bound < ms);
        if let Some(count) = self.counts.get(slot) {
            count.fetch_add(events, Ordering::Relaxed);
        }
        self.sum_ms.fetch_add(ms.saturating_mul(events), Ordering::Relaxed);
    }

    fn render(&self, node: &str, text: &mut String) {
        let mut events = 0;
        let bounds = BOUNDS_MS.iter().map(|ms| seconds(*ms).to_string());
        for (count, le) in self.counts.iter().zip(bounds.chain(["+Inf".to_owned()])) {
            events += count.load(Ordering::Relaxed);
            let _ = writeln!(text, "{NAME}_bucket{{node=\"{node}\",le=\"{le}\"}} {events}");
        }
        let sum = seconds(self.sum_ms.load(Ordering::Relaxed));
        let _ = writeln!(text, "{NAME}_sum{{node=\"{node}\"}} {sum}");
        let _ = writeln!(text, "{NAME}_count{{node=\"{node}\"}} {events}");
    }
}

/// All delays, in the text format of Prometheus. Nothing where no node runs in this process.
#[must_use]
pub fn render() -> String {
    let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    if all.is_empty() {
        return String::new();
    }
    let mut text = format!("# HELP {NAME} {HELP}\n# TYPE {NAME} histogram\n");
    // The names of nodes have no character that the format escapes.
    all.iter().for_each(|(node, delays)| delays.render(node, &mut text));
    text
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_counts_and_a_long_wait_is_not_cut() {
        let delays = Delays::default();
        // 5 % of a minute's events waited 5 s, in one commit; the others went through at once.
        delays.add(18, 57_000);
        delays.add(5_000, 3_000);
        delays.add(-3, 1);
        delays.add(90_000, 2);
        let mut text = String::new();
        delays.render("n", &mut text);
        for line in [
            r#"tallyd_visible_seconds_bucket{node="n",le="0.001"} 1"#,
            r#"tallyd_visible_seconds_bucket{node="n",le="0.025"} 57001"#,
            r#"tallyd_visible_seconds_bucket{node="n",le="2.5"} 57001"#,
            r#"tallyd_visible_seconds_bucket{node="n",le="5"} 60001"#,
            r#"tallyd_visible_seconds_bucket{node="n",le="60"} 60001"#,
            r#"tallyd_visible_seconds_bucket{node="n",le="120"} 60003"#,
            r#"tallyd_visible_seconds_bucket{node="n",le="+Inf"} 60003"#,
            r#"tallyd_visible_seconds_sum{node="n"} 16206"#,
            r#"tallyd_visible_seconds_count{node="n"} 60003"#,
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in {text}");
        }
    }

    #[test]
    fn tasks_of_one_node_count_together() {
        of("together").add(1, 2);
        of("together").add(1, 3);
        assert!(render().contains("tallyd_visible_seconds_count{node=\"together\"} 5\n"));
    }
}
