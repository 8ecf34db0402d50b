//! `tallyd forget`: all that is kept of a member, taken out.

use crate::{
    connect::{Open, Target},
    edits::ask::{Asked, accepted, before, send},
    gaps::when,
    terminal::safe,
    wrong_use::WrongUse,
};
use smol_str::SmolStr;
use std::process::ExitCode;
use tallyd_event::EditKind;
use tallyd_query::footprint;
use tallyd_store::{
    edits::{self, Record, Refusal, Request},
    server_ms,
};
use tallyd_topology::{NodeKind, Topology};

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
    /// What becomes of the counts that the member's events added to: only keep can be had
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
    if args.asked.dry_run {
        return would_change(&mut open, args.target.json, (&edit.field, &edit.member)).await;
    }
    let record = send(&mut open, request).await?;
    let said = accepted(args.target.json, &record, "is accepted")?;
    if !args.target.json {
        say_stays(&open.topology, &edit.field)?;
    }
    Ok(said)
}

/// Says what would be taken out, and what stays.
async fn would_change(
    open: &mut Open,
    json: bool,
    (field, member): (&str, &str),
) -> anyhow::Result<ExitCode> {
    let Open { topology, keys, connection } = open;
    let found = footprint(connection, topology, keys, (field, member)).await?;
    if json {
        let stays: serde_json::Map<String, serde_json::Value> = stays(topology, field)
            .into_iter()
            .map(|(bolt, what)| (bolt.to_string(), what.into()))
            .collect();
        outln!("{}", serde_json::json!({ "would_change": found, "stays": stays }))?;
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
    say_stays(topology, field)?;
    Ok(ExitCode::SUCCESS)
}

/// What stays of a member's events in each bolt, by the field of the sources that names it.
fn stays(topology: &Topology, field: &str) -> Vec<(SmolStr, String)> {
    let nodes = topology.nodes.iter().zip(topology.known_as(field));
    let of_node = |(node, name): (&tallyd_topology::Node, Option<SmolStr>)| match &node.kind {
        NodeKind::Bolt(bolt) => Some((node.name.clone(), bolt.options.stays(name.as_deref())?)),
        NodeKind::Source(_) => None,
    };
    nodes.filter_map(of_node).collect()
}

fn say_stays(topology: &Topology, field: &str) -> anyhow::Result<()> {
    for (bolt, what) in stays(topology, field) {
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
    say_stays(topology, &record.field)
}
