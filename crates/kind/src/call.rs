//! A function of a field, such as `mean(ms)`, as measures and scores are written.

mod meant;

use crate::{fault::Fault, input::Input, section::Section, sheet::Word};
use std::ops::Range;
use tallyd_bolt::FieldRef;
use tallyd_event::{Field, FieldType};

/// `function(field)`, or `function` alone.
pub struct Call {
    /// The function.
    pub function: String,
    field: Option<(String, Range<usize>)>,
    function_span: Range<usize>,
    span: Range<usize>,
    /// It is what a leaderboard ranks by.
    is_score: bool,
}

impl Call {
    /// Reads it, or faults what is no function of a field.
    pub fn parse(section: &Section<'_>, word: Word) -> Option<Call> {
        let text = word.text.as_str();
        let trimmed = text.trim();
        let (function, field) = match trimmed.split_once('(') {
            None => (trimmed, None),
            Some((function, rest)) => match rest.strip_suffix(')') {
                Some(field) if !field.contains(['(', ')']) => (function.trim(), Some(field.trim())),
                _ => {
                    let message = format!("\"{text}\" is not a function of a field");
                    let help = meant::of_text(trimmed);
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
            is_score: false,
        })
    }

    /// The same, to rank by.
    pub fn of_score(self) -> Self {
        Self { is_score: true, ..self }
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
                let input = input?;
                let is_known = input.schema.index(name).is_some();
                if let Some(help) = meant::of_field(&self.function, name).filter(|_| !is_known) {
                    let message = format!("\"{name}\" is not a field");
                    section.sheet.fault(Fault::new(message, span.clone()).help(help));
                    return None;
                }
                let purpose = match self.is_score {
                    true => format!("a score's {}", self.function),
                    false => self.function.clone(),
                };
                input.field(section.sheet, name, span.clone(), types, &purpose)
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
        let help = match self.is_score {
            true => "write \"count\" to rank by all events; to rank by some of them, let producers send \
                     1 or 0 in an int field, and write \"sum(field)\""
                .to_owned(),
            false => format!("write \"{}\"", self.function),
        };
        section.sheet.fault(Fault::new(message, self.span.clone()).help(help));
        None
    }

    /// Faults a function that there is not. What was probably meant is said.
    pub fn unknown(&self, section: &Section<'_>, input: Option<&Input>, functions: &[&str]) {
        let given = self.function.as_str();
        let field = self.field.as_ref().map(|(name, _)| name.as_str());
        let is_field = |name: &str| input.is_some_and(|i| i.schema.index(name).is_some());
        let help = meant::of_function(given, field, functions, is_field);
        let message = format!("unknown function \"{given}\"");
        section.sheet.fault(Fault::new(message, self.function_span.clone()).help(help));
    }
}
