//! The keys of a leaderboard bolt.

mod corrected;

use crate::{Leaderboard, Options, PeriodOptions, Score, Ties, view::BOARD};
use std::sync::Arc;
use tallyd_bolt::{
    Bolt, FieldRef,
    calendar::{Calendar, Length},
};
use tallyd_event::{FieldType, Schema};
use tallyd_kind::{
    BoltKind, BoltOptions, Extent, Wanted,
    call::Call,
    fault::{Fault, did_you_mean},
    hints,
    input::{Input, Output, field_list},
    key_spec::{Default, KeySpec, Kind, NAMES, NUMBERS, Spans},
    section::{Section, wrong_kind},
    sheet::Item,
    span_entry::{GRACE_KEY, SPAN_GRACE_KEY, SpanEntry, refuse_twice, span_retain_key},
    units::{DAY_MS, HOUR_MS},
    view::View,
};
use toml::de::DeValue;

/// The type.
pub struct LeaderboardKind;

impl BoltKind for LeaderboardKind {
    fn name(&self) -> &'static str {
        "leaderboard"
    }

    fn also_called(&self) -> &'static [&'static str] {
        &["rank", "ranking", "scoreboard", "top"]
    }

    fn doc(&self) -> &'static str {
        "Members ranked by a score, on one or several boards, in each of several periods."
    }

    fn results(&self) -> Option<&'static str> {
        Some("sorted sets")
    }

    fn is_by_time(&self) -> bool {
        true
    }

    fn takes_back(&self) -> bool {
        true
    }

    fn views(&self) -> &'static [&'static View] {
        const VIEWS: &[&View] = &[&BOARD];
        VIEWS
    }

    fn keys(&self) -> Vec<KeySpec> {
        KEYS.to_vec()
    }

    fn read(&self, section: &Section<'_>, input: Option<&Input>) -> Option<Arc<dyn BoltOptions>> {
        Some(Arc::new(read(section, input)?))
    }

    fn output(&self, _: &str, _: Option<&Input>, _: Option<&dyn BoltOptions>) -> Output {
        Output::Nothing(None)
    }
}

impl BoltOptions for Options {
    fn kind(&self) -> &'static dyn BoltKind {
        &LeaderboardKind
    }

    fn build(
        &self,
        input: &Schema,
        calendar: &Calendar,
        partitions: u16,
        _: [u8; 16],
    ) -> Arc<dyn Bolt> {
        Arc::new(Leaderboard::new(self.clone(), input.clone(), calendar.clone(), partitions))
    }

    fn shape(&self) -> Vec<(String, String)> {
        Options::shape(self)
    }

    fn partitioned_by(&self) -> Wanted<'_> {
        Wanted::Fields(std::slice::from_ref(&self.member))
    }

    fn about(&self) -> Option<&FieldRef> {
        Some(&self.member)
    }

    fn edited_by(&self) -> Option<&FieldRef> {
        Some(&self.member)
    }

    fn stays(&self, field: Option<&str>) -> Option<String> {
        let names =
            |board: &&Vec<FieldRef>| field.is_some_and(|of| board.iter().any(|by| by.name == of));
        let board = self.boards.iter().find(names)?;
        let by: Vec<&str> = board.iter().map(|field| field.name.as_str()).collect();
        Some(format!("the boards by {}, whose keys have the member's name", by.join(", ")))
    }

    fn renamed(&self, field: &str) -> Result<Option<String>, String> {
        Ok(self.stays(Some(field)))
    }

    fn extent(&self) -> Option<Extent<'_>> {
        let periods =
            self.periods.iter().map(|of| (of.name.as_str(), of.length, of.lasting)).collect();
        let names =
            self.boards.iter().map(|board| board.iter().map(|of| of.name.as_str()).collect());
        Some(Extent { periods, groups: names.collect(), whole: true, corrected: self.corrected })
    }

    fn windows(&self) -> Vec<&str> {
        self.periods.iter().map(|period| period.name.as_str()).collect()
    }
}

/// The keys.
const KEYS: &[KeySpec] = &[
    KeySpec {
        name: "member",
        kind: Kind::Field(NAMES),
        default: Default::Required,
        doc: "Who is ranked.",
    },
    KeySpec {
        name: "score",
        kind: Kind::Score,
        default: Default::Required,
        doc: "What is ranked by: `\"sum(field)\"`, `\"max(field)\"`, `\"min(field)\"` (the lowest \
              is first), `\"last(field)\"` (the value of the event with the latest time; of equal \
              times, of the one that arrived later), `\"last_arrived(field)\"` or `\"count\"`. The \
              field is an int, a decimal or a float.",
    },
    KeySpec {
        name: "boards",
        kind: Kind::Boards,
        default: Default::value("[[]]"),
        doc: "One board for each group of these fields; `[]` is one board for everyone. An event \
              that leaves a field out is not on that board.",
    },
    KeySpec {
        name: "periods",
        kind: Kind::Spans(&SPANS),
        default: Default::value("[\"all\"]"),
        doc: "Which of `\"hour\"`, `\"day\"`, `\"week\"`, `\"month\"` and `\"all\"` have boards of \
              their own.",
    },
    KeySpec {
        name: "ties",
        kind: Kind::Choice(&["first", "shared", "dense"]),
        default: Default::Absent(
            "`\"first\"` for whole scores, else, and behind a `latest`, `\"shared\"`",
        ),
        doc: "Which ranks members with one score have: who reached it `\"first\"` stands higher; \
              or they share a rank and the next ones are left out (`\"shared\"`: 1, 2, 2, 4), or \
              are not (`\"dense\"`: 1, 2, 2, 3). See below.",
    },
    GRACE_KEY,
];

