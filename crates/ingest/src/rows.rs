//! The events of a file, line by line: fields and values, or why a line can't be read.

use crate::{Format, Mapping, MappingError};
use smol_str::SmolStr;
use std::io::{self, BufRead};

/// The longest line of JSON lines, in bytes.
const MAX_LINE_BYTES: usize = 4 << 20;

/// The fields of an event, in the order of the source's schema, as text.
pub type Fields = Vec<(SmolStr, String)>;

/// A line that is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// The line, from 1; that on which the record begins.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// The events of a file.
pub struct Rows {
    mapping: Mapping,
    lines: Lines,
}

enum Lines {
    Csv { reader: Box<csv::Reader<Box<dyn BufRead + Send>>>, places: Vec<(SmolStr, usize)> },
    Json { input: Box<dyn BufRead + Send>, line: u64 },
}

/// Why a file can't be begun.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The first line can't be read.
    #[error("can't read the header: {0}")]
    Header(#[from] csv::Error),
    /// The mapping does not fit the header.
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

impl Rows {
    /// The events of a text. Of CSV the header is read at once.
    ///
    /// # Errors
    /// Where the header can't be read, or does not have what the mapping names.
    pub fn new(
        input: Box<dyn BufRead + Send>,
        format: Format,
        mapping: Mapping,
    ) -> Result<Self, OpenError> {
        let lines = match format {
            Format::JsonLines => Lines::Json { input, line: 0 },
            Format::Csv => {
                let mut reader = Box::new(csv::Reader::from_reader(input));
                let header: Vec<&str> = reader.headers()?.iter().map(without_mark).collect();
                let places = mapping.places(&header)?;
                Lines::Csv { reader, places }
            }
        };
        Ok(Self { mapping, lines })
    }

    fn constants(&self) -> Fields {
        self.mapping.constants().to_vec()
    }
}

impl Iterator for Rows {
    type Item = Result<Fields, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut fields = self.constants();
        let read = match &mut self.lines {
            Lines::Csv { reader, places } => next_record(reader, places, &mut fields)?,
            Lines::Json { input, line } => next_object(input, line, &self.mapping, &mut fields)?,
        };
        Some(read.map(|()| fields))
    }
}

/// The mark that some programs put at the begin of a text.
fn without_mark(name: &str) -> &str {
    name.strip_prefix('\u{feff}').unwrap_or(name)
}

fn next_record(
    reader: &mut csv::Reader<Box<dyn BufRead + Send>>,
    places: &[(SmolStr, usize)],
    fields: &mut Fields,
) -> Option<Result<(), LineError>> {
    let mut record = csv::StringRecord::new();
    let begins = reader.position().line();
    match reader.read_record(&mut record) {
        Ok(false) => None,
        Ok(true) => {
            let cell = |(field, place): &(SmolStr, usize)| {
                let text = record.get(*place).filter(|text| !text.is_empty())?;
                Some((field.clone(), text.to_owned()))
            };
            fields.extend(places.iter().filter_map(cell));
            let line = record.position().map_or(begins, csv::Position::line);
            Some(not_empty(fields, line))
        }
        Err(error) => {
            let line = error.position().map_or(begins, csv::Position::line);
            Some(Err(LineError { line, reason: reason(&error) }))
        }
    }
}

/// The reason without the place, which stands before it already.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns (expected {expected_len})")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => format!("can't read on: {error}"),
        _ => error.to_string(),
    }
}

/// The next line that is not blank. After an error of reading there is none.
fn next_object(
    input: &mut Box<dyn BufRead + Send>,
    line: &mut u64,
    mapping: &Mapping,
    fields: &mut Fields,
) -> Option<Result<(), LineError>> {
    loop {
        *line += 1;
        let at = *line;
        let wrong = |reason| Some(Err(LineError { line: at, reason }));
        let bytes = match read_line(input) {
            Ok(None) => return None,
            Ok(Some(Ok(bytes))) => bytes,
            Ok(Some(Err(length))) => {
                return wrong(format!("{length} bytes long (at most {MAX_LINE_BYTES})"));
            }
            Err(error) => {
                *input = Box::new(io::empty());
                return wrong(format!("can't read on: {error}"));
            }
        };
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes).trim_ascii();
        if text.is_empty() {
            continue;
        }
        let object: serde_json::Map<String, serde_json::Value> = match serde_json::from_slice(text)
        {
            Ok(object) => object,
            Err(error) => return wrong(error.to_string()),
        };
        let cell = |(field, column): &(SmolStr, SmolStr)| {
            Some((field.clone(), text_of(object.get(column.as_str())?)?))
        };
        fields.extend(mapping.columns().iter().filter_map(cell));
        return Some(not_empty(fields, at));
    }
}

