//! A path and a query of any text are a question, whose times lie where they can be reckoned with,
//! or a refusal that says whose fault it is; never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tallyd_bolt::calendar::Calendar;
use tallyd_serve::{
    params::Params,
    question::{From, Part, Question},
};

const NOW: i64 = 1_767_225_600_000;

fuzz_target!(|text: &str| {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let read = || Question::read(path, Params::parse(Some(query))?);
    let question = match read() {
        Ok(question) => question,
        Err(problem) => {
            assert!(problem.code.status().is_client_error() && !problem.detail.is_empty());
            return;
        }
    };
    assert_eq!(read().expect("the same question"), question);
    let calendar = Calendar::new("Europe/Berlin").expect("a zone");
    match &question {
        Question::Board(board) => {
            assert!(board.at.first(NOW, &calendar) <= board.at.last(NOW, &calendar));
            if let Part::Page { from: From::After(after), limit } = &board.part {
                assert!((1..=1000).contains(limit));
                let again = tallyd_serve::cursor::After::read(&after.text());
                assert_eq!(again.expect("a cursor"), *after);
            }
        }
        Question::Stats(stats) => {
            let (from, to) = (stats.from.unwrap_or(stats.to), stats.to);
            let _ = (from.first(NOW, &calendar), to.last(NOW, &calendar));
        }
        Question::Learner(..) | Question::Learners(_) => {}
    }
});
