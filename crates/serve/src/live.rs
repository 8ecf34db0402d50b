//! Answers that go on: Server-Sent Events.
//!
//! First comes the whole answer (`snapshot`), then what changed (`delta`). Each event carries an
//! id, a heartbeat too; whoever comes back with the last one goes on from there, or is told that it
//! can't (`reset`) and given the whole again. A client that reads slowly gets fewer, later
//! changes: what waits for it is never more than one answer.

use crate::{
    answer::Answer,
    app::App,
    delta,
    feed::{RATES, State, Watch},
    params::Params,
    problem::Problem,
    question::Question,
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long nothing may be sent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Updates a second where the client does not say.
const RATE: u64 = 4;

/// How a client wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Updates a second, at most.
    pub rate: u64,
    /// The id of the last event that it has.
    pub last: Option<String>,
}

impl Wanted {
    /// Takes it from the parameters and headers. The header wins: browsers send it when they come
    /// back by themselves, to an address that may hold an older id.
    ///
    /// # Errors
    /// Where a parameter can't be read.
    pub fn take(params: &mut Params, headers: &HeaderMap) -> Result<Self, Problem> {
        let rate = params.number("rate", RATES)?.unwrap_or(RATE);
        let given = params.text("last_event_id").map(|id| id.to_string());
        let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        Ok(Self { rate, last: header.map(ToOwned::to_owned).or(given) })
    }
}

/// The events of a question.
pub fn events(app: Arc<App>, question: Question, wanted: Wanted) -> Response {
    let watch = app.feeds.watch(&app, question, wanted.rate);
    let follower = Follower {
        watch,
        stop: app.stop.clone(),
        last: None,
        queue: VecDeque::from([retry(RETRY_MS)]),
        resume: wanted.last,
        heartbeat: Instant::now() + HEARTBEAT,
        has_ended: false,
    };
    let frames = stream::unfold(follower, |mut follower| async move {
        let frame = follower.next().await?;
        Some((Ok::<Bytes, Infallible>(frame), follower))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies that gather an answer before they pass it on would stop the clock.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

const RETRY_MS: u64 = 1000;
/// When the server ends, clients come back within so many ms, spread.
const SPREAD_MS: u64 = 5000;

/// One client.
struct Follower {
    watch: Watch,
    stop: CancellationToken,
    /// What the client has.
    last: Option<Arc<Answer>>,
    queue: VecDeque<Bytes>,
    /// The id that it came with.
    resume: Option<String>,
    heartbeat: Instant,
    has_ended: bool,
}

impl Follower {
    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.queue.pop_front() {
                self.heartbeat = Instant::now() + HEARTBEAT;
                return Some(frame);
            }
            if self.has_ended {
                return None;
            }
            let state = tokio::select! {
                () = self.stop.cancelled() => {
                    self.has_ended = true;
                    self.queue.push_back(retry(fastrand::u64(500..SPREAD_MS)));
                    continue;
                }
                () = sleep_until(self.heartbeat) => {
                    self.queue.push_back(frame("heartbeat", self.last.as_deref(), b"{}"));
                    continue;
                }
                changed = self.watch.state.changed() => {
                    changed.ok()?;
                    self.watch.state.borrow_and_update().clone()
                }
            };
            self.tell(state);
        }
    }

    fn tell(&mut self, state: State) {
        match state {
            State::Waiting => {}
            State::Problem(problem) => {
                let json = problem.json().to_string();
                self.queue.push_back(frame("problem", self.last.as_deref(), json.as_bytes()));
            }
            State::Now(update) => {
                let answer = &update.answer;
                if let Some(id) = self.resume.take() {
                    self.begin_again(&id, answer);
                }
                match (&self.last, &update.change) {
                    (Some(last), _) if last.tag == answer.tag => {}
                    (Some(last), Some((of, change))) if last.tag == *of => {
                        self.queue.push_back(frame("delta", Some(answer), change));
                    }
                    (Some(last), _) => {
                        let change = delta::between(last, answer);
                        self.queue.push_back(frame("delta", Some(answer), &change));
                    }
                    (None, _) => {
                        self.queue.push_back(frame("snapshot", Some(answer), &answer.body));
                    }
                }
                self.last = Some(Arc::clone(answer));
            }
        }
    }

    /// Goes on from what the client has, or says that this can't be.
    fn begin_again(&mut self, id: &str, now: &Arc<Answer>) {
        let tag = u64::from_str_radix(id, 16).ok();
        let had = tag.and_then(|tag| match now.tag == tag {
            true => Some(Arc::clone(now)),
            false => self.watch.past(tag),
        });
        match had {
            Some(had) => {
                let json = format!("{{\"from\":\"{:016x}\"}}", had.tag);
                self.queue.push_back(frame("resumed", Some(&had), json.as_bytes()));
                self.last = Some(had);
            }
            None => {
                let json = b"{\"reason\":\"what came since is not known any more\"}";
                self.queue.push_back(frame("reset", None, json));
            }
        }
    }
}

fn retry(ms: u64) -> Bytes {
    format!("retry: {ms}\n\n").into()
}

fn frame(event: &str, of: Option<&Answer>, data: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(data.len() + 64);
    frame.extend(format!("event: {event}\n").bytes());
    if let Some(answer) = of {
        frame.extend(format!("id: {:016x}\n", answer.tag).bytes());
    }
    frame.extend(b"data: ");
    // JSON on one line: serde_json writes no line break.
    frame.extend(data);
    frame.extend(b"\n\n");
    frame.into()
}
