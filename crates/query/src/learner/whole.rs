//! All that is stored of a learner, over all bolts of a topology.

use super::record;
use crate::{QueryError, Stored, board::Board, catalog, rows::board_row};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};
use smol_str::SmolStr;
use tallyd_bolt::{FieldRef, calendar::Calendar};
use tallyd_kind::{
    record::Asked,
    row::{Cell, Row},
    view::{Form, View, records},
};
use tallyd_leaderboard::Options;
use tallyd_store::{Connection, keys::Keys};
use tallyd_topology::Topology;

/// The fields of a group, with their values.
type Group = Vec<(SmolStr, SmolStr)>;

/// What is stored of a learner. JSON has a member for each view of one learner, called as the view.
#[derive(Clone, Debug)]
pub struct Learner {
    /// Who.
    pub learner: SmolStr,
    /// For each view of one learner that the topology's types of bolts have, what each bolt says.
    pub records: Vec<(&'static View, Vec<RecordOf>)>,
    /// The learner's places on boards in the periods that are now: of everyone, and of the groups
    /// that were asked for.
    pub boards: Vec<RankOf>,
}

/// What a bolt says of a learner.
#[derive(Clone, Debug)]
pub struct RecordOf {
    /// The bolt.
    pub bolt: SmolStr,
    /// Its rows.
    pub rows: Vec<Row>,
    /// What JSON calls the list of rows; without it there is one, and its columns stand by themselves.
    list: Option<&'static str>,
}

/// A learner's place on a board.
#[derive(Clone, Debug, Serialize)]
pub struct RankOf {
    /// The leaderboard.
    pub bolt: SmolStr,
    /// The group; empty for everyone.
    pub by: Map<String, Value>,
    /// The name of the kind of period.
    pub period: SmolStr,
    /// Which one.
    pub label: SmolStr,
    /// How many members the board has.
    pub size: u64,
    /// The row, without the member.
    #[serde(flatten)]
    pub row: Row,
}

impl Learner {
    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.iter().all(|(_, of_bolts)| of_bolts.is_empty()) && self.boards.is_empty()
    }

    /// Reads what is stored of a learner: by all bolts, with the boards of everyone and of the
    /// groups `by`, in the periods that hold `now`.
    ///
    /// # Errors
    /// Where the server can't be read, or holds what no bolt wrote.
    pub async fn read(
        c: &mut Connection,
        (topology, keys): (&Topology, &Keys),
        learner: &str,
        by: &[(SmolStr, SmolStr)],
        now: i64,
    ) -> Result<Self, QueryError> {
        let mut all = Self {
            learner: learner.into(),
            records: records(topology.kinds).map(|(view, _)| (view, Vec::new())).collect(),
            boards: Vec::new(),
        };
        let asked = Asked { learner, now, partitions: topology.partitions };
        for (name, options) in catalog::bolts(topology, Some) {
            let mut results = Stored::new(c, keys, name);
            if let Some(of) = options.record() {
                let rows = record(&mut results, of, asked).await?;
                all.add(name, rows);
            }
            if let Some(options) = catalog::as_leaderboard(options) {
                for (group, board) in boards(options, &topology.calendar, by, now)? {
                    let found = board.of(&mut results, learner).await?;
                    all.boards.extend(found.map(|(standing, size)| {
                        let row = board_row(&standing, size, None);
                        RankOf::new(name, &group, &board, row, size)
                    }));
                }
            }
        }
        Ok(all)
    }

    /// Adds what a bolt says to that of its view.
    fn add(&mut self, bolt: &str, rows: Vec<Row>) {
        let Some(first) = rows.first() else { return };
        let of = self.records.iter_mut().find(|(view, _)| first.is_of(view));
        if let Some((view, of_bolts)) = of {
            let list = match view.form {
                Form::Record(list) => list,
                Form::Board | Form::Stats => None,
            };
            of_bolts.push(RecordOf { bolt: bolt.into(), rows, list });
        }
    }
}

impl Serialize for Learner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("learner", &self.learner)?;
        for (view, of_bolts) in &self.records {
            map.serialize_entry(view.name, of_bolts)?;
        }
        map.serialize_entry("boards", &self.boards)?;
        map.end()
    }
}

impl Serialize for RecordOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("bolt", &self.bolt)?;
        match self.list {
            Some(list) => map.serialize_entry(list, &self.rows)?,
            None => {
                let told = self.rows.iter().flat_map(Row::told);
                for (column, cell) in told {
                    map.serialize_entry(column.name, cell)?;
                }
            }
        }
        map.end()
    }
}

/// The boards of a leaderboard that hold `now`: of everyone, and of the groups that were asked for.
fn boards(
    options: &Options,
    calendar: &Calendar,
    by: &[(SmolStr, SmolStr)],
    now: i64,
) -> Result<Vec<(Group, Board)>, QueryError> {
    let given = |field: &FieldRef| by.iter().find(|(name, _)| *name == field.name).cloned();
    let mut all = Vec::new();
    for fields in &options.boards {
        let group: Option<Group> = fields.iter().map(given).collect();
        let Some(group) = group else { continue };
        for period in &options.periods {
            let board = Board::new(options, calendar, &group, Some(&period.name), now)?;
            all.push((group.clone(), board));
        }
    }
    Ok(all)
}

impl RankOf {
    fn new(bolt: &str, group: &[(SmolStr, SmolStr)], board: &Board, row: Row, size: u64) -> Self {
        let by = group.iter().map(|(field, value)| (field.to_string(), value.as_str().into()));
        Self {
            bolt: bolt.into(),
            by: by.collect(),
            period: board.period.clone(),
            label: board.window.label.clone(),
            size,
            row: row.with("member", Cell::LeftOut),
        }
    }
}
