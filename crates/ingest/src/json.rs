//! The members of a JSON file: of an array, or objects one behind the other.
//!
//! A file is read piece by piece, and only one member is held.

use crate::LineError;
use std::io::{self, BufRead};
use tallyd_event::decode::json::{Array, Line, Lines, Step};

/// The longest member, in bytes.
const MAX_BYTES: usize = 4 << 20;

/// The members of a file.
pub(crate) struct Members {
    input: Box<dyn BufRead + Send>,
    /// The line that is read next, from 1.
    line: u64,
    form: Form,
}

enum Form {
    Unknown,
    Array(Array),
    /// Lines, and a member that was read with the one before it.
    Lines(Lines, Option<Member>),
    Ended,
}

/// A member's text, and the line on which it begins.
pub(crate) struct Member {
    pub(crate) line: u64,
    pub(crate) text: Vec<u8>,
}

type Found = Option<Result<Member, LineError>>;

impl Members {
    pub(crate) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { input, line: 1, form: Form::Unknown }
    }

    /// The next member. After an error of reading there is none.
    pub(crate) fn next(&mut self) -> Found {
        if matches!(self.form, Form::Unknown)
            && let Err(stop) = self.begin()
        {
            return self.stopped(stop);
        }
        let found = match &mut self.form {
            Form::Ended | Form::Unknown => return None,
            Form::Array(array) => next_item(&mut self.input, &mut self.line, array),
            Form::Lines(lines, kept) => match kept.take() {
                Some(member) => Ok(Some(member)),
                None => next_lines(&mut self.input, &mut self.line, lines, kept),
            },
        };
        match found {
            Ok(member) => member.map(Ok),
            Err(stop) => self.stopped(stop),
        }
    }

    fn stopped(&mut self, stop: Stop) -> Found {
        match stop {
            Stop::Passed(error) => Some(Err(error)),
            Stop::Ended(error) => {
                self.form = Form::Ended;
                Some(Err(error))
            }
        }
    }

    /// Reads up to what tells the forms apart.
    fn begin(&mut self) -> Result<(), Stop> {
        loop {
            let bytes = self.input.fill_buf().map_err(|e| unreadable(self.line, &e))?;
            let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
            self.line += lines_in(bytes.get(..blank).unwrap_or_default());
            let first = bytes.get(blank).copied();
            let is_all = first.is_none() && !bytes.is_empty();
            self.input.consume(blank);
            if is_all {
                continue;
            }
            self.form = match first {
                Some(b'[') => {
                    self.input.consume(1);
                    Form::Array(Array::default())
                }
                _ => Form::Lines(Lines::default(), None),
            };
            return Ok(());
        }
    }
}

/// Why there is no member here.
enum Stop {
    /// There may be others behind it.
    Passed(LineError),
    /// There can't.
    Ended(LineError),
}

fn unreadable(line: u64, error: &io::Error) -> Stop {
    Stop::Ended(LineError { line, reason: format!("can't read on: {error}") })
}

fn too_long(line: u64, length: usize) -> Stop {
    let reason = format!("{length} bytes long (at most {MAX_BYTES})");
    Stop::Passed(LineError { line, reason })
}

fn lines_in(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

fn next_item(
    input: &mut dyn BufRead,
    line: &mut u64,
    array: &mut Array,
) -> Result<Option<Member>, Stop> {
    let mut text = Vec::new();
    let (mut length, mut begins) = (0, None);
    loop {
        let bytes = input.fill_buf().map_err(|error| unreadable(*line, &error))?;
        if bytes.is_empty() {
            return match array.has_ended() {
                true => Ok(None),
                false => {
                    Err(Stop::Ended(LineError { line: *line, reason: Array::CUT_SHORT.into() }))
                }
            };
        }
        let mut used = 0;
        let mut is_whole = false;
        for &byte in bytes {
            let step = array.take(byte).map_err(|reason| {
                Stop::Ended(LineError { line: *line, reason: reason.to_owned() })
            })?;
            used += 1;
            if step == Step::Member {
                begins.get_or_insert(*line);
                length += 1;
                if length <= MAX_BYTES {
                    text.push(byte);
                }
            }
            *line += u64::from(byte == b'\n');
            is_whole = begins.is_some() && matches!(step, Step::Next | Step::End);
            if is_whole {
                break;
            }
        }
        input.consume(used);
        match begins {
            Some(line) if is_whole && length > MAX_BYTES => return Err(too_long(line, length)),
            Some(line) if is_whole => return Ok(Some(Member { line, text })),
            _ => {}
        }
    }
}

fn next_lines(
    input: &mut dyn BufRead,
    line: &mut u64,
    lines: &mut Lines,
    kept: &mut Option<Member>,
) -> Result<Option<Member>, Stop> {
    let mut held = Member { line: *line, text: Vec::new() };
    loop {
        let at = *line;
        let read = match read_line(input).map_err(|error| unreadable(at, &error))? {
            None if held.text.trim_ascii().is_empty() => return Ok(None),
            None => {
                *lines = Lines::default();
                return Ok(Some(held));
            }
            Some(read) => read,
        };
        *line += 1;
        let bytes = match read {
            Ok(bytes) if held.text.len() + bytes.len() <= MAX_BYTES => bytes,
            Ok(bytes) => {
                *lines = Lines::default();
                return Err(too_long(held.line, held.text.len() + bytes.len()));
            }
            Err(length) => {
                *lines = Lines::default();
                return Err(too_long(at, length));
            }
        };
        match lines.take(&bytes) {
            Line::EndsAlone => {
                *kept = Some(Member { line: at, text: bytes });
                return Ok(Some(held));
            }
            Line::Ends if held.text.is_empty() && bytes.trim_ascii().is_empty() => {
                held.line = *line;
            }
            Line::Ends => {
                held.text.extend(bytes);
                return Ok(Some(held));
            }
            Line::Open => held.text.extend(bytes),
        }
    }
}

/// A line with its end; of one that is too long, its length. `None` at the end of the input.
fn read_line(input: &mut dyn BufRead) -> io::Result<Option<Result<Vec<u8>, usize>>> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    let mut length = io::Read::take(&mut *input, limit).read_until(b'\n', &mut bytes)?;
    if length <= MAX_BYTES || bytes.ends_with(b"\n") {
        return Ok((length > 0).then_some(Ok(bytes)));
    }
    length += input.skip_until(b'\n')?;
    Ok(Some(Err(length)))
}
