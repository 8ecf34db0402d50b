//! What is asked: every argument read, whoever asks and whenever it is answered.
//!
//! Equal questions have equal answers at one moment, so a question is the key of what is cached
//! and of what is watched.

use crate::{
    access::Caller,
    cursor::After,
    params::{Params, bad},
    problem::{Code, Problem},
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use smol_str::SmolStr;
use tallyd_query::when::When;
use utoipa::ToSchema;

/// The most rows of one answer.
pub const MOST_ROWS: u64 = 1000;
/// The most members that one request may name.
pub const MOST_MEMBERS: usize = 500;
/// The longest name, in bytes: no event can have a longer one as a key.
const LONGEST_NAME: usize = 4096;
/// The most learners that one request may name.
pub const MOST_LEARNERS: usize = 100;
const ROWS: u64 = 10;
const AROUND: u64 = 11;
const GROUPS: u64 = 100;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// A part of a board.
    Board(BoardQuestion),
    /// The figures of an aggregate.
    Stats(StatsQuestion),
    /// What is stored of a learner, with the boards of these groups.
    Learner(SmolStr, Vec<(SmolStr, SmolStr)>),
    /// What is stored of some learners.
    Learners(Vec<SmolStr>),
}

/// A part of a board.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BoardQuestion {
    /// The leaderboard.
    pub bolt: SmolStr,
    /// The group; empty for everyone.
    pub by: Vec<(SmolStr, SmolStr)>,
    /// The period; `None` for the first of the topology.
    pub period: Option<SmolStr>,
    /// A moment in the period.
    pub at: When,
    /// Which rows.
    pub part: Part,
}

/// Some rows of a board.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The rows from a rank on, or after those that were seen.
    Page {
        /// How many.
        limit: u64,
        /// Where the page begins.
        from: From,
    },
    /// A member among its neighbours, so many rows in all.
    Around(SmolStr, u64),
    /// A member alone.
    Member(SmolStr),
    /// Some members, with their ranks among each other.
    Members(Vec<SmolStr>),
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum From {
    /// At this place, from 1.
    Rank(u64),
    /// After the last row that was seen.
    After(After),
}

/// The figures of an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatsQuestion {
    /// The aggregate.
    pub bolt: SmolStr,
    /// Some of its fields, with their values.
    pub by: Vec<(SmolStr, SmolStr)>,
    /// The window; `None` for the first of the topology.
    pub window: Option<SmolStr>,
    /// The first moment; `None` for that of `to`.
    pub from: Option<When>,
    /// The last moment.
    pub to: When,
    /// What rows are ordered by: a measure or a ratio of two, the greatest first where `true`.
    pub order: Option<(Measure, bool)>,
    /// How many groups at most.
    pub limit: u64,
}

/// A measure, or one divided by another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Measure {
    /// The measure.
    pub name: SmolStr,
    /// What it is divided by.
    pub over: Option<SmolStr>,
}

/// The body of a request for some members.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MembersBody {
    /// Who.
    #[schema(value_type = Vec<String>)]
    pub members: Vec<SmolStr>,
}

/// The body of a request for some learners.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LearnersBody {
    /// Who.
    #[schema(value_type = Vec<String>)]
    pub learners: Vec<SmolStr>,
}

