//! `tallyd forget`: all that is kept of a member, taken out.

use crate::{
    connect::{Open, Target},
    edits::ask::{Asked, accepted, before, send},
    gaps::when,
    terminal::safe,
    wrong_use::WrongUse,
};
use std::process::ExitCode;
use tallyd_event::{Edit, EditKind};
use tallyd_query::footprint;
use tallyd_store::{
    edits::{self, Counted, Record, Refusal, Request},
    server_ms,
};
use tallyd_topology::Topology;

/// The arguments of `tallyd forget`.
#[derive(clap::Args)]
pub struct Args {
    /// The member, as events name it
    member: String,
    #[command(flatten)]
    target: Target,
    /// The field of the source that names the member, where results are kept by several
    #[arg(long)]
    field: Option<String>,
    /// What becomes of the counts that the member's events added to: keep, or subtract what the source
    /// still has
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    counts: String,
    #[command(flatten)]
    asked: Asked,
}

/// Sends the edit, and sees that it is accepted.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut open = args.target.open().await?;
    if let Some(before) = before(&mut open, args.asked.id.as_deref().unwrap_or_default()).await? {
        return accepted(args.target.json, &before, "was accepted before");
    }
    let request = Request {
        member: args.member.as_str().into(),
        field: args.field.clone().unwrap_or_default().into(),
        counts: args.counts.as_str().into(),
        ..args.asked.request(EditKind::Forget)
    };
    let now = server_ms(&mut open.connection).await?;
    let edit = edits::check(&open.topology, &request, now).map_err(|refusal| match refusal {
        Refusal::WhichPerson(_) => WrongUse(format!("{refusal}, by --field")),
        _ => WrongUse(refusal.to_string()),
    })?;
    let may = edits::may_be_now(&mut open.connection, &open.topology, &open.keys, &edit).await?;
    may.map_err(|refusal| WrongUse(refusal.to_string()))?;
    if args.asked.dry_run {
        return would_change(&mut open, args.target.json, &edit).await;
    }
    let record = send(&mut open, request).await?;
    let said = accepted(args.target.json, &record, "is accepted")?;
    if !args.target.json {
        say_stays(&open.topology, &edit.field, edit.subtracts)?;
    }
    Ok(said)
}

/// Says what would be taken out, and what stays.
async fn would_change(open: &mut Open, json: bool, edit: &Edit) -> anyhow::Result<ExitCode> {
    let Open { topology, keys, connection } = open;
    let (field, member) = (edit.field.as_str(), edit.member.as_str());
    let found = footprint(connection, topology, keys, (field, member)).await?;
    let counted = match edit.subtracts {
        true => Some(edits::counted(connection, topology, keys, edit).await?),
        false => None,
    };
    if json {
        let stays: serde_json::Map<String, serde_json::Value> = topology
            .stays(field, edit.subtracts)
            .into_iter()
            .map(|(bolt, what)| (bolt.to_string(), what.into()))
            .collect();
        let mut said = serde_json::Map::new();
        said.insert("would_change".into(), serde_json::to_value(found)?);
        said.insert("stays".into(), stays.into());
        if let Some(counted) = counted {
            said.insert("counts".into(), serde_json::to_value(counted)?);
        }
        let said = serde_json::Value::Object(said);
        outln!("{said}")?;
        return Ok(ExitCode::SUCCESS);
    }
    outln!(
        "forget {field} {} would take out: {} boards, {} groups of aggregates, what {} bolts keep of a \
         learner; and its dead letters, examples of late events, and entries of sources and sinks",
        safe(member),
        found.boards,
        found.groups,
        found.learners
    )?;
    if let Some(counted) = counted {
        say_counted("would be taken", &counted)?;
    }
    say_stays(topology, field, edit.subtracts)?;
    Ok(ExitCode::SUCCESS)
}

/// Says what is or would be taken out of counts, and what of it is not.
fn say_counted(how: &str, counted: &Counted) -> anyhow::Result<()> {
    let Counted { subtracted, retained_since, shared } = counted;
    for of in subtracted {
        outln!("{how} out of {}: what {} events added", of.bolt, of.events)?;
        for (reason, events) in &of.left {
            let why = match reason.as_str() {
                "gap" => {
                    "they came when it, or a part of it, was not in the file, or another (tallyd status)"
                }
                "dead" => {
                    "it made dead letters at some time, so which events it counted is not known"
                }
                _ => "their entries do not say when they came",
            };
            outln!("stays in {}: what {events} events may have added: {why}", of.bolt)?;
        }
    }
    for (stream, at) in retained_since {
        outln!(
            "stays: what events added that {} has no more: it has those since {}",
            safe(stream),
            when(*at)
        )?;
    }
    for (stream, at) in shared {
        outln!(
            "stays: what events added that {} lost in batches with those of somebody forgotten before, \
             the last of {}",
            safe(stream),
            when(*at)
        )?;
    }
    Ok(())
}

fn say_stays(topology: &Topology, field: &str, subtracts: bool) -> anyhow::Result<()> {
    for (bolt, what) in topology.stays(field, subtracts) {
        outln!("stays in {bolt}: {what}")?;
    }
    Ok(())
}

/// Says what an edit that forgot a member took out of streams, and what stays.
pub fn say_swept(topology: &Topology, record: &Record) -> anyhow::Result<()> {
    let Some(swept) = &record.swept else { return Ok(()) };
    outln!(
        "\ntaken out of streams: {} entries of sources, {} of sinks, {} dead letters, {} examples of \
         late events{}",
        swept.entries,
        swept.sinks,
        swept.letters,
        swept.examples,
        swept.at.map_or_else(|| "; more to do".to_owned(), |at| format!("; done {}", when(at)))
    )?;
    for (stream, why) in &swept.left {
        outln!("not swept: {}: {}", safe(stream), safe(why))?;
    }
    let subtracts = !record.counts.is_empty();
    if subtracts {
        let counted = Counted {
            subtracted: record.subtracted.clone(),
            retained_since: record.retained_since.clone(),
            shared: record.shared.clone(),
        };
        say_counted("taken", &counted)?;
    }
    say_stays(topology, &record.field, subtracts)
}
