//! How an edit is asked for: looked at first, then sent.

use crate::{connect::Open, terminal::safe, wrong_use::WrongUse};
use anyhow::{Context, bail};
use std::process::ExitCode;
use tallyd_event::{Edit, EditKind};
use tallyd_query::preview;
use tallyd_store::{
    edits::{self, Record, Refusal, Request},
    server_ms,
};

/// How an edit of a member is asked for, whatever it does.
#[derive(clap::Args)]
pub(crate) struct Asked {
    /// Who asks for it, for the list of edits
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    pub(crate) by: Option<String>,
    /// An id of your own, without the member's name: the same id takes effect once, however often
    /// it is sent
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Only say what it would change, and what stays
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl Asked {
    /// The edit of a kind, with its id and who asks for it.
    pub(crate) fn request(&self, kind: EditKind) -> Request {
        Request {
            id: self.id.as_deref().unwrap_or_default().into(),
            kind: kind.name().into(),
            by: self.by.as_deref().unwrap_or_default().into(),
            ..Request::default()
        }
    }
}

/// What is known before an edit is sent.
pub(crate) enum Looked {
    /// It was accepted before.
    Accepted(Box<Record>),
    /// It would be this one, and change so many results.
    Would(Box<Edit>, u64),
}

/// Looks at what an edit would do. The request says all of it afterwards, its id too.
pub(crate) async fn look(open: &mut Open, request: &mut Request) -> anyhow::Result<Looked> {
    let id = request.id.clone();
    if let Some(before) = before(open, &id).await? {
        return Ok(Looked::Accepted(Box::new(before)));
    }
    let Open { topology, keys, connection } = open;
    let now = server_ms(connection).await?;
    let edit = edits::check(topology, request, now).map_err(|refusal| match refusal {
        Refusal::WhichField(_) | Refusal::WhichPerson(_) => {
            WrongUse(format!("{refusal}, by --field"))
        }
        _ => WrongUse(refusal.to_string()),
    })?;
    let may = edits::may_be_now(connection, topology, keys, &edit).await?;
    may.map_err(|refusal| WrongUse(refusal.to_string()))?;
    let changes = preview(connection, topology, keys, &edit).await?;
    let results = changes.map_err(|why| WrongUse(why.to_string()))?;
    let id = if request.id.is_empty() { edits::new_id()? } else { request.id.clone() };
    *request = Request { id, by: request.by.clone(), ..Request::of(&edit) };
    Ok(Looked::Would(Box::new(edit), results))
}

/// The edit that was accepted with this id before, if one was; an empty id is that of none.
pub(crate) async fn before(open: &mut Open, id: &str) -> anyhow::Result<Option<Record>> {
    if id.is_empty() {
        return Ok(None);
    }
    Ok(one(open, id).await?.filter(|record| record.refused.is_none()))
}

/// Sends an edit, and sees that it is accepted.
pub(crate) async fn send(open: &mut Open, mut request: Request) -> anyhow::Result<Record> {
    if request.id.is_empty() {
        request.id = edits::new_id()?;
    }
    let again = || format!("run it again with --id {}: it takes effect once", request.id);
    let Open { topology, keys, connection } = &mut *open;
    let record = edits::send(connection, topology, keys, &request).await.with_context(again)?;
    let record = record.with_context(again)?;
    if let Some(refused) = &record.refused {
        bail!("edit {} was refused: {refused}", record.id);
    }
    Ok(record)
}

/// What is known of an edit.
pub(crate) async fn one(open: &mut Open, id: &str) -> anyhow::Result<Option<Record>> {
    Ok(edits::one(&mut open.connection, &open.topology, &open.keys, id).await?)
}

/// Says what an edit would do that is not sent.
pub(crate) fn would(json: bool, what: &str, results: u64, of: &str) -> anyhow::Result<ExitCode> {
    if json {
        outln!("{}", serde_json::json!({ "would_change": results }))?;
    } else {
        outln!("{} would change {results} {of}", safe(what))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says that an edit is accepted.
pub(crate) fn accepted(json: bool, record: &Record, how: &str) -> anyhow::Result<ExitCode> {
    if json {
        outln!("{}", serde_json::to_string_pretty(record)?)?;
    } else {
        let (id, edit) = (safe(&record.id), safe(&said(record)));
        let more = match record.is_over() {
            true => "",
            false => "; how far it is: tallyd edits; wait for it: tallyd wait",
        };
        outln!("edit {id} {how}: {edit}{more}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What an edit does, in a few words.
pub(crate) fn said(record: &Record) -> String {
    let Record { kind, field, from, to, points, bolt, period, label, group, .. } = record;
    let is_forgotten = record.member.is_empty() && !field.is_empty();
    let member = if is_forgotten { "(forgotten)" } else { &record.member };
    let mut said: Vec<&str> = [kind, bolt, period, label, group, field].map(String::as_str).into();
    said.push(member);
    said.extend([from.as_str(), if to.is_empty() { "" } else { "to" }, to]);
    said.extend((points == "leave").then_some("without points"));
    said.extend((!record.counts.is_empty()).then_some("and subtract counts"));
    said.retain(|of| !of.is_empty());
    said.join(" ")
}
