//! Writes the counterexamples of `docs/internals/protocol.md` again.

use std::{error::Error, fs};
use tallyd_model::document;

fn main() -> Result<(), Box<dyn Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/internals/protocol.md");
    let text = fs::read_to_string(path)?;
    fs::write(path, document::with_counterexamples(&text)?)?;
    Ok(())
}
