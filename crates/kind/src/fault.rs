//! What is wrong with a topology file: one fault with its place and the fix.

use std::ops::Range;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, with the values.
    pub message: String,
    /// The bytes of the file that it is about.
    pub span: Range<usize>,
    /// Other places that belong to it, and what is said there.
    pub beside: Vec<(Range<usize>, String)>,
    /// The fix.
    pub help: Option<String>,
}

impl Fault {
    /// A fault at a place, without a fix.
    pub fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span, beside: Vec::new(), help: None }
    }

    /// With another place that belongs to it, and what is said there.
    #[must_use]
    pub fn beside(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.beside.push((span, label.into()));
        self
    }

    /// With the fix.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The name that was probably meant, if one is close.
pub fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let near = |name: &&str| {
        let name = name.to_lowercase();
        let edits = strsim::osa_distance(&given, &name);
        let likeness = strsim::jaro_winkler(&given, &name);
        (edits <= 1 || edits * 3 <= name.chars().count() || likeness > 0.88).then_some(likeness)
    };
    names
        .into_iter()
        .filter_map(|name| near(&name).map(|likeness| (name, likeness)))
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(name, _)| name)
}

/// The fix of a wrong name: the nearest right one, or all there are.
pub fn did_you_mean<'a>(
    given: &str,
    names: impl IntoIterator<Item = &'a str>,
    what: &str,
) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let all = || format!("{what}: {}", names.join(", "));
    match nearest(given, names.iter().copied()) {
        Some(name) if names.len() <= 12 => format!("did you mean \"{name}\"? {}", all()),
        Some(name) => format!("did you mean \"{name}\"?"),
        None if names.is_empty() => format!("{what}: none"),
        None => all(),
    }
}
