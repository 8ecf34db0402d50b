//! The parameters of a query string.

use crate::problem::{Code, Problem};
use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use smol_str::SmolStr;
use std::{collections::BTreeMap, ops::RangeInclusive};

/// The most parameters of one request.
const MOST: usize = 64;

/// The parameters that have not been read yet.
#[derive(Clone, Debug, Default)]
pub struct Params(BTreeMap<SmolStr, SmolStr>);

/// A moment: fixed, or before the time of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// In ms since the epoch.
    At(i64),
    /// So many ms ago.
    Ago(i64),
}

impl Moment {
    /// In ms since the epoch, where it is `now`.
    #[must_use]
    pub fn ms(self, now: i64) -> i64 {
        match self {
            Moment::At(ms) => ms,
            Moment::Ago(ms) => now.saturating_sub(ms),
        }
    }
}

impl Params {
    /// Reads a query string.
    ///
    /// # Errors
    /// Where there are too many parameters, or one stands twice.
    pub fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if params.len() == MOST {
                return Err(bad(format!("more than {MOST} parameters")));
            }
            if params.insert(SmolStr::new(&name), SmolStr::new(&value)).is_some() {
                return Err(bad(format!("\"{name}\" is given twice (once is enough)")));
            }
        }
        Ok(Self(params))
    }

    /// Takes a parameter.
    pub fn text(&mut self, name: &str) -> Option<SmolStr> {
        self.0.remove(name)
    }

    /// Takes a whole number.
    ///
    /// # Errors
    /// Where it is none, or out of range.
    pub fn number(
        &mut self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = (range.start(), range.end());
                Err(bad(format!("{name}={text}: expected a whole number, {least} to {most}")))
            }
        }
    }

    /// Takes a moment: `now`, `today`, `-7d`, a date, RFC 3339, or ms since the epoch. Dates begin
    /// where the time zone says.
    ///
    /// # Errors
    /// Where it is none of these.
    pub fn moment(&mut self, name: &str, zone: &TimeZone) -> Result<Option<Moment>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let moment = moment(&text, zone).ok_or_else(|| {
            bad(format!(
                "{name}={text}: expected now, today, -7d, 2026-11-20, a time such as \
                 2026-11-20T09:30:00Z, or ms since the epoch"
            ))
        })?;
        Ok(Some(moment))
    }

    /// Takes all `by.FIELD=VALUE`, in the order of the fields.
    pub fn by(&mut self) -> Vec<(SmolStr, SmolStr)> {
        let rest = std::mem::take(&mut self.0);
        let mut by = Vec::new();
        for (name, value) in rest {
            match name.strip_prefix("by.") {
                Some(field) => by.push((field.into(), value)),
                None => {
                    self.0.insert(name, value);
                }
            }
        }
        by
    }

    /// All must have been taken.
    ///
    /// # Errors
    /// Where one is left that nobody knows.
    pub fn end(self, known: &str) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(bad(format!("\"{name}\" is no parameter here (there are: {known})"))),
        }
    }
}

fn moment(text: &str, zone: &TimeZone) -> Option<Moment> {
    let midnight = |date: Date| {
        Some(date.to_zoned(zone.clone()).ok()?.start_of_day().ok()?.timestamp().as_millisecond())
    };
    match text {
        "now" => return Some(Moment::Ago(0)),
        "today" => {
            let now = Timestamp::now().to_zoned(zone.clone());
            return midnight(now.date()).map(Moment::At);
        }
        _ => {}
    }
    if let Some(ago) = text.strip_prefix('-') {
        let span: Span = ago.parse().ok()?;
        let relative = jiff::SpanRelativeTo::days_are_24_hours();
        let ms = span.to_duration(relative).ok()?.as_millis();
        return i64::try_from(ms).ok().filter(|ms| *ms >= 0).map(Moment::Ago);
    }
    if text.len() >= 11 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let ms = text.parse().ok()?;
        return Timestamp::from_millisecond(ms).is_ok().then_some(Moment::At(ms));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(Moment::At(time.as_millisecond()));
    }
    midnight(text.parse().ok()?).map(Moment::At)
}

pub(crate) fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(Code::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::parse(Some(query)).unwrap()
    }

    #[test]
    fn parameters_are_taken_once_and_none_is_left() {
        let mut all = params("limit=5&by.class=10%20B&by.school=&at=-7d");
        assert_eq!(all.number("limit", 1..=1000).unwrap(), Some(5));
        assert_eq!(all.by(), [("class".into(), "10 B".into()), ("school".into(), "".into())]);
        assert_eq!(all.moment("at", &TimeZone::UTC).unwrap(), Some(Moment::Ago(604_800_000)));
        assert!(all.end("").is_ok());
        assert!(params("limt=5").end("limit").is_err());
        assert!(Params::parse(Some("a=1&a=2")).is_err());
        assert!(params("limit=0").number("limit", 1..=1000).is_err());
        let many: String = (0..65).map(|n| format!("p{n}=1&")).collect();
        assert!(Params::parse(Some(&many)).is_err());
    }

    #[test]
    fn moments_have_many_forms() {
        let berlin = jiff::tz::TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        let at = |text| moment(text, &berlin);
        assert_eq!(at("2026-11-20"), Some(Moment::At(1_795_129_200_000)));
        assert_eq!(at("2026-11-20T00:00:00+01:00"), at("2026-11-20"));
        assert_eq!(at("1795129200000"), Some(Moment::At(1_795_129_200_000)));
        assert_eq!(at("now"), Some(Moment::Ago(0)));
        assert_eq!(at("-90m"), Some(Moment::Ago(5_400_000)));
        for text in ["", "yesterdy", "5", "2026-13-01", "-", "--1d", "99999999999999999999"] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
