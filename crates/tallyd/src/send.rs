//! `tallyd send`: the events of a file to a source.

use crate::{connect, load, terminal::safe, wrong_use::WrongUse};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use smol_str::SmolStr;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};
use tallyd_ingest::{Form, Format, Mapping, Rows, Sender, decompressed};
use tallyd_store::address;
use tallyd_topology::{Node, NodeKind, Topology};

/// The arguments of `tallyd send`.
#[derive(clap::Args)]
pub struct Args {
    /// The file: CSV with a header, or JSON lines; may be gzipped; `-` for standard input
    file: PathBuf,
    /// The source that the events are for
    #[arg(long, value_name = "NAME")]
    source: String,
    /// The format, where the file's name does not tell it
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Take fields from columns of other names
    #[arg(long, value_name = "FIELD=COLUMN", value_delimiter = ',', value_parser = pair)]
    map: Vec<(SmolStr, SmolStr)>,
    /// Give every event this value of a field
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair)]
    set: Vec<(SmolStr, SmolStr)>,
    /// An entry for each event, or one for each 100
    #[arg(long = "as", value_enum, value_name = "FORM", default_value_t = FormName::Entry)]
    form: FormName,
    /// The topology file
    #[arg(short, long, env = "TALLYD_TOPOLOGY", default_value = "topologies/testprep.toml")]
    topology: PathBuf,
    /// The Redis to use instead of the file's
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormatName {
    Csv,
    Jsonl,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormName {
    Batch,
    Entry,
}

fn pair(text: &str) -> Result<(SmolStr, SmolStr), String> {
    let (field, value) = text.split_once('=').ok_or("there is no \"=\"")?;
    Ok((field.trim().into(), value.into()))
}

/// Sends, and names the lines that can't be read.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let topology = load::topology(&args.topology)?;
    let (node, stream) = source(&topology, &args.source)?;
    let constants: Vec<(SmolStr, String)> =
        args.set.iter().map(|(field, value)| (field.clone(), value.to_string())).collect();
    let mapping = Mapping::new(&node.schema, &args.map, &constants)
        .map_err(|error| WrongUse(error.to_string()))?;
    let format = format(&args)?;
    let bar = progress(&args.file);
    let input = decompressed(bar.wrap_read(open(&args.file)?));
    let input = input.with_context(|| format!("can't read {}", args.file.display()))?;
    let rows = Rows::new(input, format, mapping)
        .with_context(|| format!("can't send {}", args.file.display()))?;
    let form = match args.form {
        FormName::Batch => Form::Batch,
        FormName::Entry => Form::Entry,
    };
    let address = connect::address(&topology, args.redis.clone());
    let connection = address::connect(&address).await.context("can't connect to Redis")?;
    let mut sender = Sender::new(connection, stream, form);
    let began = Instant::now();
    let unreadable = send(&mut sender, rows, &bar).await;
    bar.finish_and_clear();
    let unreadable = unreadable.with_context(|| {
        let sent = sender.acknowledged();
        format!(
            "sending ended after {sent} acknowledged events; a few more may have arrived. To send \
             the whole file again is safe where a dedup bolt follows the source"
        )
    })?;
    report(&args, &sender, unreadable, began);
    Ok(if unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn send(sender: &mut Sender, rows: Rows, bar: &ProgressBar) -> anyhow::Result<u64> {
    let mut unreadable = 0;
    for row in rows {
        match row {
            Ok(fields) => sender.push(fields).await?,
            Err(error) => {
                unreadable += 1;
                bar.suspend(|| eprintln!("not sent: {}", safe(&error.to_string())));
            }
        }
    }
    sender.flush().await?;
    Ok(unreadable)
}

fn report(args: &Args, sender: &Sender, unreadable: u64, began: Instant) {
    let (sent, seconds) = (sender.acknowledged(), began.elapsed().as_secs_f64());
    if args.json {
        let summary = json!({
            "source": args.source, "sent": sent, "entries": sender.entries(),
            "not_sent": unreadable, "seconds": seconds,
        });
        println!("{summary}");
        return;
    }
    println!("sent {sent} events to {} in {seconds:.1} s", args.source);
    if unreadable > 0 {
        println!("{unreadable} lines could not be read and were not sent");
    }
}

fn source<'a>(topology: &'a Topology, name: &str) -> anyhow::Result<(&'a Node, &'a str)> {
    let sources = topology.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Source(source) => Some((node, source.stream.as_str())),
        NodeKind::Bolt(_) => None,
    });
    let names: Vec<&str> = sources.clone().map(|(node, _)| node.name.as_str()).collect();
    match sources.into_iter().find(|(node, _)| node.name == name) {
        Some(found) => Ok(found),
        None => {
            let names = names.join(", ");
            let message = format!("--source: no source \"{name}\" (expected one of: {names})");
            Err(WrongUse(message).into())
        }
    }
}

fn format(args: &Args) -> anyhow::Result<Format> {
    match args.format {
        Some(FormatName::Csv) => Ok(Format::Csv),
        Some(FormatName::Jsonl) => Ok(Format::JsonLines),
        None => Format::of(&args.file).ok_or_else(|| {
            let file = args.file.display();
            let message = format!("{file} does not tell its format: add --format csv or jsonl");
            WrongUse(message).into()
        }),
    }
}

fn open(file: &Path) -> anyhow::Result<Box<dyn Read + Send>> {
    if file == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let opened = File::open(file);
    Ok(Box::new(opened.with_context(|| format!("can't read {}", file.display()))?))
}

/// A bar over the bytes of the file, on a terminal only.
fn progress(file: &Path) -> ProgressBar {
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => {
            let style = ProgressStyle::with_template("{bar:40} {percent} %  {eta} left");
            let bar = ProgressBar::new(metadata.len());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        }
        _ => ProgressBar::new_spinner(),
    }
}
