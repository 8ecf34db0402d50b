//! The parameters of a query string.

use crate::problem::{Code, Problem};
use smol_str::SmolStr;
use std::{collections::BTreeMap, ops::RangeInclusive};
use tallyd_query::when::When;

/// The most parameters of one request.
const MOST: usize = 64;

/// The parameters that have not been read yet.
#[derive(Clone, Debug, Default)]
pub struct Params(BTreeMap<SmolStr, SmolStr>);

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

    /// Takes a moment, as the command line reads one.
    ///
    /// # Errors
    /// Where it is none.
    pub fn moment(&mut self, name: &str) -> Result<Option<When>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|why| bad(format!("{name}={text}: {why}")))
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
        assert_eq!(all.moment("at").unwrap(), "-7d".parse().ok());
        assert!(params("at=soon").moment("at").is_err());
        assert!(all.end("").is_ok());
        assert!(params("limt=5").end("limit").is_err());
        assert!(Params::parse(Some("a=1&a=2")).is_err());
        assert!(params("limit=0").number("limit", 1..=1000).is_err());
        let many: String = (0..65).map(|n| format!("p{n}=1&")).collect();
        assert!(Params::parse(Some(&many)).is_err());
    }
}
