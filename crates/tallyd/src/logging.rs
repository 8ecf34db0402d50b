//! Structured logs on standard error: lines for people on a terminal, JSON for machines.
//!
//! A thread of its own writes them. A full disk, or a reader that ended or reads no more, costs log
//! lines and nothing else: they are counted, and the next line that can be written says so.

mod filter;

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};
use tallyd_runtime::telemetry;
use tracing_subscriber::{fmt, fmt::MakeWriter};

/// How many lines may wait for the reader of the log.
const WAITING: usize = 4096;
/// How long a worker that ends waits for the reader of the log.
const PATIENCE: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    /// Everything before it is to be written now: the end waits for the answer.
    End(SyncSender<()>),
}

/// Takes lines from wherever they are logged, without ever waiting.
#[derive(Clone)]
struct Lines {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

/// Writes what is still waiting when it is dropped.
pub struct Logs(SyncSender<Message>);

/// Starts logging. `TALLYD_LOG` sets what is logged, such as `debug` or `tallyd_runtime=debug`.
///
/// # Errors
/// Where the system gives no thread.
pub fn start() -> io::Result<Logs> {
    let (lines, logs) = lines_to(io::stderr(), WAITING)?;
    let asked = std::env::var(filter::VARIABLE).unwrap_or_default();
    let (filter, mistakes) = filter::read(&asked);
    let form = fmt().with_env_filter(filter).with_writer(lines).with_target(false);
    if io::stderr().is_terminal() {
        form.init();
    } else {
        form.json().flatten_event(true).init();
    }
    for mistake in mistakes {
        tracing::warn!("{mistake}");
    }
    Ok(logs)
}

fn lines_to(to: impl Write + Send + 'static, waiting: usize) -> io::Result<(Lines, Logs)> {
    let (sender, receiver) = sync_channel(waiting);
    let lines = Lines { sender: sender.clone(), lost: Arc::default() };
    let lost = Arc::clone(&lines.lost);
    thread::Builder::new().name("log".into()).spawn(move || write_all(to, &receiver, &lost))?;
    Ok((lines, Logs(sender)))
}

/// Writes lines for as long as the process lives.
fn write_all(mut to: impl Write, lines: &Receiver<Message>, lost: &AtomicU64) {
    // A line that was cut off in the middle is ended before the next one begins.
    let mut torn = false;
    for message in lines {
        match message {
            Message::Line(line) => {
                if write_line(&mut to, &line, &mut torn).is_err() {
                    lose(lost);
                } else {
                    let lost = lost.swap(0, Ordering::Relaxed);
                    if lost > 0 {
                        tracing::warn!(lost, "log lines are lost: they could not be written");
                    }
                }
            }
            // Where it waits no more, nobody is left to tell.
            Message::End(written) => drop(written.send(())),
        }
    }
}

fn write_line(to: &mut impl Write, line: &[u8], torn: &mut bool) -> io::Result<()> {
    if *torn {
        write_whole(to, b"\n", torn)?;
    }
    write_whole(to, line, torn)
}

fn write_whole(to: &mut impl Write, mut rest: &[u8], torn: &mut bool) -> io::Result<()> {
    while !rest.is_empty() {
        match to.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                rest = rest.get(written..).unwrap_or_default();
                *torn = !rest.is_empty();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn lose(lost: &AtomicU64) {
    lost.fetch_add(1, Ordering::Relaxed);
    telemetry::log_line_lost();
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Lines;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Lines {
    /// Takes one line: the subscriber formats an event whole before it writes it. Never fails,
    /// because the subscriber would report that on standard error, and panic where that fails.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Message::Line(line.to_vec())).is_err() {
            lose(&self.lost);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let (written, answer) = sync_channel(1);
        // Where the reader of the log does not read, its lines are lost with the process.
        if self.0.try_send(Message::End(written)).is_ok() {
            let _ = answer.recv_timeout(PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::VecDeque, sync::Mutex};

    /// Takes so many bytes of each write, or none with an error.
    #[derive(Clone, Default)]
    struct Disk {
        takes: Arc<Mutex<VecDeque<Option<usize>>>>,
        holds: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let takes = self.takes.lock().unwrap().pop_front().unwrap_or(Some(usize::MAX));
            let taken = takes.ok_or(io::ErrorKind::StorageFull)?.min(bytes.len());
            self.holds.lock().unwrap().extend(bytes.get(..taken).unwrap());
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(takes: &[Option<usize>], lines: &[&str]) -> (String, u64) {
        let disk = Disk::default();
        disk.takes.lock().unwrap().extend(takes);
        let (sink, logs) = lines_to(disk.clone(), 8).unwrap();
        for line in lines {
            (&sink).write_all(line.as_bytes()).unwrap();
        }
        drop(logs);
        let held = String::from_utf8(disk.holds.lock().unwrap().clone()).unwrap();
        (held, sink.lost.load(Ordering::Relaxed))
    }

    #[test]
    fn a_line_that_cant_be_written_is_counted_and_the_next_one_begins_on_a_line_of_its_own() {
        assert_eq!(written(&[], &["a\n", "b\n"]), ("a\nb\n".into(), 0));
        assert_eq!(written(&[None, None], &["a\n", "b\n"]), (String::new(), 2));
        // Cut off after two bytes, lost, and then there is room again: what was lost is said.
        assert_eq!(written(&[Some(2), None], &["abc\n", "d\n"]), ("ab\nd\n".into(), 0));
        assert_eq!(written(&[Some(1), Some(1)], &["abc\n"]), ("abc\n".into(), 0));
    }

    #[test]
    fn a_reader_that_reads_no_more_holds_nobody_up() {
        /// Blocks until the test lets go.
        struct Stuck(Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (let_go, stuck) = sync_channel::<()>(0);
        let (lines, _logs) = lines_to(Stuck(stuck), 2).unwrap();
        for _ in 0..10 {
            (&lines).write_all(b"line\n").unwrap();
        }
        // One is being written at most, and two wait.
        assert!(lines.lost.load(Ordering::Relaxed) >= 7);
        drop(let_go);
    }
}
