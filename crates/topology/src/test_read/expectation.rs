//! Reads what a test expects. Its kind follows from the node that it names.

use super::{
    World,
    keys::{BOLT, DEAD_KEYS, SINK_KEYS, bolt_keys},
    place,
};
use crate::{
    bolts::{aggregate, leaderboard},
    draft::DraftKind,
    test_case::{Expect, Expectation, Stated},
};
use smol_str::SmolStr;
use tallyd_bolt::FieldRef;
use tallyd_event::{FieldType, Value};
use tallyd_kind::{
    fault::{Fault, did_you_mean},
    input::{Input, Output},
    key_spec::KeySpec,
    section::{Section, table_of},
    sheet::{Item, Sheet, Word, found, number, plain_text, whole},
    view::{Expected, Form, Type, View},
};

pub(crate) fn read_all(test: &Section<'_>, world: &World<'_>) -> Vec<Expectation> {
    let read = |item| {
        let expect = expectation(test.sheet, item, world)?;
        Some(Expectation { expect, place: place(test.sheet, item.span()) })
    };
    test.required_list("expect").iter().filter_map(read).collect()
}

fn expectation(sheet: &Sheet<'_>, item: &Item<'_>, world: &World<'_>) -> Option<Expect> {
    let table = table_of(sheet, "an expectation", item)?;
    let section = |keys: &[KeySpec]| {
        let what = "this expectation".to_owned();
        Section::open(sheet, what, item.span(), table, keys.to_vec())
    };
    match ["bolt", "dead", "sink"].into_iter().find(|key| table.get(*key).is_some()) {
        Some("bolt") => bolt(sheet, item, world, &section),
        Some("dead") => dead(&section(DEAD_KEYS), world),
        Some(_) => sink(&section(SINK_KEYS), world),
        None => {
            let message = "this expectation does not say what it is about";
            let help = "begin it with bolt = \"…\", sink = \"…\" or dead = \"…\"";
            sheet.fault(Fault::new(message, item.span()).help(help));
            None
        }
    }
}

fn bolt<'s>(
    sheet: &Sheet<'_>,
    item: &Item<'_>,
    world: &World<'_>,
    section: &dyn Fn(&[KeySpec]) -> Section<'s>,
) -> Option<Expect> {
    let table = item.get_ref().as_table()?;
    let name = Section::lenient(sheet, "this expectation".into(), item.span(), table, vec![BOLT])
        .text("bolt")?;
    let is_bolt = |kind: &DraftKind| matches!(kind, DraftKind::Bolt { .. });
    let bolts = world.drafts.iter().filter(|draft| is_bolt(&draft.kind));
    let bolts: Vec<&str> = bolts.map(|draft| draft.name.as_str()).collect();
    let bolt = world.drafts.iter().position(|d| d.name == name.text && is_bolt(&d.kind));
    let Some(bolt) = bolt else {
        let message = format!("there is no bolt \"{}\"", name.text);
        let help = did_you_mean(&name.text, bolts, "the bolts are");
        sheet.fault(Fault::new(message, name.span).help(help));
        return None;
    };
    let DraftKind::Bolt { options, from, .. } = &world.drafts.get(bolt)?.kind else { return None };
    let Output::Events(input) = &world.drafts.get((*from)?)?.output else { return None };
    let options = options.as_deref()?;
    let kind = options.kind();
    let section = section(&bolt_keys(kind));
    if let Some(options) = options.of::<aggregate::Options>() {
        return stats(&section, bolt, options, input);
    }
    if let Some(options) = options.of::<leaderboard::Options>() {
        return board(&section, bolt, options, input);
    }
    match kind.views().first().map(|view| (*view, view.form)) {
        Some((view, Form::Record(list))) => record(&section, bolt, view, list),
        _ => counts(&section, bolt),
    }
}

fn stats(
    section: &Section<'_>,
    bolt: usize,
    options: &aggregate::Options,
    input: &Input,
) -> Option<Expect> {
    let by = group(section, &options.by, input);
    let windows: Vec<&str> = options.windows.iter().map(|window| window.name.as_str()).collect();
    let window = one_of(section, "window", &windows);
    let at = section.time("at");
    let mut measures = Vec::new();
    let names: Vec<&str> = options.measures.iter().map(|measure| measure.name.as_str()).collect();
    let places = |name: &str| {
        let of = options.measures.iter().find(|measure| measure.name == name)?;
        of.places.filter(|_| !matches!(of.function, aggregate::Function::Mean(_)))
    };
    for (name, item) in section.entries("measures")? {
        if !names.contains(&name.text.as_str()) {
            let message = format!("the bolt has no measure \"{}\"", name.text);
            let help = did_you_mean(&name.text, names.iter().copied(), "its measures are");
            section.sheet.fault(Fault::new(message, name.span).help(help));
        } else if let Some(value) = figure(section.sheet, &name, item, places(&name.text)) {
            measures.push((name.text.as_str().into(), value));
        }
    }
    section.says_something(&["measures"]);
    Some(Expect::Stats { bolt, by: by?, window: window?, at, measures })
}

