//! Writes the counterexamples of `docs/protocol.md` anew.

use std::{error::Error, fs};
use tallyd_model::document;

fn main() -> Result<(), Box<dyn Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let text = fs::read_to_string(path)?;
    fs::write(path, document::with_counterexamples(&text)?)?;
    Ok(())
}
