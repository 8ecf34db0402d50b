//! Everything that is wrong with a topology file, rendered together.

use crate::redis_address::masked;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};
use std::{fmt, ops::Range};
use tallyd_kind::fault::Fault;

/// Everything that is wrong with one file, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// What the file is called in messages.
    pub file_name: String,
    /// The text of the file, with a star for each byte of a password.
    pub text: String,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl Faults {
    pub(crate) fn new(file_name: &str, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
        faults.dedup();
        Self { file_name: file_name.to_owned(), text: masked(text), faults }
    }

    /// The faults for a person: each with the line, a caret under the place and the fix, and a
    /// last line that counts them. `color` adds terminal colours.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for fault in &self.faults {
            text.push_str(&renderer.render(&[self.group(fault)]));
            text.push_str("\n\n");
        }
        let faults = if self.faults.len() == 1 { "fault" } else { "faults" };
        text.push_str(&format!("{} {faults} in {}\n", self.faults.len(), self.file_name));
        text
    }

    fn group<'a>(&'a self, fault: &'a Fault) -> Group<'a> {
        let primary = AnnotationKind::Primary.span(self.within(&fault.span));
        let beside = fault.beside.iter().map(|(span, label)| {
            AnnotationKind::Context.span(self.within(span)).label(label.as_str())
        });
        let snippet = Snippet::source(self.text.as_str())
            .path(self.file_name.as_str())
            .annotation(primary)
            .annotations(beside);
        let group = Level::ERROR.primary_title(fault.message.as_str()).element(snippet);
        match &fault.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }

    /// A span that the renderer can take: inside the text and on the borders of characters.
    fn within(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        start..self.text.ceil_char_boundary(span.end).max(start)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Faults {}
