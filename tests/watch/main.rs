//! What watches tallyd: the rules for Prometheus, the dashboards for Grafana, and the runbook. All
//! that they name is there, on a real redis-server and in a real Prometheus.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod deployed;
mod exposed;
mod probes;
mod prometheus;
mod query;

use deployed::{Asked, dashboards, rules, tests};
use exposed::{Exposed, Running};
use prometheus::Prometheus;
use query::{Selector, selectors};
use std::collections::{BTreeMap, BTreeSet};

/// What the sections of the runbook say, in this order.
const SAID: [&str; 4] = ["**Means:**", "**Users see:**", "**Look:**", "**do"];

#[test]
fn every_alert_has_a_section_in_the_runbook() {
    let page = include_str!("../../docs/operations.md");
    let mut sections = BTreeMap::new();
    for section in page.split("\n### ").skip(1) {
        let (title, text) = section.split_once('\n').unwrap();
        sections.insert(title, text.split("\n## ").next().unwrap());
    }
    let alerts: Vec<_> = rules().into_iter().filter(|rule| rule.alert.is_some()).collect();
    let named: BTreeSet<&str> = alerts.iter().filter_map(|rule| rule.alert.as_deref()).collect();
    let titled: BTreeSet<&str> = sections.keys().copied().collect();
    assert_eq!(named, titled, "left: alerts, right: sections of docs/operations.md");
    for alert in &alerts {
        let name = alert.alert.as_deref().unwrap();
        let anchor = format!("docs/operations.md#{}", name.to_lowercase());
        assert_eq!(alert.annotations["runbook_url"], anchor, "{name}");
        assert!(!alert.annotations["summary"].is_empty(), "{name}");
        let severity = alert.labels["severity"].as_str();
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        let text = sections[name].to_lowercase();
        let mut from = 0;
        for said in SAID.map(str::to_lowercase) {
            let at = text[from..].find(&said);
            from += at.unwrap_or_else(|| panic!("{name} does not say {said}")) + said.len();
        }
    }
}

#[test]
fn every_rule_is_tested_where_it_fires_and_where_it_is_quiet() {
    let (mut fires, mut quiet, mut recorded) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for test in tests() {
        for case in test.alert_rule_test {
            let of = if case.exp_alerts.is_empty() { &mut quiet } else { &mut fires };
            of.insert(case.alertname);
        }
        recorded.extend(test.promql_expr_test.into_iter().map(|case| case.expr));
    }
    let alerts: BTreeSet<String> = rules().into_iter().filter_map(|rule| rule.alert).collect();
    let records: BTreeSet<String> = rules().into_iter().filter_map(|rule| rule.record).collect();
    assert_eq!(fires, alerts, "left: a test in which it fires, right: all");
    assert_eq!(quiet, alerts, "left: a test in which it does not fire, right: all");
    assert_eq!(recorded, records, "left: a test of its value, right: all");
}

/// All that is asked, by where it stands.
fn all_asked() -> Vec<Asked> {
    let of_rule = |rule: deployed::Rule| Asked {
        place: rule.alert.or(rule.record).unwrap(),
        query: rule.expr,
        legend: String::new(),
    };
    rules().into_iter().map(of_rule).chain(dashboards()).collect()
}

/// What is wrong with what is asked, as far as the names go.
fn wrong(asked: &Asked, exposed: &Exposed) -> Vec<String> {
    let place = &asked.place;
    let mut wrong = Vec::new();
    for Selector { name, matchers, grouped_by } in selectors(&asked.query) {
        let Some(labels) = exposed.labels(&name) else {
            wrong.push(format!("{place}: nothing is called {name}"));
            continue;
        };
        for (label, values) in &matchers {
            if !labels.contains_key(label.as_str()) {
                wrong.push(format!("{place}: {name} has no label {label}"));
            }
            // What Prometheus itself puts on, and what is chosen in a dashboard, is any.
            let known = labels.get(label.as_str()).filter(|known| !known.is_empty());
            let Some(known) = known.filter(|_| *values != [".*"]) else { continue };
            let missing = values.iter().filter(|value| !known.contains(value.as_str()));
            wrong.extend(missing.map(|value| format!("{place}: no {name} of {label} {value}")));
        }
        let missing = grouped_by.iter().filter(|label| !labels.contains_key(label.as_str()));
        wrong.extend(missing.map(|label| format!("{place}: {name} has no label {label}")));
    }
    wrong
}

#[tokio::test]
async fn what_rules_and_dashboards_name_is_there_from_the_start() {
    let running = Running::start().await;
    let mut exposed = running.exposed().await;
    for rule in rules() {
        // A recorded series has the labels that its name begins with.
        if let Some(name) = rule.record {
            let level = name.split(':').next().unwrap();
            let labels = level.split('_').map(|label| (label.to_owned(), BTreeSet::new()));
            exposed.add(&name, labels.collect());
        }
    }
    let asked = all_asked();
    assert!(asked.len() > 60, "only {} queries found", asked.len());
    let wrong: Vec<String> = asked.iter().flat_map(|asked| wrong(asked, &exposed)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_prometheus_scrapes_workers_and_a_server_and_answers_every_query() {
    let Some(program) = prometheus::program() else { return };
    let mut running = Running::start().await;
    running.more_workers().await;
    let targets = running.targets();
    let prometheus = Prometheus::start(&program, &targets).await;
    prometheus.until(&format!("sum(up) == {}", targets.len())).await;
    // After a first look, so that `rate` sees what they add.
    running.send_events().await;
    prometheus.until("sum(tallyd_events_in_total{node=\"points\"}) == 20").await;
    prometheus.until("job_node:tallyd_events_in:rate5m{node=\"points\"} > 0").await;
    prometheus.until("sum(rate(tallyd_events_dead_lettered_total[5m])) > 0").await;
    prometheus.until("sum(tallyd_lag_seconds) == 0").await;
    prometheus.rules_are_healthy(rules().len()).await;
    for asked in all_asked() {
        for Selector { name, .. } in selectors(&asked.query) {
            assert!(!prometheus.ask(&name).await.is_empty(), "{}: no {name}", asked.place);
        }
        for series in prometheus.ask(&asked.query).await {
            for label in query::legend_labels(&asked.legend) {
                let found = series.contains_key(label);
                assert!(found, "{}: the legend names {label}, of {series:?}", asked.place);
            }
        }
    }
}