static SPANS: Spans =
    Spans { what: "period", name: "period", keys: PERIOD_KEYS, example: "[\"day\", \"all\"]" };

/// The keys of a period that is written as a table.
const PERIOD_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "period",
        kind: Kind::Choice(&["hour", "day", "week", "month", "all"]),
        default: Default::Required,
        doc: "The period.",
    },
    span_retain_key(
        "`\"2d\"` (hour), `\"35d\"` (day), `\"182d\"` (week), `\"730d\"` (month), \
         `\"forever\"` (all)",
    ),
    SPAN_GRACE_KEY,
];

const PERIODS: [(&str, Length, Option<i64>); 5] = [
    ("hour", Length::Millis(HOUR_MS), Some(2 * DAY_MS)),
    ("day", Length::Day, Some(35 * DAY_MS)),
    ("week", Length::Week, Some(182 * DAY_MS)),
    ("month", Length::Month, Some(730 * DAY_MS)),
    ("all", Length::All, None),
];

const FUNCTIONS: [&str; 6] = ["sum", "max", "min", "last", "last_arrived", "count"];

fn read(section: &Section<'_>, input: Option<&Input>) -> Option<Options> {
    let member = section.field("member", input, NAMES);
    let score = score(section, input);
    let boards = boards(section, input);
    let periods = periods(section);
    let ties = section.choice("ties");
    let corrected = input.is_some_and(|input| input.corrected.is_some());
    let (score, is_whole, places) = score?;
    let ties = match ties {
        Some(word) if word.text == "first" && !is_whole => {
            let message = "ties = \"first\" can't rank scores that are floats";
            let help = "write ties = \"shared\" or \"dense\", or make the field an int";
            section.sheet.fault(Fault::new(message, word.span).help(help));
            return None;
        }
        Some(word) if word.text == "shared" => Ties::Shared,
        Some(word) if word.text == "dense" => Ties::Dense,
        Some(_) => Ties::First,
        None if section.written("ties").is_some() => return None,
        None if is_whole && !corrected => Ties::First,
        None => Ties::Shared,
    };
    let (member, boards, periods) = (member?, boards?, periods?);
    let options = Options { member, score, boards, periods, ties, places, corrected };
    corrected::check(section, input, &options);
    Some(options)
}

/// The score, whether it is stored as a whole number, and how many places it has as a decimal.
fn score(section: &Section<'_>, input: Option<&Input>) -> Option<(Score, bool, Option<u8>)> {
    let call = Call::parse(section, section.text("score")?)?.of_score();
    let make: fn(FieldRef) -> Score = match call.function.as_str() {
        "sum" => Score::Sum,
        "max" => Score::Max,
        "min" => Score::Min,
        "last" => Score::Last,
        "last_arrived" => Score::LastArrived,
        "count" => {
            call.without_field(section)?;
            return Some((Score::Count, true, None));
        }
        _ => {
            call.unknown(section, input, &FUNCTIONS);
            return None;
        }
    };
    let (field, declared) = call.field(section, input, NUMBERS)?;
    let places = declared.kind.places();
    Some((make(field), declared.kind == FieldType::Int || places.is_some(), places))
}

fn boards(section: &Section<'_>, input: Option<&Input>) -> Option<Vec<Vec<FieldRef>>> {
    let items = section.list("boards")?;
    let mut boards: Vec<Vec<FieldRef>> = Vec::new();
    if items.is_empty() {
        let help = "write boards = [[]] for one board for everyone";
        let fault = Fault::new("\"boards\" names no board", section.span("boards")).help(help);
        section.sheet.fault(fault);
    }
    for item in &items {
        let DeValue::Array(names) = item.get_ref() else {
            let fault = wrong_board(item);
            section.sheet.fault(fault);
            continue;
        };
        let Some(board) = field_list(section.sheet, "boards", names, input) else { continue };
        let same = |other: &Vec<FieldRef>| {
            other.len() == board.len() && board.iter().all(|field| other.contains(field))
        };
        if input.is_some() && boards.iter().any(same) {
            let fault = Fault::new("this board stands twice", item.span()).help("take one away");
            section.sheet.fault(fault);
        }
        boards.push(board);
    }
    (!items.is_empty() && boards.len() == items.len()).then_some(boards)
}

fn wrong_board(item: &Item<'_>) -> Fault {
    let fault = wrong_kind("boards", "a list of lists of fields", item);
    match item.get_ref().as_str() {
        Some(name) => fault.help(format!("each board is a list of fields: [\"{name}\"]")),
        None => fault,
    }
}

fn periods(section: &Section<'_>) -> Option<Vec<PeriodOptions>> {
    let grace_ms = section.grace("grace");
    let entries = SpanEntry::read_all(section, "periods", &SPANS)?;
    let mut periods = Vec::new();
    let count = entries.len();
    for entry in entries.into_iter().flatten() {
        let Some((name, length, retain_ms)) =
            PERIODS.iter().find(|(name, ..)| *name == entry.name.text)
        else {
            let names = PERIODS.iter().map(|(name, ..)| *name);
            let help = match hints::period(&entry.name.text) {
                Some(meant) => format!("write \"{meant}\""),
                None => did_you_mean(&entry.name.text, names, "the periods are"),
            };
            let message = format!("\"{}\" is not a period", entry.name.text);
            section.sheet.fault(Fault::new(message, entry.name.span).help(help));
            continue;
        };
        let lasting = entry.lasting(*retain_ms, grace_ms?);
        periods.push(PeriodOptions { name: (*name).into(), length: *length, lasting });
    }
    let names: Vec<&str> = periods.iter().map(|period| period.name.as_str()).collect();
    refuse_twice(section, "periods", &names);
    (periods.len() == count).then_some(periods)
}
