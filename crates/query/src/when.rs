//! Moments and lengths of time as people write them, on the command line and in addresses: one form
//! for all options and parameters.

use jiff::{
    SignedDuration, Span, SpanFieldwise, SpanRelativeTo, Timestamp,
    civil::{Date, DateTime},
    fmt::{friendly::SpanParser, strtime},
};
use std::str::FromStr;
use tallyd_bolt::calendar::{Calendar, Length};

/// What can be written where a moment is asked for.
pub const FORMS: &str = "2h or -7d (so long ago), today, yesterday, now, a date (2026-01-31, \
     2026-01 or 2026-W05), or a time (2026-01-31T09:30:00Z; without an offset in the topology's \
     time zone)";

/// A moment. What it means depends on the clock and on the topology's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// So long before now: years, months, weeks and days by the calendar.
    Ago(SpanFieldwise),
    /// This many ms after the beginning of 1970.
    At(i64),
    /// This day, week or month.
    In(Date, Length),
    /// The day that is so many days before today.
    DaysAgo(i64),
    /// This time on the clocks of the time zone.
    Local(DateTime),
}

/// A text that is no moment: why, and what can be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAMoment(String);

impl When {
    /// The moment of asking.
    #[must_use]
    pub fn now() -> Self {
        When::Ago(Span::new().fieldwise())
    }

    /// Whether it means the same whenever it is asked.
    #[must_use]
    pub fn is_fixed(self) -> bool {
        match self {
            When::At(_) | When::In(..) | When::Local(_) => true,
            When::Ago(_) | When::DaysAgo(_) => false,
        }
    }

    /// Its first ms since the epoch; `now` is that of the clock that is meant.
    #[must_use]
    pub fn first(self, now: i64, calendar: &Calendar) -> i64 {
        self.bounds(now, calendar).0
    }

    /// Its last ms: that of the whole day, where a day is named.
    #[must_use]
    pub fn last(self, now: i64, calendar: &Calendar) -> i64 {
        self.bounds(now, calendar).1
    }

    fn bounds(self, now: i64, calendar: &Calendar) -> (i64, i64) {
        let zone = || calendar.zone().clone();
        let at = |at: Timestamp| at.as_millisecond();
        let here = Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
        let here = here.to_zoned(zone());
        let (date, length) = match self {
            When::At(ms) => return (ms, ms),
            // Before the calendar begins is before everything.
            When::Ago(span) => {
                let then = here.checked_sub(span.0).map_or(Timestamp::MIN, |then| then.timestamp());
                let ms = at(then);
                return (ms, ms);
            }
            When::Local(time) => {
                let ms = time.to_zoned(zone()).map_or(0, |then| at(then.timestamp()));
                return (ms, ms);
            }
            When::In(date, length) => (date, length),
            When::DaysAgo(days) => {
                (here.date().saturating_sub(Span::new().days(days)), Length::Day)
            }
        };
        // Noon is in the day, whatever the clocks do.
        let noon = date.at(12, 0, 0, 0).to_zoned(zone()).map_or(0, |noon| at(noon.timestamp()));
        let window = calendar.window(length, noon);
        (window.start, window.end.saturating_sub(1))
    }
}

impl FromStr for When {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        let text = text.trim();
        let known = [("now", When::now()), ("today", When::DaysAgo(0))];
        let known = known.into_iter().chain([("yesterday", When::DaysAgo(1))]);
        if let Some((_, when)) = known.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name))
        {
            return Ok(when);
        }
        if let Ok(number) = text.parse::<i64>() {
            return match text.len() {
                ..7 => Err(NotAMoment(format!(
                    "a number without a unit (expected such as {text}h or {text}d)"
                ))),
                7..12 => Err(NotAMoment(format!(
                    "looks like seconds (expected ms since 1970, or {FORMS})"
                ))),
                _ => Ok(When::At(number)),
            };
        }
        if let Some(when) = time(text).or_else(|| date(text)).or_else(|| ago(text)) {
            return Ok(when);
        }
        Err(NotAMoment(format!("not a moment (expected {FORMS})")))
    }
}

fn time(text: &str) -> Option<When> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(When::At(time.as_millisecond()));
    }
    // The label of a short window, as tallyd prints it.
    let label = text.strip_suffix('Z').and_then(|label| {
        let parse = |form: &str| strtime::parse(form, label).ok()?.to_datetime().ok();
        parse("%Y-%m-%dT%H%M").or_else(|| parse("%Y-%m-%dT%H%M%S"))
    });
    if let Some(utc) = label.and_then(|label| label.to_zoned(jiff::tz::TimeZone::UTC).ok()) {
        return Some(When::At(utc.timestamp().as_millisecond()));
    }
    let is_time = text.get(10..).is_some_and(|rest| !rest.is_empty());
    is_time.then(|| text.parse().ok().map(When::Local)).flatten()
}

fn date(text: &str) -> Option<When> {
    let first = |form: &str, text: &str| strtime::parse(form, text).ok()?.to_date().ok();
    let day = first("%Y-%m-%d", text).map(|day| When::In(day, Length::Day));
    let month = || first("%Y-%m-%d", &format!("{text}-01")).map(|day| When::In(day, Length::Month));
    let week = || first("%G-W%V-%u", &format!("{text}-1")).map(|day| When::In(day, Length::Week));
    day.or_else(month).or_else(week)
}

/// "2h", "-2h" and "2h ago" mean the same. What is still to come is not meant.
fn ago(text: &str) -> Option<When> {
    let span = SpanParser::new().parse_span(text).ok().filter(|_| !text.starts_with('+'))?;
    Some(When::Ago(span.abs().fieldwise()))
}

/// The window or period of a bolt that is as long as the one asked for, which is named in another
/// way: `60m` is `1h`, and `day` is `1d`.
pub(crate) fn as_named<'a>(
    asked: &'a str,
    mut names: impl Iterator<Item = &'a str> + Clone,
) -> &'a str {
    if names.clone().any(|name| name == asked) {
        return asked;
    }
    let Some(length) = length(asked) else { return asked };
    names.find(|name| self::length(name) == Some(length)).unwrap_or(asked)
}

/// The months and the rest of a window's length.
fn length(name: &str) -> Option<(i32, SignedDuration)> {
    let name = match name {
        "hour" | "day" | "week" | "month" => &format!("1{name}"),
        name => name,
    };
    let span = SpanParser::new().parse_span(name).ok()?;
    if span.fieldwise() == Span::new() || span.get_years() != 0 {
        return None;
    }
    let rest = span.months(0).to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Some((span.get_months(), rest))
}

#[cfg(test)]
mod tests;
