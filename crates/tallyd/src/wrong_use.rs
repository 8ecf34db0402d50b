//! Wrong use that the argument parser can't see, because it takes the topology to see it: exit
//! code 2.

use std::{error::Error, fmt};
use tallyd_query::QueryError;

/// What was wrong with the arguments, for people.
#[derive(Debug)]
pub struct WrongUse(pub String);

impl fmt::Display for WrongUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for WrongUse {}

/// Whether a failure came of how the command was used.
pub fn is_wrong_use(error: &anyhow::Error) -> bool {
    let asked_wrongly = |error: &(dyn Error + 'static)| {
        let query = error.downcast_ref::<QueryError>();
        matches!(
            query,
            Some(
                QueryError::Unknown { .. }
                    | QueryError::TooManyWindows(_)
                    | QueryError::TooMany { .. }
            )
        )
    };
    error.chain().any(|error| error.is::<WrongUse>() || asked_wrongly(error))
}
