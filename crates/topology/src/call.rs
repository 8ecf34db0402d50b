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
                let help = format!("write \"{}(field)\"", self.function);
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

    /// Faults a function that there is not.
    pub fn unknown(&self, section: &Section<'_>, functions: &[&str]) {
        let message = format!("unknown function \"{}\"", self.function);
        let help = did_you_mean(&self.function, functions.iter().copied(), "the functions are");
        section.sheet.fault(Fault::new(message, self.function_span.clone()).help(help));
    }
}