/// What any bolt counts.
fn counts(section: &Section<'_>, bolt: usize) -> Option<Expect> {
    section.says_something(&["duplicates", "passed"]);
    let (duplicates, passed) = (section.count("duplicates"), section.count("passed"));
    Some(Expect::Counts { bolt, duplicates, passed })
}

fn record(
    section: &Section<'_>,
    bolt: usize,
    view: &'static View,
    list: Option<&str>,
) -> Option<Expect> {
    let mut keys = Vec::new();
    let mut stated = Vec::new();
    for column in view.columns {
        let mut state = |key: &'static str, what: Option<Stated>| {
            keys.push(key);
            stated.extend(what.map(|what| (column.name, what)));
        };
        match (column.expected, column.kind) {
            (Expected::Nothing, _) => {}
            (Expected::Bounds(least, greatest), _) => {
                state(least, section.number(least).map(Stated::AtLeast));
                state(greatest, section.number(greatest).map(Stated::AtMost));
            }
            (Expected::Value, Type::Bool) => {
                state(column.name, section.bool(column.name).map(Stated::Bool));
            }
            (Expected::Value, _) => {
                state(column.name, section.count(column.name).map(Stated::Count));
            }
        }
    }
    section.says_something(&keys);
    let learner = section.identifier("learner");
    let row = match list.and(view.columns.first()) {
        Some(column) => Some((column.name, section.identifier(column.name)?)),
        None => None,
    };
    Some(Expect::Record { bolt, learner: learner?, row, stated })
}

fn board(
    section: &Section<'_>,
    bolt: usize,
    options: &leaderboard::Options,
    input: &Input,
) -> Option<Expect> {
    let board = which_board(section, options);
    let by = board.and_then(|board| group(section, options.boards.get(board)?, input));
    let periods: Vec<&str> = options.periods.iter().map(|period| period.name.as_str()).collect();
    let period = one_of(section, "period", &periods);
    let at = section.time("at");
    let member = section.written("member").and_then(|_| section.identifier("member"));
    let score = section.written("score").and_then(|item| {
        let name = Word { text: "score".to_owned(), span: item.span() };
        figure(section.sheet, &name, item, options.places)
    });
    let (rank, size) = (section.count("rank"), section.count("size"));
    section.says_something(&["member", "size"]);
    if let (Some(key), None) =
        (["score", "rank"].into_iter().find(|key| section.written(key).is_some()), &member)
    {
        let message = format!("\"{key}\" needs a member");
        let fault = Fault::new(message, section.span(key)).help("add member = \"…\"");
        section.sheet.fault(fault);
    }
    // An event that leaves a field out is not on the board, so every value is there.
    let by = by?.into_iter().map(|(name, value)| Some((name, value?))).collect::<Option<Vec<_>>>();
    let (board, by, period) = (board?, by?, period?);
    Some(Expect::Board { bolt, board, by, period, at, member, score, rank, size })
}

/// The board whose fields are those that `by` names.
fn which_board(section: &Section<'_>, options: &leaderboard::Options) -> Option<usize> {
    let by = match section.written("by") {
        Some(_) => section.entries("by")?,
        None => Vec::new(),
    };
    let is_it = |board: &Vec<FieldRef>| {
        board.len() == by.len()
            && board.iter().all(|field| by.iter().any(|(name, _)| field.name == name.text))
    };
    let board = options.boards.iter().position(is_it);
    if board.is_none() {
        let text = |board: &Vec<FieldRef>| {
            let names: Vec<&str> = board.iter().map(|field| field.name.as_str()).collect();
            format!("[{}]", names.join(", "))
        };
        let boards: Vec<String> = options.boards.iter().map(text).collect();
        let help = format!("the boards are: {}", boards.join(", "));
        let message = "the bolt has no board of these fields";
        section.sheet.fault(Fault::new(message, section.span("by")).help(help));
    }
    board
}

/// The values of a group's fields, in their order; `None` for an optional one that is left out.
fn group(
    section: &Section<'_>,
    fields: &[FieldRef],
    input: &Input,
) -> Option<Vec<(SmolStr, Option<SmolStr>)>> {
    let given = match section.written("by") {
        Some(_) => section.entries("by")?,
        None => Vec::new(),
    };
    let mut is_sound = true;
    for (name, _) in &given {
        if !fields.iter().any(|field| field.name == name.text) {
            let names = fields.iter().map(|field| field.name.as_str());
            let help = did_you_mean(&name.text, names, "the group's fields are");
            let message = format!("\"{}\" is not a field of the group", name.text);
            section.sheet.fault(Fault::new(message, name.span.clone()).help(help));
            is_sound = false;
        }
    }
    let mut by = Vec::new();
    for field in fields {
        let declared = input.schema.fields.get(field.index)?;
        match given.iter().find(|(name, _)| field.name == name.text) {
            Some((name, item)) => match typed(section.sheet, name, item, declared.kind) {
                Some(value) => by.push((field.name.clone(), Some(value.to_text()))),
                None => is_sound = false,
            },
            None if declared.optional => by.push((field.name.clone(), None)),
            None => {
                let message = format!("the group's field \"{}\" is missing", field.name);
                let help = format!("add it: by = {{ {} = … }}", field.name);
                section.sheet.fault(Fault::new(message, section.span("by")).help(help));
                is_sound = false;
            }
        }
    }
    is_sound.then_some(by)
}

