//! A function of a field, such as `mean(ms)`, as measures and scores are written.

use crate::{
    fault::{Fault, did_you_mean},
    input::Input,
    section::Section,
    sheet::Word,
};
use std::ops::Range;
use tallyd_bolt::FieldRef;
use tallyd_event::{Field, FieldType};

/// `function(field)`, or `function` alone.
pub(crate) struct Call {
    pub function: String,
    field: Option<(String, Range<usize>)>,
    function_span: Range<usize>,
    span: Range<usize>,
}

impl Call {
    pub fn parse(section: &Section<'_>, word: Word) -> Option<Call> {
        let text = word.text.as_str();
        let trimmed = text.trim();
        let (function, field) = match trimmed.split_once('(') {
            None => (trimmed, None),
            Some((function, rest)) => match rest.strip_suffix(')') {
                Some(field) if !field.contains(['(', ')']) => (function.trim(), Some(field.trim())),
                _ => {
                    let message = format!("\"{text}\" is not a function of a field");
                    let help = "write it as \"sum(field)\" or \"count\"";
                    section.sheet.fault(Fault::new(message, word.span).help(help));
                    return None;
                }
            },
        };
        let place = |part: &str| {
            let start = part.as_ptr().addr() - text.as_ptr().addr();
            section.sheet.inside(&word, start..start + part.len())
        };
        Some(Call {
            function: function.to_owned(),
            field: field.map(|field| (field.to_owned(), place(field))),
            function_span: place(function),
            span: word.span.clone(),
        })
    }

    /// Whether a field is named.
    pub fn has_field(&self) -> bool {
        self.field.is_some()
    }

    /// The field, which must be there and of one of these types.
    pub fn field<'i>(
        &self,
        section: &Section<'_>,
        input: Option<&'i Input>,
        types: &[FieldType],
    ) -> Option<(FieldRef, &'i Field)> {
        match &self.field {
            Some((name, span)) if !name.is_empty() => {
                input?.field(section.sheet, name, span.clone(), types, &self.function)
            }
            _ => {
                let message = format!("{} needs a field", self.function);
                let help = match self.function.as_str() {
                    "count" => {
                        "write \"count\" to count all events, or \"count(field)\"".to_owned()
                    }
                    function => format!("write \"{function}(field)\""),
                };
                section.sheet.fault(Fault::new(message, self.span.clone()).help(help));
                None
            }
        }
    }

    /// Refuses a field.
    pub fn without_field(&self, section: &Section<'_>) -> Option<()> {
        if self.field.is_none() {
            return Some(());
        }
        let message = format!("{} takes no field here", self.function);
        let help = format!("write \"{}\"", self.function);
        section.sheet.fault(Fault::new(message, self.span.clone()).help(help));
        None
    }

    /// Faults a function that there is not. What the name may mean is said: a function under the
    /// name that other systems give it, or a field without a function.
    pub fn unknown(&self, section: &Section<'_>, input: Option<&Input>, functions: &[&str]) {
        let given = self.function.as_str();
        let alias = ALIASES
            .iter()
            .find(|(alias, name)| alias.eq_ignore_ascii_case(given) && functions.contains(name));
        let is_field = input.is_some_and(|input| input.schema.index(given).is_some());
        let help = match alias {
            Some((_, name)) => {
                let field = self.field.as_ref().map_or("field", |(name, _)| name.as_str());
                format!("write \"{name}({field})\"")
            }
            None if is_field && !self.has_field() => {
                format!("\"{given}\" is a field: write a function of it, such as \"sum({given})\"")
            }
            None => did_you_mean(given, functions.iter().copied(), "the functions are"),
        };
        let message = format!("unknown function \"{given}\"");
        section.sheet.fault(Fault::new(message, self.function_span.clone()).help(help));
    }
}

/// What other systems call a function, and what it is called here.
const ALIASES: [(&str, &str); 12] = [
    ("avg", "mean"),
    ("average", "mean"),
    ("cardinality", "distinct"),
    ("count_distinct", "distinct"),
    ("hll", "distinct"),
    ("maximum", "max"),
    ("median", "p50"),
    ("minimum", "min"),
    ("total", "sum"),
    ("uniq", "distinct"),
    ("unique", "distinct"),
    ("uniques", "distinct"),
];
