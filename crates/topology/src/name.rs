//! What names may be made of.

use std::ops::Range;
use tallyd_kind::{fault::Fault, is_plain, sheet::Sheet};

/// Checks the name of a source, bolt or sink.
pub(crate) fn check_node(sheet: &Sheet<'_>, what: &str, name: &str, span: Range<usize>) -> bool {
    if is_plain(name) {
        return true;
    }
    let message = format!("\"{name}\" can't be the name of a {what}");
    sheet.fault(Fault::new(message, span).help("use letters, digits, - and _ (at most 64)"));
    false
}

/// Checks the name of the topology.
pub(crate) fn check_topology(sheet: &Sheet<'_>, name: &str, span: Range<usize>) {
    if !is_plain(name) || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let message = format!("\"{name}\" can't be the name of a topology");
        let help = "use lower-case letters, digits, - and _ (at most 64)";
        sheet.fault(Fault::new(message, span).help(help));
    }
}

/// Checks the name of a source's field.
pub(crate) fn check_field(sheet: &Sheet<'_>, name: &str, span: Range<usize>) -> bool {
    // They name edges without fields and edges by identity.
    let is_reserved = matches!(name, "identity" | "none");
    let is_sound = (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if is_sound && !is_reserved {
        return true;
    }
    let message = format!("\"{name}\" can't be the name of a field");
    let help = if is_reserved {
        "\"identity\" and \"none\" are tallyd's own: choose another name"
    } else {
        "use letters, digits, -, _ and . (at most 64 bytes)"
    };
    sheet.fault(Fault::new(message, span).help(help));
    false
}
