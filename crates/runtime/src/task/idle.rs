//! An idle task: it waits for entries, and is woken where its worker wants something of it.

use super::Task;
use crate::{
    store::{Commit, ErrorKind, Next, Outcome, Session, Store, StoreError, Wait, last},
    work::Work,
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long an idle task waits for an entry. Each wait that ends without one costs the server a
/// read for nothing.
const LONG_WAIT: Duration = Duration::from_secs(10);
/// The same where nobody can wake it: it has to look by itself whether it is wanted elsewhere.
const SHORT_WAIT: Duration = Duration::from_millis(100);
/// How often it is woken until it wakes: the server may hear that before it hears of the wait.
const WAKE_AGAIN: Duration = Duration::from_millis(20);
/// How long it may take to wake: else its connection is dead.
const WOKEN_WITHIN: Duration = Duration::from_secs(5);

impl<S: Store> Task<S> {
    /// Where the last read found nothing, the next one waits until there is something.
    pub(super) fn wait(&self, work: &Work, next: &Next, connection: Option<u64>) -> Option<Wait> {
        let nothing = work.is_empty() && !work.corrects();
        let waits = self.idle && nothing && matches!(next, Next::New { .. });
        let after = || self.cursors.keys().map(|p| (*p, last(&self.cursors, *p))).collect();
        let wakes = connection.is_some() && self.wakes;
        let at_most = if wakes { LONG_WAIT } else { SHORT_WAIT };
        waits.then(|| Wait { after: after(), at_most })
    }

    /// Sends a commit. One that waits is cut short as soon as something is wanted of the task.
    pub(super) async fn send(
        &mut self,
        session: &mut S::Session,
        commit: &Commit,
    ) -> Result<Outcome, StoreError> {
        let connection = session.connection().filter(|_| self.wakes && commit.wait.is_some());
        let Self { store, owned, options, wakes, .. } = self;
        let Some(connection) = connection else { return session.commit(owned, commit).await };
        let mut sent = std::pin::pin!(session.commit(owned, commit));
        tokio::select! {
            biased;
            outcome = &mut sent => return outcome,
            _ = options.wanted.changed() => options.wanted.mark_changed(),
        }
        let woken = Instant::now();
        while woken.elapsed() < WOKEN_WITHIN {
            // The commit goes on meanwhile: its answer may come before that to the waking.
            let wake = async {
                let woken = store.wake(connection).await;
                sleep(WAKE_AGAIN).await;
                woken
            };
            tokio::select! {
                biased;
                outcome = &mut sent => return outcome,
                woken = wake => *wakes &= !woken.is_err_and(|error| error.kind == ErrorKind::Auth),
            }
        }
        let limit = WOKEN_WITHIN.as_millis();
        let message = format!("no answer within {limit} ms of being woken");
        Err(StoreError::new(ErrorKind::Timeout, message))
    }
}
