//! Standard output and standard error. A command whose output can't be written fails, and never
//! panics; what can't be written to standard error is left out.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind, Write},
};

/// Standard output could not be written, so a command did not do what it was asked for.
#[derive(Debug)]
pub struct Unwritten(io::Error);

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't write to standard output: {}", self.0)
    }
}

impl Error for Unwritten {}

/// Whether a failure is only that nobody reads the output any more, as after `head`.
pub fn reader_left(error: &anyhow::Error) -> bool {
    let unwritten = error.downcast_ref::<Unwritten>();
    unwritten.is_some_and(|Unwritten(error)| error.kind() == ErrorKind::BrokenPipe)
}

/// Writes to standard output. `outln!` calls it.
///
/// # Errors
/// Where it can't be written: its disk is full, or its reader has ended.
pub fn write(text: fmt::Arguments<'_>) -> Result<(), Unwritten> {
    let mut out = io::stdout().lock();
    out.write_fmt(text).and_then(|()| out.flush()).map_err(Unwritten)
}

/// Writes to standard error, where it can be written. `errln!` calls it.
pub fn complain(text: fmt::Arguments<'_>) {
    // There is no other place to say that this one fails.
    let _ = io::stderr().lock().write_fmt(text);
}

/// `println!` that returns what went wrong.
macro_rules! outln {
    ($($text:tt)*) => {
        $crate::output::write(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// `eprintln!` that never panics.
macro_rules! errln {
    ($($text:tt)*) => {
        $crate::output::complain(format_args!("{}\n", format_args!($($text)*)))
    };
}
