//! What a topology says of a dedup bolt.

/// The options of a dedup bolt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// For how long an identity is remembered at least, in ms.
    pub window_ms: i64,
}

impl Options {
    /// What the stored data depends on: data that was written under another shape can't be used.
    #[must_use]
    pub fn shape(&self) -> Vec<(String, String)> {
        vec![
            ("type".to_owned(), "dedup".to_owned()),
            ("window".to_owned(), self.window_ms.to_string()),
        ]
    }
}
