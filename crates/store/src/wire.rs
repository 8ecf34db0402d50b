//! A server's replies: from the bytes of RESP2, in whatever pieces they come, to values. What was
//! read is kept; only a line or a string that is not whole yet is looked at again.

mod entry;

use entry::{Scan, entry};
use redis::Value;

/// How many arrays may stand in each other. Redis's own replies have four or five.
const MAX_DEPTH: usize = 32;

/// How long a line may be. Redis cuts what it quotes in an error to far less.
const MAX_LINE: usize = 64 * 1024;

/// How long a string may be: as long as Redis keeps one, unless told otherwise.
const MAX_STRING: usize = 512 * 1024 * 1024;

/// How many items an array may have.
const MAX_ITEMS: usize = i32::MAX as usize;

/// For how many items there is room at once, whatever number an array gives: one that claims more
/// has to send them.
const ROOM: usize = 1024;

const END: &[u8] = b"\r\n";

type Split<'a> = (&'a [u8], &'a [u8]);

/// Why bytes are no reply. Nothing after them can be read.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct WireError(String);

/// Reads one value after the other.
#[derive(Default)]
pub struct Parser {
    /// The arrays that are begun, the outermost first. None is full.
    open: Vec<Open>,
    /// How much of the line that is not whole yet was searched for its end.
    searched: usize,
    entries: Entries,
}

/// How the entries of streams are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entries {
    /// As the server tells them: each an array of its id and its names and values.
    #[default]
    Plain,
    /// Each as three values in the array that holds it: the two halves of its id, as ints with the
    /// bits of the unsigned ones, and its names and values, as the bytes of a
    /// [`Packed`](tallyd_event::decode::Packed). For replies in which nothing else is an array of
    /// an entry's id and an even number of strings.
    Packed,
}

struct Open {
    items: Vec<Value>,
    missing: usize,
}

enum Token {
    /// A value that is whole.
    Whole(Value),
    /// An array of so many items that follow.
    Begun(usize),
    /// An entry: what stands for it.
    Entry([Value; 3]),
}

impl Parser {
    /// How entries are told from the next reply on.
    pub fn tell(&mut self, entries: Entries) {
        self.entries = entries;
    }

