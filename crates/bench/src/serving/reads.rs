//! The first ten of a board by HTTP, compared with webdis reading the same sorted set, and with the
//! bare command.

use super::{
    flood::{Flood, HTTP, RESP, get},
    live,
    programs::{self, Program},
};
use crate::{
    BenchError,
    contender::Contender,
    figures::Figures,
    outcome,
    run::{self, Setting},
    server::Private,
    workload::{Workload, WorkloadOptions},
};
use serde_json::Value;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;

/// How many boards there are besides that of everyone. So many that none is asked for again
/// while the answer before is kept (20 ms).
const BOARDS: u32 = 2_000;
/// How many learners answer: 20 on each of these boards.
const LEARNERS: u32 = 20 * BOARDS;
/// How many connections ask.
const CONNECTIONS: usize = 64;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// tallyd, for the board of everyone.
    TallydHot,
    /// webdis, for the same sorted set.
    WebdisHot,
    /// tallyd, each time for another board.
    TallydCold,
    /// Redis itself, by its protocol, each time for another sorted set.
    BareCold,
}

/// All, in the order in which they take turns.
pub const ALL: [Asked; 4] =
    [Asked::TallydHot, Asked::WebdisHot, Asked::TallydCold, Asked::BareCold];

impl Asked {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TallydHot => "tallyd, one board",
            Self::WebdisHot => "webdis, one board",
            Self::TallydCold => "tallyd, each time another board",
            Self::BareCold => "bare command, each time another board",
        }
    }
}

/// Boards, and the programs that read them.
pub struct Stage {
    server: Private,
    serve: Program,
    webdis: Option<Program>,
    _folder: TempDir,
}

impl Stage {
    /// Lets a worker fill boards, and starts the programs.
    ///
    /// # Errors
    /// Where one fails, or their answers differ.
    pub async fn start(setting: &Setting<'_>) -> Result<Self, BenchError> {
        let options = WorkloadOptions {
            events: LEARNERS as usize * 8,
            learners: LEARNERS,
            classes: BOARDS,
            skew: 0.0,
            ..*setting.options
        };
        let workload = Workload::new(&options);
        let filling =
            Setting { options: &options, workload: &workload, checked: false, ..*setting };
        let mut server = Private::start(setting.aof).await?;
        run::run_on(&mut server, Contender::TallydBatch, &filling).await?;
        let serve = live::serve(setting, &server).await?;
        let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
        let webdis = programs::webdis(server.address, folder.path()).await?;
        let stage = Self { server, serve, webdis, _folder: folder };
        stage.compare().await?;
        Ok(stage)
    }

    /// Whether webdis is there.
    #[must_use]
    pub fn has_webdis(&self) -> bool {
        self.webdis.is_some()
    }

    /// Asks for so long; `None` where whoever is to be asked is not there.
    ///
    /// # Errors
    /// Where an answer fails.
    pub async fn ask(
        &mut self,
        asked: Asked,
        time: Duration,
    ) -> Result<Option<Figures>, BenchError> {
        let Some(flood) = self.flood(asked) else { return Ok(None) };
        let (before, cpu_before) = (self.server.snapshot().await?, self.cpu(asked)?);
        let flooded = flood.run(time).await?;
        let cpu = self.cpu(asked)? - cpu_before;
        let costs = self.server.snapshot().await?.since(&before)?;
        let requests = flooded.answered.max(1) as f64;
        let mut figures = Figures::default();
        figures.set("requests_per_second", requests / flooded.took.as_secs_f64());
        figures.set("redis_cpu_us", costs.main_thread / requests);
        figures.set("redis_commands", costs.commands / requests);
        figures.set("server_cpu_us", cpu / requests);
        figures.set("client_cpu_us", flooded.cpu / requests);
        figures.set("p50_ms", flooded.delays.quantile(0.5));
        figures.set("p99_ms", flooded.delays.quantile(0.99));
        Ok(Some(figures))
    }

    /// Ends the programs.
    ///
    /// # Errors
    /// Where one can't be ended.
    pub async fn stop(self) -> Result<(), BenchError> {
        if let Some(webdis) = self.webdis {
            webdis.stop().await?;
        }
        self.serve.stop().await
    }