/// A line without its end; of one that is too long, its length. `None` at the end of the input.
fn read_line(input: &mut dyn BufRead) -> io::Result<Option<Result<Vec<u8>, usize>>> {
    let mut bytes = Vec::new();
    let limit = MAX_LINE_BYTES as u64 + 1;
    let mut length = io::Read::take(&mut *input, limit).read_until(b'\n', &mut bytes)?;
    if length <= MAX_LINE_BYTES || bytes.ends_with(b"\n") {
        return Ok((length > 0).then_some(Ok(bytes)));
    }
    length += input.skip_until(b'\n')?;
    Ok(Some(Err(length)))
}

/// A JSON value as a producer would write it; `None` for null and the empty text.
fn text_of(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        other => Some(other.to_string()),
    }
}

/// An entry of a stream has at least one field.
fn not_empty(fields: &Fields, line: u64) -> Result<(), LineError> {
    if fields.is_empty() {
        return Err(LineError { line, reason: "it gives no field of the source".to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_event::{Field, FieldType, Schema};

    fn rows(text: &[u8], format: Format) -> Vec<String> {
        let fields = ["id", "user"].map(|name| Field::new(name, FieldType::String)).to_vec();
        let schema = Schema { fields, ..Schema::default() };
        let mapping = Mapping::new(&schema, &[("user".into(), "uid".into())], &[]).unwrap();
        let input = crate::decompressed(io::Cursor::new(text.to_vec())).unwrap();
        let shown = |row: Result<Fields, LineError>| match row {
            Ok(fields) => {
                let pairs: Vec<String> = fields.iter().map(|(f, v)| format!("{f}={v}")).collect();
                pairs.join(" ")
            }
            Err(error) => error.to_string(),
        };
        Rows::new(input, format, mapping).unwrap().map(shown).collect()
    }

    #[test]
    fn csv_records_become_fields() {
        let text =
            b"\xef\xbb\xbfid,x,uid\na1,\"1,\n2\",u1\na2,,\n,z,\na3,b\na\xff,1,u\n\"a\"\"4\",1,u4\n";
        assert_eq!(
            rows(text, Format::Csv),
            [
                "id=a1 user=u1",
                "id=a2",
                "line 5: it gives no field of the source",
                "line 6: 2 columns (expected 3)",
                "line 7: not UTF-8",
                "id=a\"4 user=u4",
            ]
        );
    }

    #[test]
    fn json_lines_become_fields() {
        let text = b"{\"id\":\"a1\",\"uid\":7,\"x\":[]}\n\n{\"id\":null,\"uid\":true}\n{\"id\":\"\"}\n[]\n{\"id\":{\"a\":1}}\r\n{\"id\":1.0";
        let rows = rows(text, Format::JsonLines);
        assert_eq!(rows[0], "id=a1 user=7");
        assert_eq!(rows[1], "user=true");
        assert_eq!(rows[2], "line 4: it gives no field of the source");
        assert!(rows[3].starts_with("line 5: invalid type"), "{}", rows[3]);
        assert_eq!(rows[4], "id={\"a\":1}");
        assert!(rows[5].starts_with("line 7: EOF"), "{}", rows[5]);
        assert_eq!(rows.len(), 6);
    }

    #[test]
    fn a_file_that_is_cut_short_says_so() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let lines: String = (0..1000).map(|n| format!("{n},{}\n", n * 7919)).collect();
        io::Write::write_all(&mut gz, format!("id,uid\n{lines}").as_bytes()).unwrap();
        let bytes = gz.finish().unwrap();
        let rows = rows(&bytes[..bytes.len() / 2], Format::Csv);
        assert!(rows.last().unwrap().contains("can't read on"), "{:?}", rows.last());
        assert_eq!(rows.iter().filter(|row| row.starts_with("line")).count(), 1);
    }
}
