//! What a result missed while no plan in force had it, for people and as JSON.

use crate::{output::Unwritten, terminal::safe};
use serde::Serialize;
use smol_str::SmolStr;
use tallyd_query::status::{GapOf, gaps};
use tallyd_runtime::plan::{Gap, Plan};
use tallyd_store::{Connection, keys::Keys, plan};

/// A result as JSON, with what it missed.
#[derive(Serialize)]
pub struct WithGaps<T> {
    #[serde(flatten)]
    pub of: T,
    pub gaps: Vec<GapOf>,
}

/// What some sources and bolts missed: the part, and the events.
pub struct Gaps(Vec<(SmolStr, Gap)>);

impl Gaps {
    /// The gaps of these bolts.
    ///
    /// # Errors
    /// Where the server can't be read.
    pub async fn read<'a>(
        connection: &mut Connection,
        keys: &Keys,
        bolts: impl IntoIterator<Item = &'a str>,
    ) -> anyhow::Result<Self> {
        let plan = plan::read(connection, keys).await?.unwrap_or_default();
        let gaps = bolts.into_iter().flat_map(|bolt| {
            let gaps: Vec<_> = plan.gaps_of(bolt).map(|(part, gap)| (part.clone(), *gap)).collect();
            gaps
        });
        Ok(Self(gaps.collect()))
    }

    /// All gaps of a plan.
    pub fn of(plan: &Plan) -> Self {
        let gaps = plan.gaps.iter();
        Self(gaps.flat_map(|(part, gaps)| gaps.iter().map(|gap| (part.clone(), *gap))).collect())
    }

    /// As JSON: times in ms since the epoch.
    pub fn json(&self) -> Vec<GapOf> {
        gaps(self.0.iter().map(|(part, gap)| (part, gap)))
    }

    /// Prints one line for each.
    pub fn print(&self) -> Result<(), Unwritten> {
        self.0.iter().try_for_each(|(part, gap)| outln!("{}", safe(&said(part, *gap))))
    }

    /// Writes one line for each to standard error: for whoever asked for rows, and got none.
    pub fn complain(&self) {
        self.0.iter().for_each(|(part, gap)| errln!("{}", safe(&said(part, *gap))));
    }
}

fn said(part: &str, gap: Gap) -> String {
    match (gap.from.map(when), gap.to.map(when)) {
        (None, None) => format!("{part}: takes no events"),
        (None, Some(to)) => format!("{part}: whole since {to}"),
        (Some(from), None) => format!("{part}: gap from {from} on, because the file leaves it out"),
        (Some(from), Some(to)) => format!("{part}: gap from {from} to {to}"),
    }
}

/// A time for people.
pub fn when(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_one_line() {
        let said = |from, to| said("board", Gap { from, to });
        assert_eq!(said(None, Some(0)), "board: whole since 1970-01-01T00:00:00Z");
        assert_eq!(
            said(Some(0), Some(1500)),
            "board: gap from 1970-01-01T00:00:00Z to 1970-01-01T00:00:01.5Z"
        );
        assert!(said(Some(0), None).ends_with("because the file leaves it out"));
    }
}
