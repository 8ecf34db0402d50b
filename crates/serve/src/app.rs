//! What all requests share: the topology, connections, and what was read a moment ago.

use crate::{
    answer::{Answer, read},
    feed::Feeds,
    limit::Limit,
    operate::LastStatus,
    problem::Problem,
    question::Question,
    token::Tokens,
};
use axum::body::Bytes;
use moka::future::Cache;
use serde_json::Value;
use smol_str::SmolStr;
use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tallyd_query::{Client, Head, QueryError, Readers, catalog, head, status::gaps};
use tallyd_runtime::plan::Plan;
use tallyd_store::{Connection, keys::Keys, plan};
use tallyd_topology::{BoltOptions, Node, RedisAddress, Topology};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// How old an answer may be: it bounds how often Redis is read, however many ask.
const FRESH: Duration = Duration::from_millis(20);
/// How many plans are kept: mostly one is in force.
const PLANS: u64 = 2;
/// How much memory kept answers take, in bytes.
const KEPT: u64 = 64 << 20;

/// What all requests share.
pub struct App {
    /// The topology.
    pub topology: Topology,
    /// Its keys.
    pub keys: Keys,
    /// The fields that name members and learners.
    pub member_fields: BTreeSet<SmolStr>,
    /// The ways to those servers that are read.
    pub readers: Readers,
    /// Where the primary is, for who needs a connection alone.
    pub address: RedisAddress,
    /// The way to the primary for what is sent. A server that pauses writes keeps no reader waiting.
    pub writers: Client,
    /// Who may ask.
    pub tokens: Tokens,
    /// How often; `None`: as often as they like.
    pub limit: Option<Limit>,
    /// The origins whose pages may ask.
    pub origins: Vec<String>,
    /// Ends what is open.
    pub stop: CancellationToken,
    /// What is watched.
    pub feeds: Feeds,
    /// The state that was read last, for operators.
    pub status: Mutex<LastStatus>,
    /// What can be asked, for programs; made when it is asked for first.
    pub description: OnceLock<Bytes>,
    /// By the turn of `readers` and the bolt: what one server says is not said of another.
    heads: Cache<(u64, SmolStr), Head>,
    answers: Cache<Question, Arc<Answer>>,
    /// The plans in force, by generation.
    plans: Cache<SmolStr, Arc<Plan>>,
}

impl App {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(
        topology: Topology,
        address: RedisAddress,
        (readers, writers): (Readers, Client),
        tokens: Tokens,
        limit: Option<Limit>,
        origins: Vec<String>,
        stop: CancellationToken,
    ) -> Self {
        let keys = Keys::new(&topology.name, 0);
        // The text once, and its rows as values, which take some times as much.
        let bytes = |answer: &Answer| u32::try_from(answer.body.len() * 8).unwrap_or(u32::MAX);
        let answers = Cache::builder().time_to_live(FRESH).max_capacity(KEPT);
        let answers = answers.weigher(move |_, answer: &Arc<Answer>| bytes(answer)).build();
        let heads = Cache::builder().time_to_live(FRESH).build();
        let plans = Cache::new(PLANS);
        let member_fields = member_fields(&topology);
        let (feeds, status) = (Feeds::default(), Mutex::default());
        Self {
            topology,
            keys,
            member_fields,
            readers,
            address,
            writers,
            tokens,
            limit,
            origins,
            stop,
            feeds,
            status,
            description: OnceLock::new(),
            heads,
            answers,
            plans,
        }
    }

    /// The answer to a question, as it was at most a few milliseconds ago. Those who ask the same
    /// at the same time wait for one reading.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn answer(&self, question: &Question) -> Result<Arc<Answer>, Problem> {
        if let Some(answer) = self.answers.get(question).await {
            return Ok(answer);
        }
        let reading = async { read(self, question).await.map(Arc::new) };
        let answer = self.answers.try_get_with_by_ref(question, reading).await;
        answer.map_err(|problem: Arc<Problem>| Problem::clone(&problem))
    }

    /// How far a bolt is, as it was at most a few milliseconds ago.
    ///
    /// # Errors
    /// Where Redis can't be read.
    pub async fn head(&self, bolt: &str) -> Result<Head, Problem> {
        let turn = self.readers.turn();
        match self.head_of(turn, bolt).await {
            // A replica failed, and another server is read now.
            Err(_) if self.readers.turn() != turn => self.head_of(self.readers.turn(), bolt).await,
            head => head,
        }
    }

    async fn head_of(&self, turn: u64, bolt: &str) -> Result<Head, Problem> {
        let reading = async {
            let ask = async |c: &mut Connection| head(c, &self.keys, bolt).await;
            self.readers.read(ask).await.map_err(Problem::from)
        };
        let head = self.heads.try_get_with((turn, bolt.into()), reading).await;
        head.map_err(|problem: Arc<Problem>| Problem::clone(&problem))
    }

    /// What a bolt missed, as JSON. The plan is read once for each generation of it.
    ///
    /// # Errors
    /// Where Redis can't be read.
    pub async fn gaps(&self, generation: &SmolStr, bolt: &str) -> Result<Value, Problem> {
        let reading = async {
            let ask = async |c: &mut Connection| {
                plan::read(c, &self.keys).await.map_err(QueryError::from)
            };
            Ok::<_, Problem>(Arc::new(self.readers.read(ask).await?.unwrap_or_default()))
        };
        let plan = self.plans.try_get_with_by_ref(generation, reading).await;
        let plan = plan.map_err(|problem: Arc<Problem>| Problem::clone(&problem))?;
        Ok(serde_json::json!(gaps(plan.gaps_of(bolt))))
    }
}

/// The fields that name members and learners. Of the members of boards those that events are keyed
/// by: a board of classes has members too, but nobody is one.
fn member_fields(topology: &Topology) -> BTreeSet<SmolStr> {
    let key_of = |node: &Node| {
        let key = node.schema.key.and_then(|place| node.schema.fields.get(place));
        key.map(|field| field.name.clone())
    };
    let keys: BTreeSet<SmolStr> = topology.nodes.iter().filter_map(key_of).collect();
    let field = |(_, options): (&str, &dyn BoltOptions)| {
        let field = options.about()?.name.clone();
        let is_board = catalog::as_leaderboard(options).is_some();
        (!is_board || keys.contains(&field)).then_some(field)
    };
    catalog::bolts(topology, Some).into_iter().filter_map(field).collect()
}
