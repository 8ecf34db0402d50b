//! The events that a bolt reads, as far as the file declares them, and the fields that its
//! options name.

use crate::{
    corrected::Corrected,
    fault::{Fault, did_you_mean},
    key_spec::type_names,
    section::{Section, word, wrong_kind},
    sheet::{Item, Sheet, Word},
};
use smol_str::SmolStr;
use std::{ops::Range, sync::Arc};
use tallyd_bolt::FieldRef;
use tallyd_event::{Field, FieldType, Schema};

/// What the events of a node look like.
#[derive(Clone, Debug)]
pub struct Input {
    /// The source or bolt that emits them.
    pub node: SmolStr,
    /// What its events look like.
    pub schema: Arc<Schema>,
    /// Where each field of the schema is declared, if the file does it.
    pub declared: Arc<[Range<usize>]>,
    /// Fields whose declaration is faulty: nothing is said about their use.
    pub unsure: Arc<[SmolStr]>,
    /// By what its events are corrected, if they are.
    pub corrected: Option<Arc<Corrected>>,
}

/// What is known of the events that a node emits.
#[derive(Clone, Debug)]
pub enum Output {
    /// These events.
    Events(Input),
    /// None; with what to write in its table so that it emits some, if anything.
    Nothing(Option<&'static str>),
    /// Its options are faulty.
    Unknown,
}

impl Input {
    /// The events of a bolt that makes its own.
    pub fn of_bolt(node: &str, schema: Schema) -> Self {
        Self {
            node: node.into(),
            schema: Arc::new(schema),
            declared: Arc::new([]),
            unsure: Arc::new([]),
            corrected: None,
        }
    }

    /// Whether an event may leave a field out.
    pub fn is_optional(&self, field: &FieldRef) -> bool {
        self.schema.fields.get(field.index).is_some_and(|declared| declared.optional)
    }

    /// The same events, passed on by another node.
    pub fn passed_on_by(&self, node: &str) -> Self {
        Self { node: node.into(), ..self.clone() }
    }

    /// The field that a word names. `types` are what `purpose` can take; none means any.
    pub fn field(
        &self,
        sheet: &Sheet<'_>,
        name: &str,
        span: Range<usize>,
        types: &[FieldType],
        purpose: &str,
    ) -> Option<(FieldRef, &Field)> {
        let Some(index) = self.schema.index(name) else {
            if !self.unsure.iter().any(|unsure| unsure == name) {
                sheet.fault(self.no_field(name, span));
            }
            return None;
        };
        let field = self.schema.fields.get(index)?;
        if types.is_empty() || field.kind.is_one_of(types) {
            return Some((FieldRef { index, name: field.name.clone() }, field));
        }
        let wanted = type_names(types);
        let fit = self.schema.fields.iter().filter(|field| field.kind.is_one_of(types));
        let fit: Vec<&str> = fit.map(|field| field.name.as_str()).collect();
        let help = match fit.as_slice() {
            // How many of a bool are true is what its sum is taken for.
            _ if field.kind == FieldType::Bool && matches!(purpose, "sum" | "mean") => {
                format!("write \"count({name})\": how many are true")
            }
            _ if field.kind == FieldType::Bool && purpose.starts_with("a score") => {
                "a score is of numbers: let producers send 1 or 0 in an int field".to_owned()
            }
            [] => format!("no field of \"{}\" is {wanted}", self.node),
            names => format!("the fields that are {wanted}: {}", names.join(", ")),
        };
        let message =
            format!("field \"{name}\" is {}, but {purpose} needs {wanted}", field.kind.name());
        let mut fault = Fault::new(message, span).help(help);
        if let Some(declared) = self.declared.get(index) {
            fault = fault.beside(declared.clone(), "declared here");
        }
        sheet.fault(fault);
        None
    }

    fn no_field(&self, name: &str, span: Range<usize>) -> Fault {
        let names = self.schema.fields.iter().map(|field| field.name.as_str());
        let names = names.chain(self.unsure.iter().map(SmolStr::as_str));
        Fault::new(format!("the events of \"{}\" have no field \"{name}\"", self.node), span)
            .help(did_you_mean(name, names, "their fields are"))
    }
}

impl Section<'_> {
    /// The field that a key names. Without an input only the key itself is checked.
    pub fn field(&self, key: &str, input: Option<&Input>, types: &[FieldType]) -> Option<FieldRef> {
        let word = self.text(key)?;
        let purpose = format!("\"{key}\"");
        let field = input?.field(self.sheet, &word.text, word.span, types, &purpose);
        field.map(|(field, _)| field)
    }

    /// The fields that a key lists, each once.
    pub fn fields(&self, key: &str, input: Option<&Input>) -> Option<Vec<FieldRef>> {
        let items = self.list(key)?;
        field_list(self.sheet, key, &items, input)
    }
}

/// A list of fields of any type, each once.
pub fn field_list(
    sheet: &Sheet<'_>,
    key: &str,
    items: &[Item<'_>],
    input: Option<&Input>,
) -> Option<Vec<FieldRef>> {
    let mut fields = Vec::new();
    let mut seen: Vec<Word> = Vec::new();
    for item in items {
        let Some(word) = word(item) else {
            sheet.fault(wrong_kind(key, "a list of fields", item));
            continue;
        };
        if let Some(first) = seen.iter().find(|first| first.text == word.text) {
            let fault = Fault::new(format!("field \"{}\" stands twice", word.text), word.span)
                .beside(first.span.clone(), "it stands here first")
                .help("take one away");
            sheet.fault(fault);
            continue;
        }
        if let Some(input) = input {
            let found = input.field(sheet, &word.text, word.span.clone(), &[], key);
            fields.extend(found.map(|(field, _)| field));
        }
        seen.push(word);
    }
    (fields.len() == items.len()).then_some(fields)
}
