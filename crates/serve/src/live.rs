//! Answers that go on: Server-Sent Events.
//!
//! First comes the whole answer (`snapshot`), then what changed (`delta`). Each event carries an
//! id, a heartbeat too; whoever comes back with the last one goes on from there, or is told that it
//! can't (`reset`) and given the whole again. A client that reads slowly gets fewer, later
//! changes: what waits for it is never more than one answer.

use crate::{
    access::Caller,
    answer::Answer,
    app::App,
    delta,
    feed::{RATES, State, Watch},
    params::Params,
    problem::{Code, Problem},
    question::Question,
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use std::{
    collections::VecDeque, convert::Infallible, future::pending, pin::Pin, sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// How long nothing may be sent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Updates a second where the client does not say.
const RATE: u64 = 4;

/// The name of the events that say what changed.
const DELTA: &str = "delta";

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

/// One event, however it is sent.
#[derive(Clone, Debug)]
pub struct Event {
    /// What it is: `snapshot`, `delta`, `heartbeat`, `problem`, `resumed` or `reset`.
    pub name: &'static str,
    /// What the client has after it, in 16 hex digits.
    pub id: Option<u64>,
    /// JSON on one line.
    pub data: Bytes,
    /// The same as Server-Sent Events write it, where that was written for all who watch.
    pub frame: Option<Bytes>,
}

/// The events of a question.
///
/// # Errors
/// Where too many questions are watched.
pub fn events(
    app: &Arc<App>,
    question: Question,
    wanted: Wanted,
    caller: &Caller,
) -> Result<Response, Problem> {
    let begin = Bytes::from(format!("retry: {RETRY_MS}\n\n"));
    let follower = Follower::new(app, question, wanted, caller)?;
    let frames = stream::unfold((Some(begin), follower), |(begin, mut follower)| async move {
        let frame = match begin {
            Some(begin) => begin,
            None => match follower.next().await {
                Some(event) => event.into_frame(),
                None => follower.last_words()?,
            },
        };
        Some((Ok::<Bytes, Infallible>(frame), (None, follower)))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies that gather an answer before they pass it on would stop the clock.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(frames)).into_response())
}

const RETRY_MS: u64 = 1000;
/// When the server ends, clients come back within so many ms, spread.
const SPREAD_MS: u64 = 5000;

/// One client's view of a question. There may be very many: what each waits for is made once, and
/// not again for each event.
pub struct Follower {
    watch: Watch,
    /// Until the caller's token ends.
    until: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    /// What the client has.
    last: Option<Arc<Answer>>,
    queue: VecDeque<Event>,
    /// The id that it came with.
    resume: Option<String>,
    /// It was told that there is no answer.
    is_without: bool,
    /// When it was told something last.
    told: Instant,
    /// Until it is looked whether that is too long ago.
    heartbeat: Pin<Box<Sleep>>,
    /// What is left to say when it has ended.
    last_words: Option<Bytes>,
}

impl Follower {
    /// Begins to follow, until the caller's token ends.
    ///
    /// # Errors
    /// Where too many questions are watched, by all or by this caller.
    pub fn new(
        app: &Arc<App>,
        question: Question,
        wanted: Wanted,
        caller: &Caller,
    ) -> Result<Self, Problem> {
        let spread = fastrand::u64(500..SPREAD_MS);
        Ok(Self {
            watch: app.feeds.watch(app, question, wanted.rate, &caller.subject)?,
            until: caller.until.map(|until| Box::pin(sleep_until(until))),
            has_ended: false,
            stop: Box::pin(app.stop.clone().cancelled_owned()),
            last: None,
            queue: VecDeque::new(),
            resume: wanted.last,
            is_without: false,
            told: Instant::now(),
            heartbeat: Box::pin(sleep_until(Instant::now() + HEARTBEAT)),
            last_words: Some(format!("retry: {spread}\n\n").into()),
        })
    }

    /// The next event; `None` when the server ends.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                self.told = Instant::now();
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            let until = self.until.as_mut();
            let expired = async {
                match until {
                    Some(until) => until.await,
                    None => pending().await,
                }
            };
            let state = tokio::select! {
                () = &mut self.stop => return None,
                () = expired => {
                    self.has_ended = true;
                    let problem = Problem::new(Code::Unauthorized, "the token has expired");
                    self.push("problem", problem.json().to_string().into());
                    continue;
                }
                () = &mut self.heartbeat => {
                    if self.told.elapsed() >= HEARTBEAT {
                        self.told = Instant::now();
                        self.push("heartbeat", Bytes::from_static(b"{}"));
                    }
                    self.heartbeat.as_mut().reset(self.told + HEARTBEAT);
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

    /// What is said once at the end: when to come back.
    fn last_words(&mut self) -> Option<Bytes> {
        self.last_words.take()
    }

    /// An event that says what the client has now.
    fn push(&mut self, name: &'static str, data: Bytes) {
        let id = self.last.as_ref().map(|last| last.tag);
        self.queue.push_back(Event { name, id, data, frame: None });
    }

    fn tell(&mut self, state: State) {
        match state {
            State::Waiting => {}
            State::Problem(problem) => {
                self.is_without = true;
                self.push("problem", problem.json().to_string().into());
            }
            State::Now(update) => {
                let answer = &update.answer;
                if let Some(id) = self.resume.take() {
                    self.begin_again(&id, answer);
                }
                let was_without = std::mem::take(&mut self.is_without);
                let news = match (&self.last, &update.change) {
                    // All is as it was: it may only be said that there is an answer again.
                    (Some(last), _) if last.tag == answer.tag => {
                        let from = format!("{{\"from\":\"{:016x}\"}}", last.tag);
                        was_without.then(|| ("resumed", from.into()))
                    }
                    (Some(last), Some((of, event))) if last.tag == *of => {
                        self.queue.push_back(event.clone());
                        None
                    }
                    (Some(last), _) => Some((DELTA, delta::between(last, answer))),
                    (None, _) => Some(("snapshot", answer.body.clone())),
                };
                self.last = Some(Arc::clone(answer));
                if let Some((name, data)) = news {
                    self.push(name, data);
                }
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
                let from = format!("{{\"from\":\"{:016x}\"}}", had.tag);
                self.last = Some(had);
                self.push("resumed", from.into());
            }
            None => {
                let why = b"{\"reason\":\"what came since is not known any more\"}";
                self.push("reset", Bytes::from_static(why));
            }
        }
    }
}

impl Event {
    /// What changed, for all who have the answer before: written once.
    #[must_use]
    pub fn delta(id: u64, data: Bytes) -> Self {
        let event = Self { name: DELTA, id: Some(id), data, frame: None };
        Self { frame: Some(event.clone().into_frame()), ..event }
    }

    /// As Server-Sent Events write it.
    fn into_frame(self) -> Bytes {
        let Self { name, id, data, frame } = self;
        if let Some(frame) = frame {
            return frame;
        }
        let mut frame = Vec::with_capacity(data.len() + 64);
        frame.extend(format!("event: {name}\n").bytes());
        if let Some(id) = id {
            frame.extend(format!("id: {id:016x}\n").bytes());
        }
        frame.extend(b"data: ");
        // JSON on one line: serde_json writes no line break.
        frame.extend_from_slice(&data);
        frame.extend(b"\n\n");
        frame.into()
    }
}
