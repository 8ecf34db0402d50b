//! The results of a part of a bolt as a file: a line of JSON that says what it is, and one for each
//! row.

use crate::connect::Open;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::PathBuf,
};
use tallyd_bolt::{
    Key,
    calendar::{Length, Window},
};
use tallyd_event::Scope;
use tallyd_kind::row::Row;
use tallyd_query::{
    Stored,
    board::{Board, MOST_ROWS},
    catalog, head,
    parts::{self, Part},
    rows::board_row,
};
use tallyd_store::server_ms;
use tallyd_topology::{NodeKind, Topology};

/// Of what moment the results are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before the edit was sent, while events were counted.
    Before,
    /// After the edit: nothing changes them any more.
    Final,
}

/// A file that is to be written. It gets its name when it is whole.
pub(super) struct Snapshot {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
}

impl Snapshot {
    /// A new file.
    pub(super) fn create(path: PathBuf) -> anyhow::Result<Self> {
        if path.exists() {
            bail!("{} is there already: choose another name for the snapshot", path.display());
        }
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let file =
            File::create(&part).with_context(|| format!("can't write {}", part.display()))?;
        Ok(Self { path, part, file: BufWriter::new(file) })
    }

    /// Writes the results of a scope.
    pub(super) async fn write(
        mut self,
        open: &mut Open,
        (edit, scope): (&str, &Scope),
        moment: Moment,
    ) -> anyhow::Result<()> {
        let from = server_ms(&mut open.connection).await?;
        let found = parts::groups(&mut open.connection, &open.topology, &open.keys, scope).await?;
        let mut rows: Vec<Value> = Vec::new();
        for part in &found {
            rows.extend(of_part(open, &scope.bolt, part).await?);
        }
        let to = server_ms(&mut open.connection).await?;
        if moment == Moment::Final {
            still_closed(open, scope).await?;
        }
        let moment = match moment {
            Moment::Before => "before the edit was sent; events were counted meanwhile",
            Moment::Final => "final: what was sent before the edit, and nothing else",
        };
        let head = json!({
            "bolt": scope.bolt, "edit": edit, "moment": moment, "read_from": from, "read_to": to,
            "parts": found.len(), "rows": rows.len(),
        });
        let path = self.path.clone();
        self.put(&head, &rows).with_context(|| format!("can't write {}", path.display()))
    }

    fn put(&mut self, head: &Value, rows: &[Value]) -> std::io::Result<()> {
        for line in std::iter::once(head).chain(rows) {
            writeln!(self.file, "{line}")?;
        }
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.part, &self.path)
    }
}

impl Drop for Snapshot {
    /// What did not become a snapshot leaves nothing behind.
    fn drop(&mut self) {
        // Once it has its name there is nothing to remove.
        let _ = fs::remove_file(&self.part);
    }
}

/// Boards may have started over since they were closed, where an edit is asked for again by its id.
async fn still_closed(open: &mut Open, scope: &Scope) -> anyhow::Result<()> {
    let head = head(&mut open.connection, &open.keys, &scope.bolt).await?;
    let (period, label) = (scope.period.as_ref(), scope.label.as_ref());
    match period.zip(label).is_some_and(|(period, label)| head.is_closed(period, label)) {
        true => Ok(()),
        false => bail!("it is not closed any more: its boards started over, or are kept no longer"),
    }
}

/// The rows of a group in a period or window, each with what it is of.
async fn of_part(open: &mut Open, bolt: &str, part: &Part) -> anyhow::Result<Vec<Value>> {
    let Open { topology, keys, connection } = open;
    let mut results = Stored::new(connection, keys, bolt);
    let window = window(topology, bolt, part)?;
    let values = values(&part.group);
    let mut rows: Vec<Row> = Vec::new();
    let options = catalog::leaderboard(topology, bolt)?;
    let (period, at) = (Some(part.period.as_str()), window.start);
    let board = Board::new(options, &topology.calendar, &values, period, at)?;
    loop {
        let page = board.page(&mut results, rows.len() as u64, MOST_ROWS).await?;
        rows.extend(page.standings.iter().map(|of| board_row(of, page.size, None)));
        if (page.standings.len() as u64) < MOST_ROWS {
            break;
        }
    }
    let group: Value =
        values.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    let line = |row: &Row| {
        let mut line = json!({ "period": part.period, "label": part.label, "group": group });
        if let (Value::Object(line), Ok(Value::Object(row))) =
            (&mut line, serde_json::to_value(row))
        {
            line.extend(row);
        }
        line
    };
    Ok(rows.iter().map(line).collect())
}

/// The values of a group's fields, as it stands in keys.
fn values(group: &str) -> Vec<(SmolStr, SmolStr)> {
    // That of everyone has none.
    let pairs = group.split(':').filter_map(|part| part.split_once('='));
    pairs.map(|(name, value)| (Key::decode(name).into(), Key::decode(value).into())).collect()
}

/// The period or window of a part.
fn window(topology: &Topology, bolt: &str, part: &Part) -> anyhow::Result<Window> {
    let extent = topology.node(bolt).and_then(|(_, node)| match &node.kind {
        NodeKind::Bolt(bolt) => bolt.options.extent(),
        NodeKind::Source(_) => None,
    });
    let length = |length: Length| topology.calendar.labelled(length, &part.label);
    let of = extent.and_then(|extent| {
        let (_, of, _) = extent.periods.into_iter().find(|(name, ..)| *name == part.period)?;
        length(of)
    });
    of.with_context(|| format!("{bolt} has no {} {}", part.period, part.label))
}
