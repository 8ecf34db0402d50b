//! Nodes as far as they could be read: enough to check what refers to them, faulty or not.

use crate::{
    bolts::{self, all_keys, common_keys},
    name,
    order::{Names, Parent, ordered},
    plan::{BoltNode, Edge, EdgeKey, Node, NodeKind, Source, partitioned_by},
    source::{self, SOURCE_KEYS},
};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};
use tallyd_event::Schema;
use tallyd_kind::{
    BoltKind, BoltOptions, Kinds, Wanted,
    fault::{Fault, did_you_mean, nearest},
    input::{Input, Output},
    section::{Section, table_of},
    sheet::{Item, Sheet, Word},
};

/// A node as far as it could be read.
pub(crate) struct Draft {
    pub name: SmolStr,
    pub kind: DraftKind,
    pub output: Output,
}

pub(crate) enum DraftKind {
    Source {
        source: Option<Source>,
        /// The stream's key and where it stands.
        stream: Option<Word>,
    },
    Bolt {
        kind: Option<&'static dyn BoltKind>,
        options: Option<Arc<dyn BoltOptions>>,
        /// The place of its parent among the drafts.
        from: Option<usize>,
    },
}

/// The entries of the tables of nodes, in the order of the file.
pub(crate) struct Declared<'a> {
    /// The types that bolts may have.
    pub kinds: Kinds,
    pub sources: Vec<(Word, &'a Item<'a>)>,
    pub bolts: Vec<(Word, &'a Item<'a>)>,
}

struct DeclaredBolt<'a> {
    kind: Option<&'static dyn BoltKind>,
    section: Option<Section<'a>>,
}

/// Reads all sources and bolts: sources first, then bolts, each after the node it reads from.
pub(crate) fn read<'a>(sheet: &'a Sheet<'a>, declared: &Declared<'a>, names: &Names) -> Vec<Draft> {
    let mut drafts: Vec<Draft> =
        declared.sources.iter().map(|(name, item)| source_draft(sheet, name, item)).collect();
    let kinds = declared.kinds;
    let bolts = declared.bolts.iter();
    let bolts: Vec<DeclaredBolt<'a>> =
        bolts.map(|(name, item)| declared_bolt(sheet, kinds, name, item)).collect();
    let parents: Vec<Option<(Parent, Word)>> = bolts
        .iter()
        .map(|bolt| {
            let from = bolt.section.as_ref()?.text("from")?;
            let parent = names.resolve(sheet, &from).or_else(|| meant(names, &bolts, &from.text));
            Some((parent?, from))
        })
        .collect();
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    for place in ordered(sheet, &names.bolts, &parents) {
        let (Some(bolt), Some(name)) = (bolts.get(place), names.bolts.get(place)) else { continue };
        let parent = parents.get(place).and_then(Option::as_ref);
        let from = parent.and_then(|(parent, word)| {
            let from = match parent {
                Parent::Source(source) => *source,
                Parent::Bolt(bolt) => *places.get(bolt)?,
            };
            refuse_silent(sheet, drafts.get(from)?, word);
            Some(from)
        });
        let draft = bolt_draft(name, bolt, from, &drafts);
        places.insert(place, drafts.len());
        drafts.push(draft);
    }
    drafts
}

/// The node that a wrong name probably means, so that the rest of the bolt can be checked too: the
/// nearest, or the only source. Of bolts only those that read a source: no circle comes of a guess.
fn meant(names: &Names, bolts: &[DeclaredBolt<'_>], given: &str) -> Option<Parent> {
    let source = |name: &str| names.sources.iter().position(|source| source.text == name);
    let reads_a_source = |bolt: &DeclaredBolt<'_>| {
        let from = bolt.section.as_ref().and_then(|section| section.written("from"));
        from.and_then(|from| from.get_ref().as_str()).is_some_and(|from| source(from).is_some())
    };
    let near = |(place, bolt): (usize, &DeclaredBolt<'_>)| {
        reads_a_source(bolt).then(|| names.bolts.get(place)).flatten()
    };
    let bolts = bolts.iter().enumerate().filter_map(near);
    let known = names.sources.iter().chain(bolts).map(|name| name.text.as_str());
    match nearest(given, known) {
        Some(name) => source(name)
            .map(Parent::Source)
            .or_else(|| names.bolts.iter().position(|bolt| bolt.text == name).map(Parent::Bolt)),
        None => (names.sources.len() == 1).then_some(Parent::Source(0)),
    }
}

fn source_draft<'a>(sheet: &'a Sheet<'a>, name: &Word, item: &'a Item<'a>) -> Draft {
    name::check_node(sheet, "source", &name.text, name.span.clone());
    let what = format!("source \"{}\"", name.text);
    let section = Section::of(sheet, what, name.span.clone(), item, SOURCE_KEYS.to_vec());
    let draft = section.map(|section| source::read(&name.text, &section));
    let (source, events, stream) =
        draft.map_or((None, None, None), |draft| (draft.source, draft.events, draft.stream));
    Draft {
        name: name.text.as_str().into(),
        kind: DraftKind::Source { source, stream },
        output: events.map_or(Output::Unknown, Output::Events),
    }
}

