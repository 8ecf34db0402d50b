//! What a request has as its body: events are taken or refused one by one, and what is sent on of
//! them is the same events; a list of members is a question or a refusal.

#![no_main]

mod schema;

use libfuzzer_sys::fuzz_target;
use schema::schema;
use smol_str::SmolStr;
use tallyd_event::{
    EntryId,
    decode::{TimeLimits, decode},
};
use tallyd_serve::{
    events::batches,
    params::Params,
    question::{LearnersBody, MOST_LEARNERS, MOST_MEMBERS, MembersBody, Question},
};

const ARRIVAL: EntryId = EntryId { ms: 1_767_225_600_000, seq: 7 };

fuzz_target!(|bytes: &[u8]| {
    let schema = schema();
    let read = |bytes: &[u8]| {
        decode(&schema, TimeLimits::NONE, ARRIVAL, &vec![(b"batch".to_vec(), bytes.to_vec())])
    };
    let taken = read(bytes).events;
    let mut sent = Vec::new();
    for batch in batches(&schema, &taken).expect("a batch") {
        let read = read(&batch);
        assert!(read.rejects.is_empty(), "{:?}", read.rejects);
        sent.extend(read.events);
    }
    let values = |events: &[tallyd_event::Event]| -> Vec<_> {
        events.iter().map(|event| event.values.clone()).collect()
    };
    assert_eq!(values(&sent), values(&taken));

    if let Ok(MembersBody { members }) = serde_json::from_slice(bytes) {
        let is_too_many = members.len() > MOST_MEMBERS;
        let question = Question::members("points", Params::default(), members);
        assert_eq!(question.is_err(), is_too_many);
    }
    if let Ok(LearnersBody { learners }) = serde_json::from_slice(bytes) {
        let mut different: Vec<SmolStr> = learners.clone();
        different.sort();
        different.dedup();
        let is_too_many = learners.len() > MOST_LEARNERS;
        match Question::learners(learners) {
            Ok(Question::Learners(asked)) => assert_eq!(asked.len(), different.len()),
            other => assert!(other.is_err() && is_too_many),
        }
    }
});
