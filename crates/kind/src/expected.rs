//! What the expectations of tests need besides what every table needs.

use crate::{fault::Fault, section::Section, sheet::whole};
use smol_str::SmolStr;

impl Section<'_> {
    /// Faults an expectation that states none of these keys, and so can never fail.
    pub fn says_something(&self, keys: &[&str]) {
        if keys.iter().all(|key| self.written(key).is_none()) {
            let help = format!("state one of: {}", keys.join(", "));
            let fault = Fault::new("this expectation expects nothing", self.place.clone());
            self.sheet.fault(fault.help(help));
        }
    }

    /// A whole number whose bounds are not negative.
    pub fn count(&self, key: &str) -> Option<u64> {
        self.int(key).map(i64::unsigned_abs)
    }

    /// A name, which may also be written as a number.
    pub fn identifier(&self, key: &str) -> Option<SmolStr> {
        match self.written(key) {
            Some(item) if whole(item).is_some() => whole(item).map(|n| n.to_string().into()),
            _ => self.text(key).map(|word| word.text.into()),
        }
    }
}