    fn cpu(&self, asked: Asked) -> Result<f64, BenchError> {
        match (asked, &self.webdis) {
            (Asked::TallydHot | Asked::TallydCold, _) => self.serve.cpu(),
            (Asked::WebdisHot, Some(webdis)) => webdis.cpu(),
            (Asked::WebdisHot, None) | (Asked::BareCold, _) => Ok(0.0),
        }
    }

    fn flood(&self, asked: Asked) -> Option<Flood> {
        let board = "/v1/boards/points?period=all&limit=10";
        let boards = 0..BOARDS;
        let (address, end, requests): (SocketAddr, _, Vec<Vec<u8>>) = match asked {
            Asked::TallydHot => (self.serve.address, HTTP, vec![get(board)]),
            Asked::TallydCold => {
                let path = |class| get(&format!("{board}&by.class=c{class}"));
                (self.serve.address, HTTP, boards.map(path).collect())
            }
            Asked::WebdisHot => {
                let path = format!("/ZREVRANGE/{}/0/9/WITHSCORES", encoded(outcome::EVERYONE));
                (self.webdis.as_ref()?.address, HTTP, vec![get(&path)])
            }
            Asked::BareCold => {
                let command = |class| bare(&of_class(class));
                (self.server.address, RESP, boards.map(command).collect())
            }
        };
        Some(Flood { address, requests: Arc::new(requests), end, connections: CONNECTIONS })
    }

    /// All must answer with the same members in the same order.
    async fn compare(&self) -> Result<(), BenchError> {
        let answer = async |asked| match self.flood(asked) {
            Some(flood) => flood.one().await.map(Some),
            None => Ok(None),
        };
        let tallyd = members(&answer(Asked::TallydCold).await?.unwrap_or_default());
        let bare = answer(Asked::BareCold).await?.unwrap_or_default();
        let bare: Vec<String> = String::from_utf8_lossy(&bare)
            .lines()
            .filter(|line| line.starts_with('u'))
            .map(ToOwned::to_owned)
            .collect();
        equal("the first ten of a class", &tallyd, &bare)?;
        let tallyd = members(&answer(Asked::TallydHot).await?.unwrap_or_default());
        match answer(Asked::WebdisHot).await? {
            Some(webdis) => equal("the first ten of everyone", &tallyd, &members(&webdis)),
            None => Ok(()),
        }
    }
}

/// The members in the body of an answer, by tallyd or webdis.
fn members(answer: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answer);
    let (_, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let rows = json.get("rows").or_else(|| json.get("ZREVRANGE"));
    let rows = rows.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let member = |row: &Value| match row.get("member") {
        Some(member) => member.as_str().map(ToOwned::to_owned),
        // webdis gives members and scores in turn.
        None => row.as_str().filter(|text| text.starts_with('u')).map(ToOwned::to_owned),
    };
    rows.iter().filter_map(member).collect()
}

fn equal(what: &str, tallyd: &[String], other: &[String]) -> Result<(), BenchError> {
    if tallyd.len() == 10 && tallyd == other {
        return Ok(());
    }
    let same = tallyd.iter().zip(other).filter(|(one, other)| one == other).count();
    Err(BenchError::Differs {
        contender: "tallyd serve".to_owned(),
        what: format!("{what}, of which the same are read elsewhere,"),
        expected: 10,
        found: i64::try_from(same).unwrap_or(0),
    })
}

fn of_class(class: u32) -> String {
    outcome::EVERYONE.replace("everyone", &format!("class=c{class}"))
}

fn bare(key: &str) -> Vec<u8> {
    let words = ["ZREVRANGE", key, "0", "9", "WITHSCORES"];
    let words = words.map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*5\r\n{}", words.concat()).into_bytes()
}

/// A key as a part of a path.
fn encoded(key: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    key.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_of_either_answer() {
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes();
        let tallyd = answer(r#"{"size":2,"rows":[{"member":"u7","score":9},{"member":"u9"}]}"#);
        let webdis = answer(r#"{"ZREVRANGE":["u7","9.5","u9","4"]}"#);
        assert_eq!(members(&tallyd), ["u7", "u9"]);
        assert_eq!(members(&tallyd), members(&webdis));
        assert!(equal("x", &members(&tallyd), &members(&webdis)).is_err(), "fewer than ten");
        assert_eq!(encoded("a:{b/0}="), "a%3A%7Bb%2F0%7D%3D");
    }
}