impl Question {
    /// Reads a path below `/v1/`, and its parameters.
    ///
    /// # Errors
    /// Where there is nothing at the path, or a parameter can't be read.
    pub fn read(path: &str, mut params: Params) -> Result<Self, Problem> {
        let names = path.split('/').map(name).collect::<Result<Vec<SmolStr>, _>>()?;
        let names: Vec<&str> = names.iter().map(SmolStr::as_str).collect();
        let rows = |params: &mut Params, name, least, default| {
            Ok::<u64, Problem>(params.number(name, least..=MOST_ROWS)?.unwrap_or(default))
        };
        let part = match *names.as_slice() {
            ["boards", _] => {
                let limit = rows(&mut params, "limit", 1, ROWS)?;
                let cursor = params.text("cursor").map(|text| After::read(&text)).transpose()?;
                let rank = params.number("rank", 1..=u64::MAX)?;
                let from = match (cursor, rank) {
                    (Some(_), Some(_)) => {
                        return Err(bad("cursor and rank can't be given together"));
                    }
                    (Some(cursor), None) => From::After(cursor),
                    (None, rank) => From::Rank(rank.unwrap_or(1)),
                };
                Part::Page { limit, from }
            }
            ["boards", _, "around", member] => {
                Part::Around(member.into(), rows(&mut params, "rows", 1, AROUND)?)
            }
            ["boards", _, "members", member] => Part::Member(member.into()),
            ["stats", bolt] => return Self::stats(bolt, params),
            ["learners", learner] => {
                let by = params.by();
                params.end("by.FIELD")?;
                return Ok(Question::Learner(learner.into(), by));
            }
            _ => return Err(Problem::new(Code::NotFound, "nothing is at this path")),
        };
        let bolt = names.get(1).copied().unwrap_or_default();
        Self::board(bolt, params, part)
    }

    /// Some members of a board.
    ///
    /// # Errors
    /// Where a parameter can't be read, or there are too many members.
    pub fn members(bolt: &str, params: Params, members: Vec<SmolStr>) -> Result<Self, Problem> {
        if members.len() > MOST_MEMBERS {
            let count = members.len();
            return Err(bad(format!("{count} members (at most {MOST_MEMBERS} at once)")));
        }
        let mut seen = std::collections::HashSet::new();
        let members = members.into_iter().filter(|member| seen.insert(member.clone())).collect();
        Self::board(bolt, params, Part::Members(members))
    }

    /// Some learners.
    ///
    /// # Errors
    /// Where there are too many.
    pub fn learners(learners: Vec<SmolStr>) -> Result<Self, Problem> {
        if learners.len() > MOST_LEARNERS {
            let count = learners.len();
            return Err(bad(format!("{count} learners (at most {MOST_LEARNERS} at once)")));
        }
        let mut seen = std::collections::HashSet::new();
        let learners = learners.into_iter().filter(|learner| seen.insert(learner.clone()));
        Ok(Question::Learners(learners.collect()))
    }

    /// Whether it asks for a time that is named, and not for one that goes on with the clock.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        match self {
            Question::Board(question) => question.at.is_fixed(),
            Question::Stats(question) => {
                question.to.is_fixed() && question.from.is_none_or(When::is_fixed)
            }
            Question::Learner(..) | Question::Learners(_) => false,
        }
    }

    fn board(bolt: &str, mut params: Params, part: Part) -> Result<Self, Problem> {
        let by = params.by();
        let period = params.text("period");
        let at = params.moment("at")?.unwrap_or_else(When::now);
        params.end("by.FIELD, period, at, and on a page limit, cursor or rank")?;
        let bolt = bolt.into();
        Ok(Question::Board(BoardQuestion { bolt, by, period, at, part }))
    }

    fn stats(bolt: &str, mut params: Params) -> Result<Self, Problem> {
        let by = params.by();
        let window = params.text("window");
        let from = params.moment("from")?;
        let to = params.moment("to")?.unwrap_or_else(When::now);
        let limit = params.number("limit", 1..=MOST_ROWS)?.unwrap_or(GROUPS);
        let order = params.text("order_by").map(|text| match text.strip_prefix('-') {
            Some(rest) => (Measure::read(rest), true),
            None => (Measure::read(&text), false),
        });
        params.end("by.FIELD, window, from, to, order_by, limit")?;
        let bolt = bolt.into();
        Ok(Question::Stats(StatsQuestion { bolt, by, window, from, to, order, limit }))
    }

    /// Whether a caller may ask it.
    ///
    /// # Errors
    /// Where it may not.
    pub fn allow(&self, caller: &Caller) -> Result<(), Problem> {
        match self {
            Question::Board(question) => {
                let group: Vec<(SmolStr, Option<SmolStr>)> =
                    question.by.iter().map(|(f, v)| (f.clone(), Some(v.clone()))).collect();
                caller.may_read(&question.bolt, &group)?;
                match &question.part {
                    Part::Page { .. } => Ok(()),
                    Part::Around(member, _) | Part::Member(member) => caller.may_see_member(member),
                    Part::Members(members) => {
                        members.iter().try_for_each(|member| caller.may_see_member(member))
                    }
                }
            }
            // What its groups are by is known to the aggregate alone: see `stats`.
            Question::Stats(_) => Ok(()),
            Question::Learner(learner, by) => {
                caller.may_see_learner(learner)?;
                caller.may_see_values(by)
            }
            Question::Learners(learners) => {
                learners.iter().try_for_each(|learner| caller.may_see_learner(learner))
            }
        }
    }
}

