//! As much of HTTP, of streams of events and of Redis's protocol as a load generator has to read:
//! where an answer ends, and what a line of it says.

use crate::BenchError;

/// The longest head that is waited for, in bytes.
const LONGEST_HEAD: usize = 16 << 10;

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// How long it is itself, in bytes.
    pub length: usize,
    /// How its body ends.
    pub body: Body,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// After so many bytes.
    Length(usize),
    /// With an empty chunk.
    Chunked,
    /// With the connection: nginx writes streams of nchan so.
    Connection,
}

/// The head that these bytes begin with; `None` as long as it is not whole.
///
/// # Errors
/// Where it is none.
pub fn head(bytes: &[u8]) -> Result<Option<Head>, BenchError> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > LONGEST_HEAD { Err(unreadable(bytes)) } else { Ok(None) };
    };
    let text = bytes.get(..end).and_then(|head| std::str::from_utf8(head).ok());
    let mut lines = text.unwrap_or_default().split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let mut body = Body::Connection;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            body = Body::Length(value.parse().map_err(|_| unreadable(bytes))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding")
            && value.eq_ignore_ascii_case("chunked")
        {
            body = Body::Chunked;
        }
    }
    let head = status.map(|status| Head { status, length: end + 4, body });
    head.map(Some).ok_or_else(|| unreadable(bytes))
}

fn unreadable(bytes: &[u8]) -> BenchError {
    let shown = bytes.get(..bytes.len().min(200)).unwrap_or_default();
    BenchError::Refused(String::from_utf8_lossy(shown).into_owned())
}

/// How many bytes the answer that these begin with has; `None` as long as it is not whole.
///
/// # Errors
/// Where it is not 200, or can't be read.
pub fn http(bytes: &[u8]) -> Result<Option<usize>, BenchError> {
    match head(bytes)? {
        None => Ok(None),
        Some(Head { status: 200, length, body: Body::Length(body) }) => {
            Ok((bytes.len() >= length + body).then_some(length + body))
        }
        Some(_) => Err(unreadable(bytes)),
    }
}

/// As [`http`], of a reply of Redis that is an array of bulk strings, none of which holds a line
/// end.
///
/// # Errors
/// Where it is another reply.
pub fn resp(bytes: &[u8]) -> Result<Option<usize>, BenchError> {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let Some(first) = ends.next() else { return Ok(None) };
    let count = bytes.get(..first).and_then(|line| std::str::from_utf8(line).ok());
    let count = count.and_then(|line| line.trim_end().strip_prefix('*')?.parse::<usize>().ok());
    match count {
        Some(0) => Ok(Some(first + 1)),
        // Of each its length, and itself.
        Some(count) => Ok(ends.nth(count * 2 - 1).map(|last| last + 1)),
        None => Err(unreadable(bytes)),
    }
}

/// Takes the chunks away that a body comes in, however its bytes arrive.
#[derive(Debug, Default)]
pub struct Chunks {
    step: Step,
    /// The length that is being read, or what is left of the chunk.
    left: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Length,
    /// Behind the digits of a length.
    LengthEnd,
    Payload,
    /// The line end after a chunk.
    PayloadEnd,
    Over,
}

impl Chunks {
    /// Passes on what is in the chunks. Gives whether there is more to come.
    pub fn feed(&mut self, mut bytes: &[u8], mut payload: impl FnMut(&[u8])) -> bool {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.step == Step::Payload {
                let (now, later) = bytes.split_at(self.left.min(bytes.len()));
                payload(now);
                self.left -= now.len();
                bytes = later;
                if self.left == 0 {
                    self.step = Step::PayloadEnd;
                }
                continue;
            }
            bytes = rest;
            self.step = match (self.step, byte) {
                (Step::Length | Step::LengthEnd, b'\n') if self.left == 0 => Step::Over,
                (Step::Length | Step::LengthEnd, b'\n') => Step::Payload,
                (Step::Length, digit) => match char::from(digit).to_digit(16) {
                    Some(digit) => {
                        self.left = (self.left << 4) | digit as usize;
                        Step::Length
                    }
                    None => Step::LengthEnd,
                },
                (Step::PayloadEnd, b'\n') => Step::Length,
                (step, _) => step,
            };
        }
        self.step != Step::Over
    }
}

