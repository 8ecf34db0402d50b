//! Texts of each type, sound and not.

use super::*;

fn text(text: &str, wanted: FieldType) -> Result<Value, String> {
    Value::from_text(text.as_bytes(), wanted).map_err(|e| e.to_string())
}

#[test]
fn text_becomes_a_value_of_the_wanted_type() {
    assert_eq!(text("u7", FieldType::String), Ok(Value::Str("u7".into())));
    assert_eq!(text("-9223372036854775808", FieldType::Int), Ok(Value::Int(i64::MIN)));
    assert_eq!(text("1.5e3", FieldType::Float), Ok(Value::Float(1500.0)));
    assert_eq!(text("4.0", FieldType::Int), Ok(Value::Int(4)));
    for (truth, spellings) in [
        (true, ["1", "1.0", "true", "True", "TRUE"]),
        (false, ["0", "0.0", "false", "False", "FALSE"]),
    ] {
        for spelling in spellings {
            assert_eq!(text(spelling, FieldType::Bool), Ok(Value::Bool(truth)));
        }
    }
    assert_eq!(text("1767225600000", FieldType::Time), Ok(Value::Int(1_767_225_600_000)));
    assert_eq!(
        text("2026-01-01T05:30:00+05:30", FieldType::Time),
        Ok(Value::Int(1_767_225_600_000))
    );
}

#[test]
fn what_does_not_fit_says_why() {
    let cases = [
        (
            "5.5",
            FieldType::Int,
            "\"5.5\" is not an int: it has a fraction (round it, or make the field a float)",
        ),
        ("9223372036854775808", FieldType::Int, "\"9223372036854775808\" is not an int of 64 bits"),
        ("nan", FieldType::Float, "NaN is not finite"),
        ("1e999", FieldType::Float, "\"1e999\" is beyond what a float can hold (1.8e308)"),
        ("-1e400", FieldType::Float, "\"-1e400\" is beyond what a float can hold (1.8e308)"),
        ("Infinity", FieldType::Float, "inf is not finite"),
        ("yes", FieldType::Bool, "\"yes\" is not a bool (1, 0, true or false)"),
        (
            "yesterday",
            FieldType::Time,
            "\"yesterday\" is not a time (ms since the epoch, or RFC 3339)",
        ),
        ("-1", FieldType::Time, "time -1 is out of range (1970 to 9999)"),
        ("a\0b", FieldType::String, "control character U+0000"),
        ("a\u{202e}b", FieldType::String, "control character U+202E"),
        ("a\u{61c}b", FieldType::String, "control character U+061C"),
    ];
    for (given, wanted, reason) in cases {
        assert_eq!(text(given, wanted), Err(reason.to_owned()), "{given:?}");
    }
    assert_eq!(Value::from_text(b"\xff", FieldType::String), Err(ValueError::NotUtf8));
    let long = "x".repeat(MAX_STRING_BYTES + 1);
    assert_eq!(text(&long, FieldType::String), Err("4097 bytes long (at most 4096)".to_owned()));
}

#[test]
fn minus_zero_is_zero() {
    let zero = text("-0", FieldType::Float).map(|zero| zero.to_text());
    assert_eq!(zero, Ok("0".into()));
}

#[test]
fn floats_survive_their_text() {
    for f in [0.1, -1e-300, 1e300, f64::MIN_POSITIVE, 5e-324] {
        let back = Value::from_text(Value::Float(f).to_text().as_bytes(), FieldType::Float);
        assert_eq!(back, Ok(Value::Float(f)));
    }
}