fn declared_bolt<'a>(
    sheet: &'a Sheet<'a>,
    kinds: Kinds,
    name: &Word,
    item: &'a Item<'a>,
) -> DeclaredBolt<'a> {
    name::check_node(sheet, "bolt", &name.text, name.span.clone());
    let what = format!("bolt \"{}\"", name.text);
    let Some(table) = table_of(sheet, &what, item) else {
        return DeclaredBolt { kind: None, section: None };
    };
    let section =
        Section::lenient(sheet, what.clone(), name.span.clone(), table, common_keys(kinds));
    let kind = section.text("type").and_then(|word| bolt_type(sheet, kinds, &word));
    let section = match kind {
        Some(kind) => Section::open(sheet, what, name.span.clone(), table, all_keys(kinds, kind)),
        None => section,
    };
    DeclaredBolt { kind, section: Some(section) }
}

fn bolt_type(sheet: &Sheet<'_>, kinds: Kinds, word: &Word) -> Option<&'static dyn BoltKind> {
    let kind = bolts::named(kinds, &word.text);
    if kind.is_none() {
        let names = || kinds.iter().map(|kind| kind.name());
        let is_called = |name: &&str| name.eq_ignore_ascii_case(&word.text);
        let meant = kinds.iter().find(|kind| kind.also_called().iter().any(is_called));
        let help = match meant {
            Some(meant) => format!("write \"{}\"", meant.name()),
            None => did_you_mean(&word.text, names(), "the bolt types are"),
        };
        let message = format!("there is no bolt type \"{}\"", word.text);
        sheet.fault(Fault::new(message, word.span.clone()).help(help));
        // The rest is checked as that of the type which is probably meant.
        return nearest(&word.text, names()).and_then(|name| bolts::named(kinds, name));
    }
    kind
}

/// Faults reading from a node that emits nothing.
pub(crate) fn refuse_silent(sheet: &Sheet<'_>, node: &Draft, from: &Word) {
    let Output::Nothing(unless) = &node.output else { return };
    let kind = match &node.kind {
        DraftKind::Bolt { kind: Some(kind), .. } => kind.name(),
        _ => "source",
    };
    let help = match unless {
        Some(key) => format!("write {key} in [bolt.{}]", node.name),
        None => "read from the bolt or source that it reads itself".to_owned(),
    };
    let message = format!("bolt \"{}\" ({kind}) emits nothing that could be read", node.name);
    sheet.fault(Fault::new(message, from.span.clone()).help(help));
}

/// Faults a sink of the late events of a node for which no event can be late.
pub(crate) fn refuse_punctual(sheet: &Sheet<'_>, kinds: Kinds, node: &Draft, from: &Word) {
    let (kind, is_by_time) = match &node.kind {
        DraftKind::Bolt { kind: Some(kind), .. } => (kind.name(), kind.is_by_time()),
        DraftKind::Bolt { kind: None, .. } => return,
        DraftKind::Source { .. } => ("source", false),
    };
    if !is_by_time {
        let names = bolts::names(kinds, |kind| kind.is_by_time());
        let message = format!("no event is late for \"{}\" ({kind})", node.name);
        let help = format!("name an {names} bolt, or leave events = \"late\" out");
        sheet.fault(Fault::new(message, from.span.clone()).help(help));
    }
}

fn bolt_draft(
    name: &Word,
    bolt: &DeclaredBolt<'_>,
    from: Option<usize>,
    drafts: &[Draft],
) -> Draft {
    let parent = from.and_then(|from| drafts.get(from));
    let input = match parent.map(|parent| &parent.output) {
        Some(Output::Events(input)) => Some(input),
        _ => None,
    };
    let (options, output) = match (bolt.kind, &bolt.section) {
        (Some(kind), Some(section)) => {
            let options = kind.read(section, input);
            refuse_corrected(section, kind, input);
            let output = kind.output(&name.text, input, options.as_deref());
            (options, output)
        }
        _ => (None, Output::Unknown),
    };
    let kind = DraftKind::Bolt { kind: bolt.kind, options, from };
    Draft { name: name.text.as_str().into(), kind, output }
}

/// Faults reading events that are taken back, of a type that does not know what to do with them.
fn refuse_corrected(section: &Section<'_>, kind: &dyn BoltKind, input: Option<&Input>) {
    if !kind.takes_back() {
        let what = format!("{} ({})", section.what, kind.name());
        section.refuse_corrected(input, &what, "from", |_| None);
    }
}

/// What is fixed for all nodes.
pub(crate) struct Common<'a> {
    pub partitions: u16,
    pub time_zone: &'a str,
    /// Whether bolts are fused where they can be.
    pub fuse: bool,
}

