//! What is stored of one learner: the views of the form [`Form::Record`], each bolt's by itself, or all
//! of them with the learner's ranks.
//!
//! [`Form::Record`]: tallyd_kind::view::Form::Record

mod whole;

pub use whole::{Learner, RankOf, RecordOf};

use crate::{QueryError, Results};
use tallyd_kind::{
    record::{Asked, Found, Record, Step},
    row::Row,
};

/// The most steps to the rows of a learner. A bolt that asks for more asks in a circle.
const STEPS: usize = 8;

/// The rows of a learner; none for one of whom nothing is stored.
///
/// # Errors
/// Where the results can't be read, or are none of the bolt.
pub async fn record(
    results: &mut impl Results,
    record: &dyn Record,
    asked: Asked<'_>,
) -> Result<Vec<Row>, QueryError> {
    let mut found = Found::default();
    for _ in 0..STEPS {
        let step = record.read(asked, &found);
        match step.map_err(|error| QueryError::Unreadable(error.to_string()))? {
            Step::Fields(keys, names) => {
                let rows = results.fields(&keys, &names).await?;
                for (key, row) in keys.iter().zip(rows) {
                    let fields = names.iter().zip(row);
                    fields.for_each(|(name, value)| found.add_field(key, name, value));
                }
            }
            Step::Rows(rows) => return Ok(rows),
            Step::Hash(key) => {
                let hash = results.hash(&key).await?;
                found.add_hash(key, hash);
            }
        }
    }
    Err(QueryError::Unreadable(format!("no rows after {STEPS} steps: the bolt asks in a circle")))
}
