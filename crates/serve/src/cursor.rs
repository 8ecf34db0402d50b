//! Where a page of a board ended: opaque to those who pass it back.

use crate::{params::bad, problem::Problem};
use smol_str::SmolStr;

/// The last row of a page, and the period that it was of. Scores move, but this does not: the next
/// page begins after whoever now stands below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct After {
    /// The label of the period.
    pub label: SmolStr,
    /// The bits of the score as it is stored.
    pub score: u64,
    /// The member.
    pub member: SmolStr,
}

const VERSION: &str = "1";

impl After {
    /// As a cursor.
    #[must_use]
    pub fn text(&self) -> String {
        let plain = format!("{VERSION}\n{}\n{:016x}\n{}", self.label, self.score, self.member);
        plain.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a cursor.
    ///
    /// # Errors
    /// Where it is none that tallyd wrote.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let broken = || bad("the cursor can't be read (pass back what an answer gave as next)");
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return Err(broken());
        }
        let byte = |pair: &[u8; 2]| {
            let digits = pair.iter().all(u8::is_ascii_hexdigit);
            let hex = std::str::from_utf8(pair).ok().filter(|_| digits)?;
            u8::from_str_radix(hex, 16).ok()
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let plain = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(broken)?;
        let mut parts = plain.splitn(4, '\n');
        let mut part = || parts.next().ok_or_else(broken);
        if part()? != VERSION {
            return Err(broken());
        }
        let label = part()?.into();
        let score = u64::from_str_radix(part()?, 16).map_err(|_| broken())?;
        let member = part()?.into();
        if f64::from_bits(score).is_nan() {
            return Err(broken());
        }
        Ok(Self { label, score, member })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_what_it_wrote_and_nothing_else() {
        let after =
            After {
                label: "2026-W48".into(), score: (-1.5f64).to_bits(), member: "a\nb é".into()
            };
        assert_eq!(After::read(&after.text()).unwrap(), after);
        let nan = After { score: f64::NAN.to_bits(), ..after.clone() };
        for text in ["", "0", "zz", "31", &after.text()[2..], &nan.text(), "+1+1"] {
            assert!(After::read(text).is_err(), "{text}");
        }
    }
}
