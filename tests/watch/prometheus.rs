//! A real Prometheus with the rules of `deploy/prometheus/`.

use crate::{
    deployed::deploy,
    exposed::{PATIENCE, free_address, get},
};
use serde_json::Value;
use std::{collections::BTreeMap, env, path::PathBuf, process::Stdio, time::Duration};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// The program: what `PROMETHEUS` names, or the one on the PATH. `make test` installs it where it
/// can, so that it is only missing where somebody runs this test alone.
pub fn program() -> Option<PathBuf> {
    let named = env::var_os("PROMETHEUS").map(PathBuf::from);
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = || {
        let programs = env::split_paths(&folders).map(|folder| folder.join("prometheus"));
        programs.into_iter().find(|program| program.is_file())
    };
    let program = named.or_else(found);
    if program.is_none() {
        assert!(env::var_os("CI").is_none(), "prometheus is missing: scripts/setup.sh test");
        eprintln!("prometheus is not on the PATH: not tried (scripts/setup.sh test installs it)");
    }
    program
}

/// A running Prometheus. It is killed when this is dropped.
pub struct Prometheus {
    address: String,
    _process: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes these every second, and evaluates the rules as often.
    pub async fn start(program: &std::path::Path, targets: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let rules = deploy().join("prometheus/tallyd.rules.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: ['{}']\n\
             scrape_configs:\n\
             - job_name: tallyd\n  static_configs: [{{ targets: {targets:?} }}]\n",
            rules.display()
        );
        std::fs::write(&config, text).unwrap();
        let address = free_address();
        let data = folder.path().join("data");
        let process = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { address, _process: process, _folder: folder }
    }

    async fn data(&self, path: &str) -> Option<Value> {
        let answer: Value = serde_json::from_str(&get(&self.address, path).await?).ok()?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    async fn series(&self, query: &str) -> Option<Vec<BTreeMap<String, Value>>> {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let data = self.data(&format!("/api/v1/query?query={query}")).await?;
        let result = data["result"].as_array()?.iter();
        Some(
            result
                .map(|series| serde_json::from_value(series["metric"].clone()).unwrap())
                .collect(),
        )
    }

    /// The labels of each series that a query gives.
    pub async fn ask(&self, query: &str) -> Vec<BTreeMap<String, Value>> {
        self.series(query).await.unwrap_or_else(|| panic!("Prometheus refuses {query}"))
    }

    /// Waits until a query gives something.
    pub async fn until(&self, query: &str) {
        let began = Instant::now();
        while self.series(query).await.is_none_or(|found| found.is_empty()) {
            assert!(began.elapsed() < PATIENCE, "nothing gives {query}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// All rules are there, and none fails.
    pub async fn rules_are_healthy(&self, wanted: usize) {
        let data = self.data("/api/v1/rules").await.unwrap();
        let groups = data["groups"].as_array().unwrap().iter();
        let rules: Vec<&Value> =
            groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
        assert_eq!(rules.len(), wanted);
        for rule in rules {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
    }
}
