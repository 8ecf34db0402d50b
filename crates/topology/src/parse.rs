//! From text to a topology, or to everything that is wrong with it.

use crate::{
    bolts::{KINDS, common_keys},
    draft::{self, Common, Declared, Draft, DraftKind, refuse_punctual, refuse_silent},
    faults::Faults,
    name,
    nodes::sections,
    order::{Names, Parent},
    parts::parts,
    plan::{Node, Sink, Topology},
    serve::{self, ACCESS_KEYS, JWT_KEYS, SERVE_KEYS},
    settings::{self, REDIS_KEYS, RUN_KEYS, SINK_KEYS, TOP_KEYS},
    source::{FIELD_KEYS, SOURCE_KEYS, check_stream},
    substitute::{self, Environment},
    syntax::{self, repair::Repaired},
    test_read::{self, EVENT_KEYS, TEST_KEYS, expectation_keys},
};
use tallyd_kind::{
    Kinds,
    fault::Fault,
    key_spec::{KeySpec, Kind},
    section::Section,
    sheet::{Item, Sheet, Word},
};
use toml::de::DeTable;

/// Reads a topology file, whose bolts are of the types of [`KINDS`]. `file_name` is what messages
/// call it; `env` gives the values of `${VARIABLES}`.
///
/// # Errors
/// All faults of the file.
pub fn parse(file_name: &str, text: &str, env: Environment<'_>) -> Result<Topology, Faults> {
    parse_with(KINDS, file_name, text, env)
}

/// The same, with bolts of these types.
///
/// # Errors
/// All faults of the file.
pub fn parse_with(
    kinds: Kinds,
    file_name: &str,
    text: &str,
    env: Environment<'_>,
) -> Result<Topology, Faults> {
    if let Some(fault) = syntax::other_format(text) {
        return Err(Faults::new(file_name, text, vec![fault]));
    }
    let repaired = Repaired::of(text);
    let sheet = Sheet::new(&repaired.text);
    let topology = syntax::tree(&sheet).and_then(|mut tree| {
        substitute::table(&sheet, &mut tree, env);
        read(&sheet, kinds, &tree, env)
    });
    let faults = repaired.with(sheet.into_faults());
    match topology {
        Some(topology) if faults.is_empty() => Ok(topology),
        _ => Err(Faults::new(file_name, text, faults)),
    }
}

fn read<'a>(
    sheet: &'a Sheet<'a>,
    kinds: Kinds,
    tree: &'a DeTable<'a>,
    env: Environment<'_>,
) -> Option<Topology> {
    let top = Section::open(sheet, "the topology".to_owned(), 0..0, tree, TOP_KEYS.to_vec());
    let name = top.text("name");
    if let Some(name) = &name {
        name::check_topology(sheet, &name.text, name.span.clone());
    }
    let calendar = settings::calendar(&top);
    let partitions = top.int("partitions").and_then(|number| u16::try_from(number).ok());
    let empty = DeTable::new();
    let redis = sub_table(&top, "redis", REDIS_KEYS, &empty);
    let redis = redis.and_then(|redis| settings::redis(&redis, env));
    let run = sub_table(&top, "run", RUN_KEYS, &empty);
    let settings = run.and_then(|run| settings::settings(&run));

    let serve = serve::read(&top);

    let (sources, bolts) = (sections(&top, tree, "source"), sections(&top, tree, "bolt"));
    let declared = Declared { kinds, sources, bolts };
    let sinks = sections(&top, tree, "sink");
    let names = Names {
        sources: words(&declared.sources),
        bolts: words(&declared.bolts),
        sinks: words(&sinks),
    };
    names.refuse_twice(sheet);
    if declared.sources.is_empty() && top.written("source").is_none() {
        let help = "add one: [source.NAME] and [source.NAME.fields]";
        sheet.fault(Fault::new("the topology has no source", 0..0).help(help));
    }
    let drafts = draft::read(sheet, &declared, &names);
    let sinks = read_sinks(sheet, kinds, &sinks, &names, &drafts);
    refuse_two_writers(sheet, &drafts, &sinks);
    let tests = test_read::read(&top, &drafts, &sinks);

    let (time_zone, calendar) = calendar?;
    let partitions = partitions?;
    let settings = settings?;
    let common = Common { partitions, time_zone: &time_zone, fuse: settings.fuse };
    let mut nodes = draft::nodes(&drafts, &common)?;
    attach(&mut nodes, sinks);
    serve::check(&top, &nodes);
    Some(Topology {
        name: name?.text.into(),
        time_zone: time_zone.into(),
        calendar,
        partitions,
        redis: redis?,
        settings,
        serve,
        kinds,
        nodes,
        tests,
        parts: parts(tree),
    })
}

fn words(entries: &[(Word, &Item<'_>)]) -> Vec<Word> {
    entries.iter().map(|(name, _)| name.clone()).collect()
}

/// A table of the top, which may be left out: then all of its keys have their defaults.
fn sub_table<'a>(
    top: &Section<'a>,
    key: &str,
    keys: &[KeySpec],
    empty: &'a DeTable<'a>,
) -> Option<Section<'a>> {
    let what = format!("[{key}]");
    match top.written(key) {
        Some(item) => Section::of(top.sheet, what, item.span(), item, keys.to_vec()),
        None => Some(Section::open(top.sheet, what, 0..0, empty, keys.to_vec())),
    }
}