/// The nodes of drafts that are without fault; `None` where one is not.
pub(crate) fn nodes(drafts: &[Draft], common: &Common<'_>) -> Option<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::with_capacity(drafts.len());
    for (place, draft) in drafts.iter().enumerate() {
        let schema = match &draft.output {
            Output::Events(input) => Arc::clone(&input.schema),
            Output::Nothing(_) => Arc::new(Schema::default()),
            Output::Unknown => return None,
        };
        let (kind, shape, partitions) = match &draft.kind {
            DraftKind::Source { source, .. } => {
                let source = source.clone()?;
                let shape = source_shape(&source, &schema);
                (NodeKind::Source(source), shape, 1)
            }
            DraftKind::Bolt { options, from, .. } => {
                let (options, from) = (options.clone()?, (*from)?);
                let (key, label) = wanted_key(&nodes.get(from)?.schema, options.partitioned_by());
                let fused = common.fuse && emitted_by(&nodes, from) == Some(&key);
                let parent = nodes.get_mut(from)?;
                let shape = bolt_shape(&*options, parent, &label, fused, common);
                let edge = (!fused).then(|| join(parent, place, key, label));
                (NodeKind::Bolt(BoltNode { options, from, edge }), shape, common.partitions)
            }
        };
        let name = draft.name.clone();
        nodes.push(Node { name, kind, schema, edges: vec![], sinks: vec![], partitions, shape });
    }
    Some(nodes)
}

/// What a consumer wants events of this schema to be partitioned by, and its name.
fn wanted_key(schema: &Schema, wanted: Wanted<'_>) -> (EdgeKey, SmolStr) {
    let name = |place: usize| schema.fields.get(place).map_or("", |field| field.name.as_str());
    match (wanted, schema.key) {
        (Wanted::Key, Some(key)) => (EdgeKey::Fields(vec![key]), name(key).into()),
        (Wanted::Key, None) => (EdgeKey::Identity, "identity".into()),
        (Wanted::Fields([]), _) => (EdgeKey::Fields(vec![]), "none".into()),
        (Wanted::Fields(fields), _) => {
            let places: Vec<usize> = fields.iter().map(|field| field.index).collect();
            let names: Vec<&str> = places.iter().map(|place| name(*place)).collect();
            let label = names.join(",").into();
            (EdgeKey::Fields(places), label)
        }
    }
}

/// What the events that a node emits are partitioned by when it emits them: `None` where that is
/// not known. A bolt that passes events on as they came emits them in the partition in which it
/// reads them.
fn emitted_by(nodes: &[Node], place: usize) -> Option<&EdgeKey> {
    let NodeKind::Bolt(bolt) = &nodes.get(place)?.kind else { return None };
    bolt.options.passes_events_on().then(|| partitioned_by(nodes, place))?
}

/// Adds a consumer to a node: to the edge of the key it wants, or to a new one.
fn join(producer: &mut Node, consumer: usize, key: EdgeKey, label: SmolStr) -> usize {
    match producer.edges.iter_mut().enumerate().find(|(_, edge)| edge.key == key) {
        Some((place, edge)) => {
            edge.consumers.push(consumer);
            place
        }
        None => {
            producer.edges.push(Edge { key, label, consumers: vec![consumer] });
            producer.edges.len() - 1
        }
    }
}

/// A source's cursor is worth something only for its stream and its identities.
fn source_shape(source: &Source, schema: &Schema) -> BTreeMap<String, String> {
    let role = |place: Option<usize>| {
        let field = place.and_then(|place| schema.fields.get(place));
        field.map_or_else(|| "none".to_owned(), |field| field.name.to_string())
    };
    BTreeMap::from([
        ("type".to_owned(), "source".to_owned()),
        ("stream".to_owned(), source.stream.clone()),
        ("id".to_owned(), role(schema.id)),
        ("key".to_owned(), role(schema.key)),
    ])
}

/// A bolt's cursors and state also depend on whose events it reads, from which stream, and how they
/// are split, and its windows on where days begin.
fn bolt_shape(
    options: &dyn BoltOptions,
    parent: &Node,
    label: &str,
    fused: bool,
    common: &Common<'_>,
) -> BTreeMap<String, String> {
    let mut shape: BTreeMap<String, String> = options.shape().into_iter().collect();
    shape.insert("from".to_owned(), parent.name.to_string());
    shape.insert("fused".to_owned(), fused.to_string());
    shape.insert("partitioned by".to_owned(), label.to_owned());
    shape.insert("partitions".to_owned(), common.partitions.to_string());
    // Days begin where it says.
    if options.kind().is_by_time() {
        shape.insert("time_zone".to_owned(), common.time_zone.to_owned());
    }
    shape
}
