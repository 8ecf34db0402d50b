//! What stands in `deploy/`: rules, their tests, and dashboards.

use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What a dashboard's variables stand for where its queries are tried.
const VARIABLES: &[(&str, &str)] =
    &[("$__rate_interval", "5m"), ("$job", "tallyd"), ("$node", ".*")];

/// A rule of `tallyd.rules.yml`: either an alert or a recorded series.
#[derive(Debug, Deserialize)]
pub struct Rule {
    pub alert: Option<String>,
    pub record: Option<String>,
    pub expr: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

/// A test of `tallyd.test.yml`.
#[derive(Deserialize)]
pub struct RuleTest {
    #[serde(default)]
    pub alert_rule_test: Vec<AlertCase>,
    #[serde(default)]
    pub promql_expr_test: Vec<ExprCase>,
}

/// A time at which an alert fires, or does not.
#[derive(Deserialize)]
pub struct AlertCase {
    pub alertname: String,
    pub exp_alerts: Vec<serde_json::Value>,
}

/// A time at which an expression has a value.
#[derive(Deserialize)]
pub struct ExprCase {
    pub expr: String,
}

#[derive(Deserialize)]
struct Tests {
    tests: Vec<RuleTest>,
}

/// What asks Prometheus.
pub struct Asked {
    /// The rule, or the dashboard and its panel.
    pub place: String,
    pub query: String,
    /// What a dashboard writes at each series.
    pub legend: String,
}

/// The folder `deploy/`.
pub fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("deploy")
}

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let text = fs::read_to_string(deploy().join("prometheus").join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The rules.
pub fn rules() -> Vec<Rule> {
    let rules: Rules = read("tallyd.rules.yml");
    let rules: Vec<Rule> = rules.groups.into_iter().flat_map(|group| group.rules).collect();
    assert!(rules.len() > 30, "only {} rules found", rules.len());
    rules
}

/// Their tests.
pub fn tests() -> Vec<RuleTest> {
    read::<Tests>("tallyd.test.yml").tests
}

/// The queries of all dashboards, and of their variables.
pub fn dashboards() -> Vec<Asked> {
    let mut asked = Vec::new();
    for entry in fs::read_dir(deploy().join("grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            let place = format!("{name}: {title}");
            let none = Vec::new();
            let targets = panel["targets"].as_array().unwrap_or(&none);
            assert!(panel["type"] == "row" || !targets.is_empty(), "{place} asks nothing");
            for target in targets {
                let text = |key: &str| target[key].as_str().unwrap_or_default();
                let (query, legend) = (filled(text("expr"), &place), text("legendFormat"));
                asked.push(Asked { place: place.clone(), query, legend: legend.to_owned() });
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let Some(query) = variable["query"]["query"].as_str() else { continue };
            asked.push(of_variable(&name, query));
        }
    }
    asked
}

/// `label_values(series, label)` lists the values of a label: the series must have it.
fn of_variable(dashboard: &str, query: &str) -> Asked {
    let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (series, label) = inside.unwrap().rsplit_once(", ").unwrap();
    let place = format!("{dashboard}: {query}");
    let query = filled(&format!("count by ({label}) ({series})"), &place);
    Asked { place, query, legend: String::new() }
}

fn filled(query: &str, place: &str) -> String {
    let mut query = query.to_owned();
    for (variable, value) in VARIABLES {
        query = query.replace(variable, value);
    }
    assert!(!query.contains('$'), "{place} has a variable that no test knows: {query}");
    query
}
