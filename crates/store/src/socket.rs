//! A plain socket to a server, driven by the task that uses it: commands out, replies in, nothing
//! between.

use crate::wire::{Entries, Parser};
use redis::{Pipeline, RedisError, Value};
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How large the buffer of what was received is at first.
const FIRST: usize = 64 * 1024;

/// How little room is worth a read.
const LEAST: usize = 16 * 1024;

/// How much room a buffer always keeps.
const KEPT: usize = 256 * 1024;

/// A buffer gives its room back once it is so many times what was needed of late.
const SPARE: usize = 4;

/// What was needed of late shrinks by one part in so many with each round trip.
const FORGETS: usize = 64;

/// TCP or unix, or what a test puts in their place.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A socket, and what is on its way.
pub(crate) struct Socket {
    stream: Box<dyn Stream>,
    parser: Parser,
    /// The commands of this round trip.
    commands: Vec<u8>,
    /// How many bytes of commands were sent at once of late.
    asked: Recent,
    /// How many bytes of them are sent.
    sent: usize,
    received: Received,
    /// Whether replies may come that nobody waits for any more: true from before the first byte
    /// of a round trip goes out until its last reply is in. Whoever drops it halfway leaves this.
    broken: bool,
}

impl Socket {
    pub(crate) fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            parser: Parser::default(),
            commands: Vec::new(),
            asked: Recent::default(),
            sent: 0,
            received: Received::default(),
            broken: false,
        }
    }

    /// Sends commands and returns the reply to each, errors in their places, and entries as they
    /// are wanted.
    ///
    /// # Errors
    /// Where the connection broke, now or before, or where what came is no reply.
    pub(crate) async fn exchange(
        &mut self,
        commands: &Pipeline,
        entries: Entries,
    ) -> Result<Vec<Value>, RedisError> {
        if self.broken {
            let message = "the connection broke before, or an answer was not waited for";
            return Err(io::Error::new(io::ErrorKind::NotConnected, message).into());
        }
        self.broken = true;
        self.parser.tell(entries);
        self.commands.clear();
        self.sent = 0;
        for command in commands.cmd_iter() {
            command.write_packed_command(&mut self.commands);
        }
        let mut replies = Vec::with_capacity(commands.len());
        poll_fn(|cx| self.poll(cx, commands.len(), &mut replies)).await?;
        if !self.received.bytes().is_empty() {
            return Err(unreadable("more replies than commands"));
        }
        // A server that answers before it was told everything has hung up, and said why.
        self.broken = self.sent < self.commands.len();
        if self.asked.is_too_much(self.commands.len(), self.commands.capacity()) {
            self.commands = Vec::new();
        }
        self.received.end_of_round_trip();
        Ok(replies)
    }

    /// Writes and reads as far as it goes. It has to read while it writes: a server that is sent
    /// much answers before it has read it all, and stops reading while nobody takes the answers.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        count: usize,
        replies: &mut Vec<Value>,
    ) -> Poll<Result<(), RedisError>> {
        while let Some(unsent @ [_, ..]) = self.commands.get(self.sent..) {
            match Pin::new(&mut self.stream).poll_write(cx, unsent) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(closed())),
                Poll::Ready(sent) => self.sent += sent?,
                Poll::Pending => break,
            }
        }
        while replies.len() < count {
            let (used, value) = match self.parser.parse(self.received.bytes()) {
                Ok(parsed) => parsed,
                Err(error) => return Poll::Ready(Err(unreadable(&error.to_string()))),
            };
            self.received.start += used;
            match value {
                Some(value) => replies.push(value),
                None => ready!(self.poll_read(cx))?,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RedisError>> {
        let mut room = ReadBuf::new(self.received.room());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let came = room.filled().len();
        self.received.end += came;
        Poll::Ready(if came == 0 { Err(closed()) } else { Ok(()) })
    }
}

fn closed() -> RedisError {
    io::Error::from(io::ErrorKind::BrokenPipe).into()
}

fn unreadable(why: &str) -> RedisError {
    (redis::ErrorKind::Parse, "the reply can't be read", why.to_owned()).into()
}

/// The most that was needed of late: a drain needs megabytes with each batch, and a buffer that is
/// made again each time is cleared by the system, page by page, and moved as it grows.
#[derive(Default)]
struct Recent(usize);

impl Recent {
    /// Notes what a round trip needed. Whether a buffer of this room is to be given back.
    fn is_too_much(&mut self, needed: usize, room: usize) -> bool {
        self.0 = needed.max(self.0 - self.0.div_ceil(FORGETS));
        room > KEPT && room / SPARE > self.0
    }
}

/// What was received and is not read yet. The bytes around it are free, and stay as they are: to
/// clear them for each read would cost as much as the read.
#[derive(Default)]
struct Received {
    all: Vec<u8>,
    start: usize,
    end: usize,
    /// The most bytes that stood there at once in this round trip.
    most: usize,
    needed: Recent,
}

impl Received {
    fn bytes(&self) -> &[u8] {
        self.all.get(self.start..self.end).unwrap_or_default()
    }

    /// Where the next bytes go.
    fn room(&mut self) -> &mut [u8] {
        self.most = self.most.max(self.end - self.start);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.all.is_empty() {
                self.all = vec![0; FIRST];
            }
        } else if self.all.len() - self.end < LEAST {
            if self.start >= self.all.len() / 2 {
                self.all.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            } else {
                // Twice as large: a long string is then moved a few times, not with each read.
                self.all.resize(self.all.len() * 2, 0);
            }
        }
        self.all.get_mut(self.end..).unwrap_or_default()
    }

    /// Gives back what is no longer needed: nothing stands there.
    fn end_of_round_trip(&mut self) {
        if self.needed.is_too_much(std::mem::take(&mut self.most), self.all.len()) {
            *self = Self { needed: std::mem::take(&mut self.needed), ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_stays_while_it_is_needed_and_goes_when_it_is_not() {
        let mut recent = Recent::default();
        for _ in 0..1_000 {
            assert!(!recent.is_too_much(3 << 20, 4 << 20));
            // The round trips between need little.
            assert!((0..9).all(|_| !recent.is_too_much(100, 4 << 20)));
        }
        let kept = (0..1_000).take_while(|_| !recent.is_too_much(100, 4 << 20)).count();
        assert!((50..500).contains(&kept), "{kept}");
        // A small one always stays.
        assert!((0..1_000).all(|_| !recent.is_too_much(0, KEPT)));
        assert_eq!(recent.0, 0);
    }
}