/// Cuts what arrives into lines.
#[derive(Debug, Default)]
pub struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Passes on each line that is whole, without its end.
    pub fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (now, later) = bytes.split_at(end);
            if self.open.is_empty() {
                line(now);
            } else {
                self.open.extend_from_slice(now);
                line(&self.open);
                // 10,000 clients: nothing is kept between lines.
                self.open = Vec::new();
            }
            bytes = later.get(1..).unwrap_or_default();
        }
        self.open.extend_from_slice(bytes);
    }
}

/// The score of a member in the JSON of an answer or of a change: what stands behind its name.
#[must_use]
pub fn score(json: &[u8], member: &str) -> Option<i64> {
    let text = std::str::from_utf8(json).ok()?;
    let (_, row) = text.split_once(&format!("\"member\":\"{member}\""))?;
    let (_, score) = row.split_once("\"score\":")?;
    let end = score.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(score.len());
    score.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n";

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let whole = ANSWER.len() - "HTTP/1.1 200 OK\r\n".len();
        for length in 0..whole {
            assert_eq!(http(&ANSWER[..length]).unwrap(), None, "{length}");
        }
        assert_eq!(http(ANSWER).unwrap(), Some(whole));
        let chunked = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n";
        let expected = Head { status: 201, length: chunked.len(), body: Body::Chunked };
        assert_eq!(head(chunked).unwrap(), Some(expected));
        for wrong in [&b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"[..], chunked, b"x\r\n\r\n"] {
            assert!(http(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
        let open = head(b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n: hi").unwrap();
        assert_eq!(open.map(|head| head.body), Some(Body::Connection));
        assert!(head(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").is_err());
        assert!(head(&[b'x'; LONGEST_HEAD + 1]).is_err());
    }

    #[test]
    fn a_reply_ends_after_its_strings() {
        let reply = b"*2\r\n$2\r\nu7\r\n$1\r\n9\r\n*0\r\n";
        for length in 0..reply.len() - 4 {
            assert_eq!(resp(&reply[..length]).unwrap(), None, "{length}");
        }
        assert_eq!(resp(reply).unwrap(), Some(reply.len() - 4));
        assert_eq!(resp(b"*0\r\n").unwrap(), Some(4));
        assert!(resp(b"-ERR no\r\n").is_err());
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let body = b"7\r\nevent: \r\n19;x=y\r\ndelta\ndata: {\"a\":1}\n\ndata\r\n3\r\n: b\r\n1\r\n\n\r\n0\r\n\r\n";
        for size in 1..=body.len() {
            let (mut chunks, mut lines, mut found) =
                (Chunks::default(), Lines::default(), Vec::new());
            let mut is_open = true;
            for piece in body.chunks(size) {
                is_open = chunks.feed(piece, |payload| {
                    lines.feed(payload, |line| {
                        found.push(String::from_utf8(line.to_vec()).unwrap());
                    });
                });
            }
            assert!(!is_open, "pieces of {size}");
            assert_eq!(found, ["event: delta", "data: {\"a\":1}", "", "data: b"], "of {size}");
        }
    }

    #[test]
    fn a_score_is_that_of_the_member() {
        let json = br#"{"set":[{"member":"u1","rank":1,"score":9},{"member":"u11","rank":2,"score":-12,"was":{"rank":1,"score":8}}]}"#;
        assert_eq!(score(json, "u1"), Some(9));
        assert_eq!(score(json, "u11"), Some(-12));
        assert_eq!(score(json, "u111"), None);
    }
}
