//! What is taken off the queue for one batch.

use super::{EditWork, Queue, StageWork, Work, edit_of, entry_bytes};
use crate::{context::Context, store::Cursors};
use tallyd_event::mark;

/// The most bytes of entries in one commit.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// Takes entries off the queue until the batch holds `max_events` events: at least one entry.
///
/// An entry at or below its partition's cursor is acknowledged and skipped: its effects are in.
/// `read_at` is the server's clock at the last read, which bounds when the entries of a source
/// arrived.
#[must_use]
pub fn take(
    context: &Context,
    queue: &mut Queue,
    cursors: &Cursors,
    max_events: usize,
    read_at: i64,
) -> Work {
    let mut work = Work::default();
    work.stages.resize_with(context.stages.len(), StageWork::default);
    let (mut events, mut bytes, mut newest) = (0, 0, None);
    while let Some((partition, entry)) = queue.pop_front() {
        let cursor = crate::store::last(cursors, partition);
        let done = work.last.get(&partition).copied().unwrap_or(cursor);
        let edit = edit_of(context.reads_source(), &entry).filter(|_| entry.id > done);
        if edit.is_some() && !work.is_empty() {
            // It is a batch of its own, the next one.
            queue.push_front((partition, entry));
            break;
        }
        work.acks.entry(partition).or_default().push(entry.id);
        if entry.id <= done {
            continue;
        }
        if let Some(mut edit) = edit {
            if let Some(scope) = edit.scope.as_mut().filter(|_| context.reads_source()) {
                scope.at = entry.id;
            }
            work.edit = Some(EditWork::new(partition, edit, context.stages.len()));
            work.last.insert(partition, entry.id);
            *work.read.entry(partition).or_default() += 1;
            newest = Some(entry);
            break;
        }
        bytes += entry_bytes(&entry);
        events += work.decode(context, partition, &entry, read_at);
        work.last.insert(partition, entry.id);
        *work.read.entry(partition).or_default() += 1;
        newest = Some(entry);
        if events >= max_events || bytes >= MAX_BATCH_BYTES {
            break;
        }
    }
    // One that was deleted while it was pending is not known.
    let known = newest.filter(|entry| context.reads_source() && !entry.fields.is_empty());
    work.mark = known.map_or(0, |entry| mark(&entry.fields));
    work
}
