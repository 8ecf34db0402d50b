//! Probes: they come through every node, and are counted in no figure.

use crate::exposed::Running;
use redis::{Pipeline, Value};

const NODES: [&str; 6] = ["answers", "unique", "points", "concepts", "fatigue", "mastery"];

/// The keys that match a pattern.
async fn keys(running: &Running, pattern: &str) -> Vec<Value> {
    let mut ask = Pipeline::new();
    ask.cmd("KEYS").arg(pattern);
    let found = running.connection().await.all(&ask).await.unwrap().pop().unwrap();
    let Value::Array(keys) = found else { panic!("{found:?}") };
    keys
}

async fn came_through(running: &Running, node: &str) -> f64 {
    running.value(&format!("tallyd_probe_seconds_count{{node=\"{node}\"}}")).await
}

#[tokio::test]
async fn they_come_through_every_node_and_leave_nothing_there() {
    let running = Running::start().await;
    for node in NODES {
        running.until(&format!("tallyd_probe_seconds_count{{node=\"{node}\"}}"), 3.0).await;
    }
    assert!(running.value("tallyd_probes_sent_total").await >= 3.0);
    for node in NODES {
        for counter in ["events_in", "events_out", "events_deduplicated", "lost_entries"] {
            let series = format!("tallyd_{counter}_total{{node=\"{node}\"}}");
            assert!(running.value(&series).await.abs() < 0.5, "{series}");
        }
        let series = format!("tallyd_visible_seconds_count{{node=\"{node}\"}}");
        assert!(running.value(&series).await.abs() < 0.5, "{series}");
    }
    let status = running.status();
    for node in status["nodes"].as_array().unwrap() {
        let took = node["probe"]["seconds"].as_f64().unwrap_or(99.0);
        assert!(took < 10.0, "{node}");
        assert!(node["probe"]["ago_seconds"].as_f64().unwrap() < 60.0, "{node}");
        assert!(node["bolt_busy"].is_number(), "{node}");
        assert_eq!(node["busy"].is_number(), node["fused_with"].is_null(), "{node}");
    }
    assert!(status["slowest_probe"]["node"].is_string(), "{status}");
    for nothing in ["*:bolt:*", "*:dead*", "fatigue-alerts"] {
        assert_eq!(keys(&running, nothing).await, [], "{nothing}");
    }
}

#[tokio::test]
async fn what_a_producer_sends_by_this_name_does_no_harm() {
    let running = Running::start().await;
    let mut ask = Pipeline::new();
    for _ in 0..5_000 {
        ask.cmd("XADD").arg("answers").arg("*").arg("tallyd:probe").arg("x".repeat(100));
    }
    // What says more is an event, or no event, as ever.
    ask.cmd("XADD").arg("answers").arg("*").arg("tallyd:probe").arg("x").arg("user").arg("u");
    ask.cmd("XADD").arg("answers").arg("*").arg("tallyd:probe").arg("x").arg("id").arg("a1");
    for (name, value) in [
        ("user", "u1"),
        ("question", "q9"),
        ("concept", "algebra"),
        ("correct", "1"),
        ("ms", "5300"),
        ("points", "4"),
        ("at", "2026-01-01T00:00:00Z"),
    ] {
        ask.arg(name).arg(value);
    }
    running.connection().await.all(&ask).await.unwrap();
    running.until("tallyd_events_in_total{node=\"points\"}", 1.0).await;
    running.until("tallyd_events_in_total{node=\"concepts\"}", 1.0).await;
    for node in NODES {
        let series = format!("tallyd_events_in_total{{node=\"{node}\"}}");
        assert!((running.value(&series).await - 1.0).abs() < 0.5, "{series}");
    }
    let missing = "tallyd_events_dead_lettered_total{node=\"answers\",reason=\"missing_field\"}";
    assert!((running.value(missing).await - 1.0).abs() < 0.5);
    // Those of one batch go on as one.
    assert!(came_through(&running, "unique").await < 1_000.0);
}
