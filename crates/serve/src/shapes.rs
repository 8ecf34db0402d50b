//! The shapes of rows, made of the views that they are rows of.

use serde_json::{Map, Value, json};
use tallyd_aggregate::STATS;
use tallyd_kind::{
    Kinds,
    view::{Column, Form, Presence, Type, View, views},
};
use tallyd_leaderboard::BOARD;

/// Adds the shapes of the views that these types of bolts have, and what is made of them.
pub(crate) fn add(kinds: Kinds, schemas: &mut Map<String, Value>) {
    let mut of_learner =
        vec![("learner".to_owned(), json!({"type": "string", "description": "Who."}))];
    for view in views(kinds) {
        match view.form {
            Form::Board | Form::Stats => {
                schemas.insert(
                    view.row.to_owned(),
                    object(view.row_doc, view.columns.iter().map(member)),
                );
            }
            Form::Record(list) => {
                let name = record(view, list, schemas);
                of_learner.push((view.name.to_owned(), all(&name, view.doc)));
            }
        }
    }
    of_learner.push(("boards".to_owned(), all("RankOf", BOARD.doc)));
    schemas.insert("RankOf".to_owned(), rank());
    schemas.insert(
        "Learner".to_owned(),
        object("What is stored of a learner.", of_learner.into_iter().map(required)),
    );
    for (answer, row) in
        [("BoardAnswer", BOARD.row), ("StatsAnswer", STATS.row), ("LearnersAnswer", "Learner")]
    {
        let items = schemas.get_mut(answer).and_then(|of| of.pointer_mut("/properties/rows/items"));
        if let Some(items) = items {
            *items = reference(row);
        }
    }
}

/// Adds the shape of what a bolt says of a learner; its name.
fn record(view: &View, list: Option<&str>, schemas: &mut Map<String, Value>) -> String {
    let bolt = required(("bolt".to_owned(), json!({"type": "string", "description": "The bolt."})));
    let Some(list) = list else {
        let members = std::iter::once(bolt).chain(view.columns.iter().map(member));
        schemas.insert(view.row.to_owned(), object(view.row_doc, members));
        return view.row.to_owned();
    };
    schemas.insert(view.row.to_owned(), object(view.row_doc, view.columns.iter().map(member)));
    let mut name = view.name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name.push_str("Of");
    let rows = required((list.to_owned(), all(view.row, view.row_doc)));
    schemas.insert(name.clone(), object(view.doc, [bolt, rows].into_iter()));
    name
}

/// A board's row in what is stored of a learner.
fn rank() -> Value {
    let of_board = [
        ("bolt", json!({"type": "string", "description": "The leaderboard."})),
        ("by", json!({"type": "object", "description": "The group; empty for everyone."})),
        ("period", json!({"type": "string", "description": "The name of the kind of period."})),
        ("label", json!({"type": "string", "description": "Which one."})),
        ("size", kind(Type::Count, "How many members the board has.")),
    ];
    let of_board = of_board.into_iter().map(|(name, shape)| required((name.to_owned(), shape)));
    let is_told = |column: &&Column| !["member", "rank_within"].contains(&column.name);
    let of_row = BOARD.columns.iter().filter(is_told).map(member);
    object("A learner's place on a board.", of_board.chain(of_row))
}

/// A member of an object: its name, its shape, and whether it is always a value.
type Member = (String, Value, bool);

fn required((name, shape): (String, Value)) -> Member {
    (name, shape, true)
}

fn member(column: &Column) -> Member {
    let mut shape = kind(column.kind, column.doc);
    let is_always = column.presence == Presence::Always;
    if let (false, Some(kind)) = (is_always, shape.get_mut("type")) {
        *kind = json!([kind.take(), "null"]);
    }
    (column.name.to_owned(), shape, is_always)
}

fn object(doc: &str, members: impl Iterator<Item = Member>) -> Value {
    let (mut required, mut properties) = (Vec::new(), Map::new());
    for (name, shape, is_required) in members {
        if is_required {
            required.push(name.clone());
        }
        properties.insert(name, shape);
    }
    json!({"type": "object", "description": doc, "required": required, "properties": properties})
}

fn kind(kind: Type, doc: &str) -> Value {
    match kind {
        Type::Bool => json!({"type": "boolean", "description": doc}),
        Type::Count => {
            json!({"type": "integer", "format": "int64", "minimum": 0, "description": doc})
        }
        Type::Figure => json!({"description": doc}),
        Type::Map => json!({"type": "object", "description": doc}),
        Type::Name => json!({"type": "string", "description": doc}),
        Type::Number | Type::Share => {
            json!({"type": "number", "format": "double", "description": doc})
        }
        Type::Time => json!({"type": "integer", "format": "int64", "description": doc}),
        Type::Times => {
            let time = json!({"type": "integer", "format": "int64"});
            let both = [&time, &time];
            json!({"type": "array", "items": false, "prefixItems": both, "description": doc})
        }
    }
}

fn all(name: &str, doc: &str) -> Value {
    json!({"type": "array", "items": reference(name), "description": doc})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}