    /// Reads on. Returns how many bytes are done with, and the value that is whole with them, if
    /// one is. The other bytes must be given again, first, once more have come.
    ///
    /// # Errors
    /// Where the bytes are no reply. The parser is of no use after that.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<(usize, Option<Value>), WireError> {
        let mut rest = bytes;
        while let Some((token, after)) = self.token(rest)? {
            rest = after;
            if let Some(value) = self.place(token)? {
                return Ok((bytes.len() - rest.len(), Some(value)));
            }
        }
        Ok((bytes.len() - rest.len(), None))
    }

    /// The first token, and what follows it; `None` where it is not whole yet.
    fn token<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(Token, &'a [u8])>, WireError> {
        let Some(kind) = bytes.first() else { return Ok(None) };
        if !b"$*:+-".contains(kind) {
            // Said before a line is whole: who speaks another protocol may never end one.
            return Err(WireError(format!("no reply begins with byte {kind:#04x}")));
        }
        let Some((line, rest)) = self.line(bytes)? else { return Ok(None) };
        let text = line.get(1..).unwrap_or_default();
        let value = match kind {
            b'$' => match length(text, MAX_STRING)? {
                Some(length) => {
                    let Some((string, rest)) = rest.split_at_checked(length) else {
                        return Ok(None);
                    };
                    let Some((end, rest)) = rest.split_at_checked(END.len()) else {
                        return Ok(None);
                    };
                    if end != END {
                        return Err(WireError("a string is longer than it says".to_owned()));
                    }
                    let value = Value::BulkString(string.to_vec());
                    return Ok(Some((Token::Whole(value), rest)));
                }
                None => Value::Nil,
            },
            b'*' => match length(text, MAX_ITEMS)? {
                Some(0) => Value::Array(Vec::new()),
                Some(2) if self.entries == Entries::Packed && !self.open.is_empty() => {
                    return Ok(match entry(rest) {
                        Scan::Is((entry, rest)) => Some((Token::Entry(entry), rest)),
                        Scan::Not => Some((Token::Begun(2), rest)),
                        Scan::Short => None,
                    });
                }
                Some(count) => return Ok(Some((Token::Begun(count), rest))),
                None => Value::Nil,
            },
            b':' => Value::Int(integer(text)?),
            b'+' if text == b"OK" => Value::Okay,
            b'+' => Value::SimpleString(utf8(text)?.to_owned()),
            _ => server_error(line)?,
        };
        Ok(Some((Token::Whole(value), rest)))
    }

    /// The first line, and what follows it.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Split<'a>>, WireError> {
        while let Some(found) =
            bytes.get(self.searched..).and_then(|b| b.iter().position(|byte| *byte == b'\n'))
        {
            let (line, rest) = bytes.split_at(self.searched + found + 1);
            self.searched = line.len();
            if let Some(line) = line.strip_suffix(END) {
                self.searched = 0;
                return Ok(Some((line, rest)));
            }
        }
        self.searched = bytes.len();
        if bytes.len() > MAX_LINE {
            return Err(WireError(format!("a line is longer than {MAX_LINE} bytes")));
        }
        Ok(None)
    }

    /// Puts a token where it belongs. Returns the value that it makes whole, if that is all.
    fn place(&mut self, token: Token) -> Result<Option<Value>, WireError> {
        let mut value = match token {
            Token::Whole(value) => value,
            Token::Entry([ms, seq, packed]) => {
                if let Some(array) = self.open.last_mut() {
                    array.items.extend([ms, seq]);
                }
                packed
            }
            Token::Begun(_) if self.open.len() == MAX_DEPTH => {
                return Err(WireError(format!("more than {MAX_DEPTH} arrays in each other")));
            }
            Token::Begun(missing) => {
                let items = Vec::with_capacity(missing.min(ROOM));
                self.open.push(Open { items, missing });
                return Ok(None);
            }
        };
        while let Some(array) = self.open.last_mut() {
            array.items.push(value);
            array.missing -= 1;
            let Some(full) = self.open.pop_if(|array| array.missing == 0) else { return Ok(None) };
            value = Value::Array(full.items);
        }
        Ok(Some(value))
    }
}

/// The length of a string or array; `None` for one that is nil.
fn length(text: &[u8], most: usize) -> Result<Option<usize>, WireError> {
    let number = integer(text)?;
    if number == -1 {
        return Ok(None);
    }
    let length = usize::try_from(number).ok().filter(|length| *length <= most);
    length.map(Some).ok_or_else(|| WireError(format!("a length of {number}")))
}

fn integer(text: &[u8]) -> Result<i64, WireError> {
    let (positive, digits) = match text {
        [b'-', digits @ ..] => (false, digits),
        [b'+', digits @ ..] => (true, digits),
        digits => (true, digits),
    };
    // Summed up below zero, where there is room for one more than above.
    let add = |sum: i64, digit: &u8| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_sub(i64::from(digit))
    };
    let sum = digits.iter().try_fold(0, add).filter(|_| !digits.is_empty());
    let number = sum.and_then(|sum| if positive { sum.checked_neg() } else { Some(sum) });
    number.ok_or_else(|| {
        let text: String = String::from_utf8_lossy(text).chars().take(40).collect();
        WireError(format!("{text:?} is not a whole number"))
    })
}

fn utf8(text: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(text).map_err(|_| WireError("a line is not UTF-8".to_owned()))
}

/// An error has no constructor outside of the client's own parser, and is rare.
fn server_error(line: &[u8]) -> Result<Value, WireError> {
    utf8(line)?;
    redis::parse_redis_value(&[line, END].concat()).map_err(|e| WireError(e.to_string()))
}

#[cfg(test)]
mod tests;
