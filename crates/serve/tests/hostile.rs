//! What anybody may send: paths, queries, cursors and bodies of any kind give a question, or a
//! refusal that says what is wrong.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use serde_json::{Value, json};
use tallyd_bolt::calendar::Calendar;
use tallyd_event::{
    EntryId, Field, FieldType, Schema,
    decode::{BATCH_FIELD, TimeLimits, decode},
};
use tallyd_serve::{
    cursor::After,
    events::batches,
    params::Params,
    question::{From, Part, Question},
};

const NOW: i64 = 1_767_225_600_000;
/// Parameters that there are.
const NAMES: &[&str] =
    &["limit", "rank", "rows", "cursor", "at", "from", "to", "by.class", "order_by"];

/// A path below `/v1/`, mostly of words that mean something there.
fn path() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        3 => prop::sample::select(&["boards", "stats", "learners", "around", "members", "live"][..])
            .prop_map(str::to_owned),
        2 => "[a-z0-9]{0,8}",
        1 => "(%[0-9a-fA-F]{2}|.){0,6}",
    ];
    prop::collection::vec(word, 0..6).prop_map(|words| words.join("/"))
}

/// A query, mostly of parameters that there are.
fn query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => prop::sample::select(NAMES).prop_map(str::to_owned),
        1 => ".{0,6}",
    ];
    let value = prop_oneof![
        Just("now".to_owned()),
        "-?[0-9]{1,20}[smhdw]?",
        "[0-9]{1,6}-[0-9]{1,3}-[0-9]{1,3}(T[0-9:.]{0,12}Z?)?",
        "([0-9a-f]{2}){0,40}",
        "(%[0-9a-fA-F]{2}|.){0,12}",
    ];
    let pair = (name, value).prop_map(|(name, value)| format!("{name}={value}"));
    prop::collection::vec(pair, 0..6).prop_map(|pairs| pairs.join("&"))
}

proptest! {
    #[test]
    fn any_path_and_query_are_a_question_or_the_asker_is_told(path in path(), query in query()) {
        let read = || Question::read(&path, Params::parse(Some(&query))?);
        let calendar = Calendar::new("Europe/Berlin").unwrap();
        match read() {
            Err(problem) => {
                prop_assert!(problem.code.status().is_client_error());
                prop_assert!(!problem.detail.is_empty());
            }
            Ok(question) => {
                prop_assert_eq!(&read().unwrap(), &question);
                match question {
                    Question::Board(board) => {
                        let at = board.at;
                        prop_assert!(at.first(NOW, &calendar) <= at.last(NOW, &calendar));
                        if let Part::Page { limit, from } = board.part {
                            prop_assert!((1..=1000).contains(&limit));
                            prop_assert!(!matches!(from, From::Rank(0)));
                        }
                    }
                    Question::Stats(stats) => {
                        prop_assert!((1..=1000).contains(&stats.limit));
                        let (from, to) = (stats.from.unwrap_or(stats.to), stats.to);
                        prop_assert!(from.first(NOW, &calendar) <= from.last(NOW, &calendar));
                        prop_assert!(to.first(NOW, &calendar) <= to.last(NOW, &calendar));
                    }
                    Question::Learner(..) => {}
                    Question::Learners(_) => panic!("no path asks for several"),
                }
            }
        }
    }

    #[test]
    fn a_cursor_leads_back_to_where_it_was_made(
        label in "[^\n]{0,12}",
        score in any::<f64>().prop_filter("no score is NaN", |score| !score.is_nan()),
        member in any::<String>(),
    ) {
        let after = After { label: label.into(), score: score.to_bits(), member: member.into() };
        prop_assert_eq!(After::read(&after.text()).unwrap(), after);
    }

    #[test]
    fn what_is_taken_of_a_body_is_what_is_sent(events in prop::collection::vec(event(), 0..40)) {
        let schema = schema();
        let read = |bytes: &[u8]| {
            let field = (BATCH_FIELD.as_bytes().to_vec(), bytes.to_vec());
            decode(&schema, TimeLimits::NONE, EntryId { ms: NOW as u64, seq: 0 }, &[field])
        };
        let taken = read(Value::from(events.clone()).to_string().as_bytes());
        if !events.is_empty() {
            prop_assert_eq!(taken.events.len() + taken.rejects.len(), events.len());
        }
        let sent = batches(&schema, &taken.events).unwrap();
        let sent: Vec<_> = sent.iter().map(|batch| read(batch)).collect();
        prop_assert!(sent.iter().all(|read| read.rejects.is_empty()));
        let sent: Vec<_> = sent.into_iter().flat_map(|read| read.events).map(|e| e.values).collect();
        let taken: Vec<_> = taken.events.into_iter().map(|event| event.values).collect();
        prop_assert_eq!(sent, taken);
    }

    #[test]
    fn a_body_of_any_bytes_gives_events_or_reasons(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        let field = (BATCH_FIELD.as_bytes().to_vec(), bytes);
        let read = decode(&schema(), TimeLimits::NONE, EntryId { ms: NOW as u64, seq: 0 }, &[field]);
        prop_assert!(!read.events.is_empty() || !read.rejects.is_empty());
        prop_assert!(batches(&schema(), &read.events).is_ok());
    }
}

fn schema() -> Schema {
    let optional = |name, kind| Field { optional: true, ..Field::new(name, kind) };
    let fields = vec![
        Field::new("id", FieldType::String),
        optional("points", FieldType::Int),
        optional("weight", FieldType::Float),
        optional("price", FieldType::Decimal(2)),
        optional("right", FieldType::Bool),
        optional("at", FieldType::Time),
    ];
    Schema { fields, id: Some(0), key: None, time: None }
}

/// An event, of which one in some has a value that its field can't hold.
fn event() -> impl Strategy<Value = Value> {
    let number =
        prop_oneof![any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from)];
    let value = prop_oneof![
        number,
        any::<String>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from)
    ];
    let money = (any::<i32>(), 0_u32..100).prop_map(|(all, part)| format!("{all}.{part:02}"));
    (any::<String>(), any::<i64>(), any::<f64>(), money, any::<bool>(), value).prop_map(
        |(id, points, weight, price, right, other)| {
            json!({
                "id": id, "points": points, "weight": weight, "price": price, "right": right,
                "at": other,
            })
        },
    )
}
