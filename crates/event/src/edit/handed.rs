//! What is on its way from one partition of a bolt to another.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What a partition of a bolt hands over to another one, in an edit that goes from the one to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// The bolt: others may read the same stream.
    pub bolt: SmolStr,
    /// What it is, as the bolt writes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
}
