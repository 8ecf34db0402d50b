//! The names in a PromQL expression. Prometheus itself says whether it is one: what is wanted here
//! is which series and labels it names, without a parser of some twenty crates.

/// The words that stand where a name could.
const KEYWORDS: &[&str] = &[
    "and",
    "bool",
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "inf",
    "nan",
    "offset",
    "on",
    "or",
    "unless",
    "without",
];
/// Those after which labels stand in parentheses.
const BEFORE_LABELS: &[&str] = &["by", "group_left", "group_right", "ignoring", "on", "without"];

/// A name of a series, and what is asked of its labels.
#[derive(Debug, PartialEq, Eq)]
pub struct Selector {
    pub name: String,
    /// By label the values that are named: several where they are alternatives.
    pub matchers: Vec<(String, Vec<String>)>,
    /// The labels by which it is grouped, by any aggregation around it.
    pub grouped_by: Vec<String>,
}

/// A piece of an expression.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Word(&'a str),
    /// What stands in braces, brackets, or parentheses of labels.
    Inside(char, &'a str),
    Sign(char),
}

fn pieces(query: &str) -> Vec<Piece<'_>> {
    let is_of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '.';
    let (mut pieces, mut rest) = (Vec::new(), query.trim_start());
    while let Some(first) = rest.chars().next() {
        let labels =
            matches!(pieces.last(), Some(Piece::Word(word)) if BEFORE_LABELS.contains(word));
        let end = if is_of_a_word(first) {
            let end = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
            pieces.push(Piece::Word(&rest[..end]));
            end
        } else if first == '{' || first == '[' || first == '(' && labels {
            // No value that is matched here holds a closing one.
            let closing = match first {
                '{' => '}',
                '[' => ']',
                _ => ')',
            };
            let end = rest.find(closing).unwrap();
            pieces.push(Piece::Inside(first, &rest[1..end]));
            end + 1
        } else {
            pieces.push(Piece::Sign(first));
            first.len_utf8()
        };
        rest = rest[end..].trim_start();
    }
    pieces
}

/// The series that an expression names.
pub fn selectors(query: &str) -> Vec<Selector> {
    let pieces = pieces(query);
    let (mut found, mut open, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for (place, piece) in pieces.iter().enumerate() {
        let next = pieces.get(place + 1);
        let before = place.checked_sub(1).map(|before| &pieces[before]);
        let name = match piece {
            Piece::Inside('(', inside) if before == Some(&Piece::Word("by")) => {
                labels = inside.split(',').map(|label| label.trim().to_owned()).collect();
                continue;
            }
            Piece::Sign('(') => {
                open.push(std::mem::take(&mut labels));
                continue;
            }
            Piece::Sign(')') => {
                open.pop().unwrap();
                assert_ne!(next, Some(&Piece::Word("by")), "write sum by (label) (series)");
                continue;
            }
            Piece::Word(name) => *name,
            Piece::Inside(..) | Piece::Sign(_) => continue,
        };
        // An aggregation names its labels before its parentheses.
        let is_a_call = matches!(next, Some(Piece::Sign('(')))
            || matches!(next, Some(Piece::Word(word)) if BEFORE_LABELS.contains(word));
        if is_a_call || KEYWORDS.contains(&name) || name.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let matchers = match next {
            Some(Piece::Inside('{', inside)) => matchers(inside),
            _ => Vec::new(),
        };
        found.push(Selector { name: name.to_owned(), matchers, grouped_by: open.concat() });
    }
    found
}

fn matchers(inside: &str) -> Vec<(String, Vec<String>)> {
    let each = inside.split(',').map(str::trim).filter(|matcher| !matcher.is_empty());
    let read = |matcher: &str| {
        let end = matcher.find(['=', '!']).unwrap();
        let value = matcher[end..].trim_start_matches(['=', '!', '~']).trim_matches('"');
        let is_pattern = matcher[end..].contains('~');
        let values = if is_pattern { value.split('|').collect() } else { vec![value] };
        (matcher[..end].trim().to_owned(), values.into_iter().map(str::to_owned).collect())
    };
    each.map(read).collect()
}

/// The labels that a legend shows.
pub fn legend_labels(legend: &str) -> impl Iterator<Item = &str> {
    legend.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0.trim()))
}

#[test]
fn names_are_found_wherever_they_stand() {
    let names = |query: &str| -> Vec<String> {
        selectors(query).into_iter().map(|selector| selector.name).collect()
    };
    assert_eq!(names("up"), ["up"]);
    assert_eq!(names("sum(a:b:c) / 2 > 1e3"), ["a:b:c"]);
    assert_eq!(names("sum by (x, y) (rate(a_b{z=\"q\"}[5m])) or c offset 1h"), ["a_b", "c"]);
    assert_eq!(names("a and on (x) b unless c == bool 1"), ["a", "b", "c"]);
    assert_eq!(names("sum(a) - predict_linear(r[1h], 4 * 3600)"), ["a", "r"]);
    let both = selectors("count by (a) (count by (a, b) (c)) and on (a) sum(d)");
    assert_eq!(both[0].grouped_by, ["a", "a", "b"]);
    assert_eq!((both[1].name.as_str(), both[1].grouped_by.len()), ("d", 0));
    let one = &selectors("a{b=\"c\", d=~\"e|f\", g!=\"h\"}")[0];
    let of = |label: &str, values: &[&str]| {
        (label.to_owned(), values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(one.matchers, [of("b", &["c"]), of("d", &["e", "f"]), of("g", &["h"])]);
}