impl Measure {
    /// Reads `answers` or `right/answers`.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text.split_once('/') {
            Some((name, over)) => Self { name: name.into(), over: Some(over.into()) },
            None => Self { name: text.into(), over: None },
        }
    }
}

/// A name in a path.
fn name(text: &str) -> Result<SmolStr, Problem> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| bad("a name in the path is not UTF-8"))?;
    if decoded.len() > LONGEST_NAME {
        return Err(bad(format!("a name in the path is longer than {LONGEST_NAME} bytes")));
    }
    Ok(decoded.as_ref().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_topology::Grant;

    fn read(path: &str, query: &str) -> Result<Question, Problem> {
        Question::read(path, Params::parse(Some(query)).unwrap())
    }

    #[test]
    fn paths_are_questions() {
        let page = |question: Question| match question {
            Question::Board(BoardQuestion { part, .. }) => part,
            other => panic!("{other:?}"),
        };
        let first = Part::Page { limit: 10, from: From::Rank(1) };
        assert_eq!(page(read("boards/points", "").unwrap()), first);
        let around = page(read("boards/points/around/u%2F7", "rows=5").unwrap());
        assert_eq!(around, Part::Around("u/7".into(), 5));
        assert_eq!(
            read("learners/a%20b", "").unwrap(),
            Question::Learner("a b".into(), Vec::new())
        );
        let Question::Stats(stats) = read("stats/c", "order_by=-right/answers&from=-7d").unwrap()
        else {
            panic!("no stats")
        };
        assert_eq!(stats.order, Some((Measure::read("right/answers"), true)));
        assert_eq!(stats.from, "-7d".parse().ok());
    }

    #[test]
    fn what_is_no_question_is_refused() {
        for (path, query, code) in [
            ("boards", "", Code::NotFound),
            ("boards/a/b", "", Code::NotFound),
            ("boards/a", "limit=1001", Code::BadRequest),
            ("boards/a", "limit=x", Code::BadRequest),
            ("boards/a", "cursor=%00", Code::BadRequest),
            ("boards/a", "rank=0", Code::BadRequest),
            ("boards/a", "at=soon", Code::BadRequest),
            ("boards/a", "by=class", Code::BadRequest),
            ("boards/a/members/%FF", "", Code::BadRequest),
            ("learners/u7", "limit=1", Code::BadRequest),
        ] {
            assert_eq!(read(path, query).unwrap_err().code, code, "{path}?{query}");
        }
        let long = format!("learners/{}", "x".repeat(5000));
        assert_eq!(read(&long, "").unwrap_err().code, Code::BadRequest);
        let many = (0..501).map(|n| SmolStr::from(n.to_string())).collect();
        assert!(Question::members("a", Params::default(), many).is_err());
    }

    #[test]
    fn a_member_may_ask_for_itself() {
        let grant =
            Grant { read: vec!["points".into()], member: Some("u7".into()), ..Grant::default() };
        let caller = Caller { subject: "u7".into(), grant, until: None };
        let allowed = |path: &str| read(path, "").unwrap().allow(&caller).is_ok();
        assert!(allowed("boards/points"));
        assert!(allowed("boards/points/around/u7"));
        assert!(allowed("boards/points/members/u%37"));
        assert!(!allowed("boards/points/around/u8"));
        assert!(!allowed("boards/points/members/u%38"));
        assert!(allowed("learners/u7") && !allowed("learners/u8"));
        let others = vec!["u7".into(), "u8".into()];
        let friends = Question::members("points", Params::default(), others).unwrap();
        assert!(friends.allow(&caller).is_err());
    }
}
