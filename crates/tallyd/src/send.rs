//! `tallyd send`: the events of a file to a source.

use crate::{
    connect::{self, Target},
    load,
    output::Unwritten,
    terminal::safe,
    wrong_use::WrongUse,
};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use smol_str::SmolStr;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};
use tallyd_event::decode::TimeLimits;
use tallyd_ingest::{Form, Format, LineError, Mapping, Rows, Sender, Source, decompressed};
use tallyd_store::address;
use tallyd_topology::{Node, NodeKind, Topology};

/// The arguments of `tallyd send`.
#[derive(clap::Args)]
pub struct Args {
    /// The file: CSV with a header, or JSON (objects, or an array of them); may be gzipped; `-` for
    /// standard input
    file: PathBuf,
    /// The source that the events are for
    #[arg(long, value_name = "NAME")]
    source: String,
    /// The format, where the file's name does not tell it
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// What separates the columns of CSV: a character, or `tab`
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// Only check the file: name the rows that the source would refuse, and send none
    #[arg(long)]
    check: bool,
    /// Take fields from columns of other names
    #[arg(long, value_name = "FIELD=COLUMN", value_delimiter = ',', value_parser = pair)]
    map: Vec<(SmolStr, SmolStr)>,
    /// Give every event this value of a field
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair)]
    set: Vec<(SmolStr, SmolStr)>,
    /// An entry for each event, or one for each 100
    #[arg(long = "as", value_enum, value_name = "FORM", default_value_t = FormName::Entry)]
    form: FormName,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormatName {
    Csv,
    #[value(alias = "jsonl", alias = "ndjson")]
    Json,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FormName {
    Batch,
    Entry,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("tab" | "\\t", _) => Ok(b'\t'),
        (_, [byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err("expected one character, or tab".to_owned()),
    }
}

fn pair(text: &str) -> Result<(SmolStr, SmolStr), String> {
    let (field, value) = text.split_once('=').ok_or("there is no \"=\"")?;
    Ok((field.trim().into(), value.into()))
}

/// How many of the rows that were refused are shown.
const SHOWN: u64 = 20;

/// Rows that are no event of the source.
#[derive(Default)]
struct Rejects {
    count: u64,
    first: Vec<LineError>,
}

impl Rejects {
    /// Counts one, and names it while they are few.
    fn add(&mut self, error: LineError, bar: &ProgressBar) {
        self.count += 1;
        if self.count <= SHOWN {
            bar.suspend(|| errln!("refused: {}", safe(&error.to_string())));
            self.first.push(error);
        }
    }
}

/// Checks each row against the source's schema, sends those that fit, and names the others.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let topology = load::topology(&args.target.topology.find(None)?)?;
    let (node, stream, limits) = source(&topology, &args.source)?;
    let constants: Vec<(SmolStr, String)> =
        args.set.iter().map(|(field, value)| (field.clone(), value.to_string())).collect();
    let mapping = Mapping::new(&node.schema, &args.map, &constants)
        .map_err(|error| WrongUse(error.to_string()))?;
    let format = format(&args)?;
    let bar = progress(&args.file);
    let input = decompressed(bar.wrap_read(open(&args.file)?));
    let input = input.with_context(|| format!("can't read {}", args.file.display()))?;
    let source = Source { schema: Arc::clone(&node.schema), limits };
    let rows = Rows::new(input, format, source, mapping)
        .with_context(|| format!("can't send {}", args.file.display()))?;
    let began = Instant::now();
    if args.check {
        let (fit, rejects) = check(rows, &bar);
        bar.finish_and_clear();
        report_check(&args, fit, &rejects)?;
        return Ok(exit_code(&rejects));
    }
    let address = connect::address(&topology, args.target.redis.clone());
    let connection = address::connect(&address).await.context("can't connect to Redis")?;
    let form = match args.form {
        FormName::Batch => Form::Batch,
        FormName::Entry => Form::Entry,
    };
    let mut sender = Sender::new(connection, stream, form);
    let rejects = send(&mut sender, rows, &bar).await;
    bar.finish_and_clear();
    let rejects = rejects.with_context(|| {
        let sent = sender.acknowledged();
        format!(
            "sending ended after {sent} acknowledged events; a few more may have arrived. To send \
             the whole file again is safe where a dedup bolt follows the source"
        )
    })?;
    report(&args, &sender, &rejects, began)?;
    Ok(exit_code(&rejects))
}

fn exit_code(rejects: &Rejects) -> ExitCode {
    if rejects.count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many rows fit, and those that don't.
fn check(rows: Rows, bar: &ProgressBar) -> (u64, Rejects) {
    let (mut fit, mut rejects) = (0, Rejects::default());
    for row in rows {
        match row {
            Ok(_) => fit += 1,
            Err(error) => rejects.add(error, bar),
        }
    }
    (fit, rejects)
}

async fn send(sender: &mut Sender, rows: Rows, bar: &ProgressBar) -> anyhow::Result<Rejects> {
    let mut rejects = Rejects::default();
    for row in rows {
        match row {
            Ok(fields) => sender.push(fields).await?,
            Err(error) => rejects.add(error, bar),
        }
    }
    sender.flush().await?;
    Ok(rejects)
}

fn report(
    args: &Args,
    sender: &Sender,
    rejects: &Rejects,
    began: Instant,
) -> Result<(), Unwritten> {
    let (sent, seconds) = (sender.acknowledged(), began.elapsed().as_secs_f64());
    if args.target.json {
        let summary = json!({
            "source": args.source, "sent": sent, "entries": sender.entries(),
            "not_sent": rejects.count, "rejects": listed(rejects), "seconds": seconds,
        });
        return outln!("{summary}");
    }
    outln!("sent {} to {} in {seconds:.1} s", counted(sent, "event"), args.source)?;
    if rejects.count > 0 {
        outln!("refused and not sent: {}{}", counted(rejects.count, "row"), shown(rejects))?;
    }
    Ok(())
}

fn report_check(args: &Args, fit: u64, rejects: &Rejects) -> Result<(), Unwritten> {
    if args.target.json {
        let (source, rejected) = (&args.source, rejects.count);
        let rejects = listed(rejects);
        return outln!(
            "{}",
            json!({"source": source, "fit": fit, "rejected": rejected, "rejects": rejects})
        );
    }
    outln!("{} would be sent to {}", counted(fit, "event"), args.source)?;
    if rejects.count > 0 {
        outln!("would be refused: {}{}", counted(rejects.count, "row"), shown(rejects))?;
    }
    Ok(())
}

fn listed(rejects: &Rejects) -> serde_json::Value {
    rejects.first.iter().map(|e| json!({"line": e.line, "reason": e.reason})).collect()
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn shown(rejects: &Rejects) -> String {
    if rejects.count > SHOWN { format!(" (the first {SHOWN} are shown)") } else { String::new() }
}

/// The source of this name, its stream, and which times it takes.
fn source<'a>(
    topology: &'a Topology,
    name: &str,
) -> anyhow::Result<(&'a Node, &'a str, TimeLimits)> {
    let sources = topology.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Source(source) => Some((node, source.stream.as_str(), source.limits)),
        NodeKind::Bolt(_) => None,
    });
    let names: Vec<&str> = sources.clone().map(|(node, ..)| node.name.as_str()).collect();
    match sources.into_iter().find(|(node, ..)| node.name == name) {
        Some(found) => Ok(found),
        None => {
            let names = names.join(", ");
            let message = format!("--source: no source \"{name}\" (expected one of: {names})");
            Err(WrongUse(message).into())
        }
    }
}

fn format(args: &Args) -> anyhow::Result<Format> {
    let by_name = Format::of(&args.file);
    let format = match (args.format, by_name) {
        (Some(FormatName::Csv), Some(format @ Format::Csv { .. })) => format,
        (Some(FormatName::Csv), _) => Format::Csv { delimiter: b',' },
        (Some(FormatName::Json), _) => Format::Json,
        (None, Some(format)) => format,
        (None, None) => {
            let file = args.file.display();
            let message = format!("{file} does not tell its format: add --format csv or json");
            return Err(WrongUse(message).into());
        }
    };
    match (format, args.delimiter) {
        (Format::Csv { .. }, Some(delimiter)) => Ok(Format::Csv { delimiter }),
        (Format::Json, Some(_)) => {
            Err(WrongUse("--delimiter is for CSV only (add --format csv)".to_owned()).into())
        }
        (format, None) => Ok(format),
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