/// The window or period that is named, or the only one.
fn one_of(section: &Section<'_>, key: &str, names: &[&str]) -> Option<SmolStr> {
    if section.written(key).is_none() {
        if let [only] = names {
            return Some((*only).into());
        }
        let message = format!("this expectation does not say which {key} it is about");
        let help = format!("add {key} = \"…\"; there are: {}", names.join(", "));
        section.sheet.fault(Fault::new(message, section.place.clone()).help(help));
        return None;
    }
    let word = section.text(key)?;
    if !names.contains(&word.text.as_str()) {
        let message = format!("the bolt has no {key} \"{}\"", word.text);
        let help = did_you_mean(&word.text, names.iter().copied(), "there are");
        section.sheet.fault(Fault::new(message, word.span).help(help));
        return None;
    }
    Some(word.text.into())
}

fn dead(section: &Section<'_>, world: &World<'_>) -> Option<Expect> {
    let name = section.text("dead")?;
    let count = section.count("count");
    let reason = section.text("reason").map(|word| word.text);
    section.says_something(&["count", "reason"]);
    let node = world.drafts.iter().position(|draft| draft.name == name.text);
    if node.is_none() {
        let names = world.drafts.iter().map(|draft| draft.name.as_str());
        let help = did_you_mean(&name.text, names, "the sources and bolts are");
        let message = format!("there is no source or bolt \"{}\"", name.text);
        section.sheet.fault(Fault::new(message, name.span).help(help));
    }
    Some(Expect::Dead { node: node?, count, reason })
}

fn sink(section: &Section<'_>, world: &World<'_>) -> Option<Expect> {
    let name = section.text("sink")?;
    let count = section.count("count");
    section.says_something(&["count", "fields"]);
    let Some(sink) = world.sinks.iter().find(|sink| sink.name.text == name.text) else {
        let names = world.sinks.iter().map(|sink| sink.name.text.as_str());
        let help = did_you_mean(&name.text, names, "the sinks are");
        let message = format!("there is no sink \"{}\"", name.text);
        section.sheet.fault(Fault::new(message, name.span).help(help));
        return None;
    };
    let node = sink.from?;
    let draft = world.drafts.get(node)?;
    // What is late has the fields of the events that the bolt reads.
    let of = match &draft.kind {
        DraftKind::Bolt { from, .. } if sink.late => world.drafts.get((*from)?)?,
        _ => draft,
    };
    let Output::Events(events) = &of.output else { return None };
    let given = section.written("fields").and_then(|_| section.entries("fields"));
    let mut fields = Vec::new();
    for (name, item) in given.unwrap_or_default() {
        let found = events.field(section.sheet, &name.text, name.span.clone(), &[], "an entry");
        let value = found.and_then(|(_, field)| typed(section.sheet, &name, item, field.kind));
        fields.extend(value.map(|value| (name.text.as_str().into(), value)));
    }
    Some(Expect::Sink { node, sink: name.text.into(), count, fields })
}

/// A value of a field's type.
fn typed(sheet: &Sheet<'_>, name: &Word, item: &Item<'_>, kind: FieldType) -> Option<Value> {
    let value = plain_text(item)
        .ok_or_else(|| format!("{} is no value", found(item)))
        .and_then(|text| Value::from_text(text.as_bytes(), kind).map_err(|e| e.to_string()));
    match value {
        Ok(value) => Some(value),
        Err(reason) => {
            let message = format!("field \"{}\" is {}: {reason}", name.text, kind.name());
            let help = format!("write a value of type {}", kind.name());
            sheet.fault(Fault::new(message, item.span()).help(help));
            None
        }
    }
}

/// A number, whole ones and decimals of so many places kept exactly.
fn figure(sheet: &Sheet<'_>, name: &Word, item: &Item<'_>, places: Option<u8>) -> Option<Value> {
    if let Some(places) = places {
        return typed(sheet, name, item, FieldType::Decimal(places));
    }
    let value = whole(item).map(Value::Int).or_else(|| number(item).map(Value::Float));
    if value.is_none() {
        let message = format!("\"{}\" can't be {}", name.text, found(item));
        sheet.fault(Fault::new(message, item.span()).help("write a number"));
    }
    value
}
