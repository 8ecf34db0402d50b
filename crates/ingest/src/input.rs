//! What a file is: CSV or JSON, compressed or not.

use flate2::bufread::MultiGzDecoder;
use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// How events stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line of column names, then a record for each event (RFC 4180).
    Csv {
        /// What separates the columns.
        delimiter: u8,
    },
    /// JSON objects one behind the other, each on a line of its own or over several; or an array
    /// of them.
    Json,
}

impl Format {
    /// The format that a file's name tells: `.csv`, `.tsv`, `.jsonl`, `.ndjson` or `.json`,
    /// perhaps with `.gz` after it; `None` where it tells none.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        match name.strip_suffix(".gz").unwrap_or(&name).rsplit_once('.')?.1 {
            "csv" => Some(Format::Csv { delimiter: b',' }),
            "tsv" => Some(Format::Csv { delimiter: b'\t' }),
            "jsonl" | "ndjson" | "json" => Some(Format::Json),
            _ => None,
        }
    }
}

/// The text of an input, decompressed where it begins as gzip does (RFC 1952).
///
/// # Errors
/// Where its first bytes can't be read.
pub fn decompressed(input: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    if input.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(input))));
    }
    Ok(Box::new(input))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    #[test]
    fn the_name_tells_the_format() {
        let csv = |delimiter| Some(Format::Csv { delimiter });
        let cases = [
            ("a.csv", csv(b',')),
            ("b/a.CSV.gz", csv(b',')),
            ("a.tsv", csv(b'\t')),
            ("a.jsonl", Some(Format::Json)),
            ("a.ndjson.gz", Some(Format::Json)),
            ("a.txt", None),
            ("csv", None),
            ("-", None),
        ];
        for (name, format) in cases {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes() {
        let mut gz = GzEncoder::new(Vec::new(), Compression::default());
        gz.write_all(b"a,b\n").unwrap();
        for bytes in [gz.finish().unwrap(), b"a,b\n".to_vec()] {
            let mut text = String::new();
            decompressed(io::Cursor::new(bytes)).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "a,b\n");
        }
    }
}
