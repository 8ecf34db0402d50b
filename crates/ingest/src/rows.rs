//! The events of a file, row by row: fields and values, or why a row is none.

use crate::{Fields, Format, Mapping, MappingError, Source, json::Members};
use smol_str::SmolStr;
use std::io::{self, BufRead};
use tallyd_event::decode::{self, Given};

/// A row that is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// The line, from 1; that on which the row begins.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// The events of a file.
pub struct Rows {
    source: Source,
    mapping: Mapping,
    file: File,
}

enum File {
    /// With the places of the schema, and of the columns that serve them.
    Csv(Box<csv::Reader<Box<dyn BufRead + Send>>>, Vec<(usize, usize)>),
    Json(Members),
}

/// Why a file can't be begun.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another character separates the columns.
    #[error(
        "the header is one column, {header}: its columns are separated by {name}; add --delimiter {option}"
    )]
    Delimiter {
        /// The header, quoted.
        header: String,
        /// The character, named.
        name: &'static str,
        /// As the option is written in a shell.
        option: &'static str,
    },
    /// The first line can't be read.
    #[error("can't read the header: {0}")]
    Header(#[from] csv::Error),
    /// The mapping does not fit the header.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The first bytes can't be read.
    #[error("can't read it: {0}")]
    Read(#[from] io::Error),
    /// The text is in another encoding.
    #[error("it is UTF-16: save it as UTF-8 (in PowerShell: Out-File -Encoding utf8)")]
    Utf16,
}

impl Rows {
    /// The events of a text, for this source. Of CSV the header is read at once.
    ///
    /// # Errors
    /// Where the header can't be read, lacks a field that every event needs, or does not have
    /// what the mapping names.
    pub fn new(
        mut input: Box<dyn BufRead + Send>,
        format: Format,
        source: Source,
        mapping: Mapping,
    ) -> Result<Self, OpenError> {
        match input.fill_buf()? {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(OpenError::Utf16),
            [0xef, 0xbb, 0xbf, ..] => input.consume(3),
            _ => {}
        }
        let file = match format {
            Format::Json => File::Json(Members::new(input)),
            Format::Csv { delimiter } => {
                let mut builder = csv::ReaderBuilder::new();
                let mut reader = Box::new(builder.delimiter(delimiter).from_reader(input));
                let header: Vec<&str> = reader.headers()?.iter().collect();
                check_delimiter(&header)?;
                let places = mapping.places(&source.schema, &header)?;
                File::Csv(reader, places)
            }
        };
        Ok(Self { source, mapping, file })
    }
}

/// A header of one column that looks like several.
fn check_delimiter(header: &[&str]) -> Result<(), OpenError> {
    let [column] = header else { return Ok(()) };
    let others = [
        (';', "\";\"", "';'"),
        ('\t', "tabs", "tab"),
        ('|', "\"|\"", "'|'"),
        (',', "\",\"", "','"),
    ];
    match others.into_iter().find(|(delimiter, ..)| column.contains(*delimiter)) {
        Some((_, name, option)) => {
            let header = format!("\"{}\"", column.chars().take(60).collect::<String>());
            Err(OpenError::Delimiter { header, name, option })
        }
        None => Ok(()),
    }
}

impl Iterator for Rows {
    type Item = Result<Fields, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (source, mapping) = (&self.source, &self.mapping);
        match &mut self.file {
            File::Csv(reader, places) => {
                let mut record = csv::StringRecord::new();
                let begins = reader.position().line();
                match reader.read_record(&mut record) {
                    Ok(false) => None,
                    Ok(true) => {
                        let line = record.position().map_or(begins, csv::Position::line);
                        Some(fields(source, mapping, line, cells(source, places, &record)))
                    }
                    Err(error) => {
                        let line = error.position().map_or(begins, csv::Position::line);
                        Some(Err(LineError { line, reason: reason(&error) }))
                    }
                }
            }
            File::Json(members) => Some(members.next()?.and_then(|member| {
                let map = decode::json::object(member.text.trim_ascii());
                let wrong = |reason| LineError { line: member.line, reason };
                fields(source, mapping, member.line, values(mapping, source, map.map_err(wrong)?))
            })),
        }
    }
}

/// The fields of a row, of which these places of the schema are given.
fn fields(
    source: &Source,
    mapping: &Mapping,
    line: u64,
    given: Vec<(usize, Given<'_>)>,
) -> Result<Fields, LineError> {
    let fields = source.fields(mapping.constants().chain(given));
    match fields {
        Err(reason) => Err(LineError { line, reason: reason.to_string() }),
        // An entry of a stream has at least one field.
        Ok(fields) if fields.is_empty() => {
            Err(LineError { line, reason: "it gives no field of the source".to_owned() })
        }
        Ok(fields) => Ok(fields),
    }
}

/// The cells that serve fields. An empty one is nothing, where the field may be left out: CSV has
/// no other way to write that.
fn cells<'a>(
    source: &Source,
    places: &[(usize, usize)],
    record: &'a csv::StringRecord,
) -> Vec<(usize, Given<'a>)> {
    let cell = |&(field, column): &(usize, usize)| {
        let text = record.get(column)?;
        let is_optional = source.schema.fields.get(field).is_some_and(|field| field.optional);
        (!text.is_empty() || !is_optional).then_some((field, Given::Text(text.as_bytes())))
    };
    places.iter().filter_map(cell).collect()
}

/// The values of an object that serve fields. A name that stands twice gives two.
fn values<'a>(
    mapping: &Mapping,
    source: &Source,
    map: Vec<(SmolStr, Given<'a>)>,
) -> Vec<(usize, Given<'a>)> {
    let mut given = Vec::with_capacity(map.len());
    for (name, value) in map {
        for field in mapping.fields_of(&source.schema, &name) {
            given.push((field, value.clone()));
        }
    }
    given
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

#[cfg(test)]
mod tests;
