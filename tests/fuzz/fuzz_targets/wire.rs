//! Whatever a server sends, in whatever pieces, reading it gives values or an error, never a panic:
//! the same ones as in one piece, and as the client's own parser reads them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redis::Value;
use tallyd_store::wire::{Parser, WireError};

fuzz_target!(|input: (&[u8], &[u8])| {
    let (pieces, bytes) = input;
    let whole = read(bytes, &[]);
    assert_eq!(read(bytes, pieces), whole);
    for (bytes, value) in whole.0 {
        assert_eq!(redis::parse_redis_value(bytes).ok(), Some(value));
    }
});

/// Each value with its bytes, and the error that ended them, given in pieces of these lengths and
/// a last one.
fn read<'a>(bytes: &'a [u8], pieces: &[u8]) -> (Vec<(&'a [u8], Value)>, Option<WireError>) {
    let (mut parser, mut read, mut values) = (Parser::default(), 0, Vec::new());
    // Where the value that is being read began, and up to where bytes have come.
    let (mut began, mut came) = (0, 0);
    for piece in pieces.iter().map(|piece| usize::from(*piece)).chain([bytes.len()]) {
        came = bytes.len().min(came + piece);
        loop {
            match parser.parse(&bytes[read..came]) {
                Ok((used, Some(value))) => {
                    read += used;
                    values.push((&bytes[began..read], value));
                    began = read;
                }
                Ok((used, None)) => {
                    read += used;
                    break;
                }
                Err(error) => return (values, Some(error)),
            }
        }
    }
    (values, None)
}