/// A sink as far as it could be read.
pub(crate) struct SinkDraft {
    pub name: Word,
    /// The place of the node that it writes.
    pub from: Option<usize>,
    /// Whether it is for the events that came too late.
    pub late: bool,
    stream: Option<Word>,
    max_len: Option<u64>,
}

fn read_sinks<'a>(
    sheet: &'a Sheet<'a>,
    kinds: Kinds,
    sinks: &[(Word, &'a Item<'a>)],
    names: &Names,
    drafts: &[Draft],
) -> Vec<SinkDraft> {
    let read = |(name, item): &(Word, &'a Item<'a>)| {
        name::check_node(sheet, "sink", &name.text, name.span.clone());
        let what = format!("sink \"{}\"", name.text);
        let section = Section::of(sheet, what, name.span.clone(), item, SINK_KEYS.to_vec())?;
        let stream = match section.written("stream") {
            Some(_) => section.text("stream"),
            None => Some(name.clone()),
        };
        let late = section.choice("events").is_some_and(|word| word.text == "late");
        let from = section.text("from").and_then(|from| {
            let node = match names.resolve(sheet, &from)? {
                Parent::Source(place) => names.sources.get(place),
                Parent::Bolt(place) => names.bolts.get(place),
            }?;
            let place = drafts.iter().position(|draft| draft.name == node.text)?;
            let node = drafts.get(place)?;
            if late {
                refuse_punctual(sheet, kinds, node, &from)
            } else {
                refuse_silent(sheet, node, &from)
            }
            Some(place)
        });
        Some(SinkDraft {
            name: name.clone(),
            from,
            late,
            stream: stream.filter(|stream| check_stream(sheet, stream)),
            max_len: section.int("max_len").map(i64::unsigned_abs),
        })
    };
    sinks.iter().filter_map(read).collect()
}

/// A stream has one meaning: a source's, or a sink's.
fn refuse_two_writers(sheet: &Sheet<'_>, drafts: &[Draft], sinks: &[SinkDraft]) {
    let sources = drafts.iter().filter_map(|draft| match &draft.kind {
        DraftKind::Source { stream: Some(stream), .. } => Some(("source", &draft.name, stream)),
        _ => None,
    });
    let sink_names: Vec<smol_str::SmolStr> =
        sinks.iter().map(|sink| sink.name.text.as_str().into()).collect();
    let sinks = sinks.iter().zip(&sink_names);
    let sinks = sinks.filter_map(|(sink, name)| Some(("sink", name, sink.stream.as_ref()?)));
    let mut seen: Vec<(&str, &str, &Word)> = Vec::new();
    for (kind, name, stream) in sources.chain(sinks) {
        if let Some((other, owner, first)) = seen.iter().find(|(.., s)| s.text == stream.text) {
            let message = format!(
                "{other} \"{owner}\" and {kind} \"{name}\" have one stream, \"{}\"",
                stream.text
            );
            let help = match (*other, kind) {
                ("source", "source") => "let bolts read from one source of it",
                ("source", _) => "what a sink writes would come in again: choose another stream",
                _ => "a stream has one writer: choose another stream",
            };
            let fault = Fault::new(message, stream.span.clone())
                .beside(first.span.clone(), format!("the stream of {other} \"{owner}\""))
                .help(help);
            sheet.fault(fault);
        }
        seen.push((kind, name, stream));
    }
}

fn attach(nodes: &mut [Node], sinks: Vec<SinkDraft>) {
    for sink in sinks {
        let node = sink.from.and_then(|from| nodes.get_mut(from));
        if let (Some(node), Some(stream)) = (node, sink.stream) {
            let name = sink.name.text.into();
            let (max_len, late) = (sink.max_len, sink.late);
            node.sinks.push(Sink { name, stream: stream.text, max_len, late });
        }
    }
}

/// Every table of a topology file whose bolts are of these types, with its keys, for the
/// documentation: a title and the keys.
#[must_use]
pub fn key_tables(kinds: Kinds) -> Vec<(String, Vec<KeySpec>)> {
    let mut tables: Vec<(String, Vec<KeySpec>)> = vec![
        ("top".to_owned(), TOP_KEYS.to_vec()),
        ("redis".to_owned(), REDIS_KEYS.to_vec()),
        ("run".to_owned(), RUN_KEYS.to_vec()),
        ("serve".to_owned(), SERVE_KEYS.to_vec()),
        ("serve key".to_owned(), ACCESS_KEYS.to_vec()),
        ("serve jwt".to_owned(), JWT_KEYS.to_vec()),
        ("source".to_owned(), SOURCE_KEYS.to_vec()),
        ("field".to_owned(), FIELD_KEYS.to_vec()),
        ("bolt".to_owned(), common_keys(kinds)),
    ];
    tables.extend(kinds.iter().map(|kind| (kind.name().to_owned(), kind.keys())));
    let spans = kinds.iter().flat_map(|kind| kind.keys()).filter_map(|key| match key.kind {
        Kind::Spans(spans) => Some((spans.what.to_owned(), spans.keys.to_vec())),
        _ => None,
    });
    tables.extend(spans);
    tables.extend([
        ("sink".to_owned(), SINK_KEYS.to_vec()),
        ("test".to_owned(), TEST_KEYS.to_vec()),
        ("event".to_owned(), EVENT_KEYS.to_vec()),
    ]);
    let expectations = expectation_keys(kinds).into_iter();
    tables.extend(expectations.map(|(name, keys)| (format!("expect {name}"), keys)));
    tables
}
