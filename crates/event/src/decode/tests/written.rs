//! Values and events as producers write them, in each format.

use super::*;

/// What each field of one event became, or the first reason why it is none.
fn values(batch: &[u8]) -> Result<Vec<Value>, String> {
    let decoded = decoded(&[(b"batch".to_vec(), batch.to_vec())]);
    match decoded.rejects.first() {
        Some(reject) => Err(reject.reason.to_string()),
        None => Ok(decoded.events[0].values.clone()),
    }
}

/// Each value as flat text, as JSON and as MessagePack: one code reads them all.
#[test]
fn a_value_means_the_same_in_every_format() {
    let cases = [
        ("ms", "4.0", Some("4")),
        ("ms", "1E+2", Some("100")),
        ("ms", "4.5", None),
        ("id", "7", Some("7")),
        ("at", "1767225600000.7", Some("1767225600000")),
        ("at", "1767225600000000", None),
        ("right", "1.0", Some("1")),
        ("right", "2", None),
    ];
    for (name, number, text) in cases {
        let mut fields = [("id", "\"a\""), ("ms", "5"), ("right", "true"), ("at", "0")];
        fields.iter_mut().filter(|field| field.0 == name).for_each(|field| field.1 = number);
        let json: Vec<String> = fields.iter().map(|(n, v)| format!("\"{n}\":{v}")).collect();
        let json = format!("{{{}}}", json.join(","));
        let flat: Fields = fields
            .iter()
            .map(|(n, v)| (n.as_bytes().to_vec(), v.trim_matches('"').as_bytes().to_vec()))
            .collect();
        let map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        let packed = rmp_serde::to_vec(&map).unwrap();
        let flat = decoded(&flat);
        let flat = match flat.rejects.first() {
            Some(reject) => Err(reject.reason.to_string()),
            None => Ok(flat.events[0].values.clone()),
        };
        assert_eq!(values(json.as_bytes()), flat, "{json}");
        assert_eq!(values(&packed).is_ok(), flat.is_ok(), "{json}");
        let place = schema().index(name).unwrap();
        for read in [flat, values(&packed)] {
            assert_eq!(read.ok().map(|values| values[place].to_text()).as_deref(), text, "{json}");
        }
    }
}

/// A price in each format, and what becomes of it.
#[test]
fn a_decimal_is_never_rounded() {
    let fields = vec![Field::new("price", FieldType::Decimal(2))];
    let schema = Schema { fields, ..Schema::default() };
    let read = |name: &str, value: &[u8]| {
        let found = decode(&schema, LIMITS, NOW, &[(name.as_bytes().to_vec(), value.to_vec())]);
        match found.rejects.first() {
            Some(reject) => Err(reject.reason.to_string()),
            None => Ok(found.events[0].values[0].to_text().to_string()),
        }
    };
    let flat = |text: &str| read("price", text.as_bytes());
    let json = |value: &str| read("batch", format!("{{\"price\":{value}}}").as_bytes());
    let packed = |value: &[u8]| read("batch", &[b"\x81\xa5price", value].concat());
    let double = |float: f64| packed(&[b"\xcb".as_slice(), &float.to_be_bytes()].concat());
    let single = |float: f32| packed(&[b"\xca".as_slice(), &float.to_be_bytes()].concat());
    for (found, expected) in [
        (flat("12.50"), "12.50"),
        (flat("12"), "12.00"),
        (json("12.5"), "12.50"),
        (json("\"12.50\""), "12.50"),
        (json("12"), "12.00"),
        (json("1.25e1"), "12.50"),
        (json("92233720368547758.07"), "92233720368547758.07"),
        (packed(b"\x0c"), "12.00"),
        (packed(b"\xa512.50"), "12.50"),
        (double(12.5), "12.50"),
        (double(12.0), "12.00"),
        (double(-0.07), "-0.07"),
        (single(12.1), "12.10"),
    ] {
        assert_eq!(found, Ok(expected.to_owned()));
    }
    let places = "has more than 2 places after the point (round it, or give the field more)";
    let digits = "which may have lost some (send it as text)";
    let beyond = "is beyond 92233720368547758.07, the greatest decimal with 2 places";
    for (found, expected) in [
        (flat("12.505"), format!("\"12.505\" {places}")),
        (json("12.505"), format!("\"12.505\" {places}")),
        (double(0.1 + 0.2), format!("\"0.30000000000000004\" {places}")),
        (
            double(1e15),
            format!("\"1000000000000000\" was a float of more than 15 digits, {digits}"),
        ),
        (single(99_999.99), format!("\"99999.99\" was a float of more than 6 digits, {digits}")),
        (
            packed(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
            format!("\"18446744073709551615\" {beyond}"),
        ),
        (packed(b"\xd3\x80\0\0\0\0\0\0\0"), format!("-9223372036854775808 {beyond}")),
        (flat("12,50"), "\"12,50\" is not a decimal (such as 12.50)".to_owned()),
        (json("true"), "\"true\" is not a decimal (such as 12.50)".to_owned()),
        (double(f64::INFINITY), "inf is not finite".to_owned()),
    ] {
        assert_eq!(found, Err(format!("field \"price\": {expected}")));
    }
}

#[test]
fn a_decimal_keeps_to_its_bounds() {
    let price =
        Field { min: Some(0.05), max: Some(99.99), ..Field::new("price", FieldType::Decimal(2)) };
    let schema = Schema { fields: vec![price], ..Schema::default() };
    for (text, reason) in [
        ("0.05", None),
        ("99.99", None),
        ("0.04", Some("field \"price\": 0.04 is below the minimum 0.05")),
        ("100", Some("field \"price\": 100.00 is above the maximum 99.99")),
    ] {
        let found = decode(&schema, LIMITS, NOW, &entry(&format!("price {text}")));
        let found = found.rejects.first().map(|reject| reject.reason.to_string());
        assert_eq!(found.as_deref(), reason);
    }
}

#[test]
fn an_id_keeps_its_digits() {
    for (id, text) in [
        ("170141183460469231731687303715884105001", Ok("170141183460469231731687303715884105001")),
        ("18446744073709551615", Ok("18446744073709551615")),
        ("7.0", Ok("7")),
        (
            "1.7014118346046923e+38",
            Err(
                "\"1.7014118346046923e+38\" is not a string: it was a float beyond 2^53, which loses digits (send it as text or as an integer)",
            ),
        ),
        ("1.5", Err("\"1.5\" is not a string: it has a fraction (send it as text)")),
    ] {
        let id = values(format!("{{\"id\":{id},\"ms\":5,\"right\":1,\"at\":0}}").as_bytes());
        let expected = text.map(|text| Value::Str(text.into()));
        assert_eq!(id.map(|v| v[0].clone()), expected.map_err(|e| format!("field \"id\": {e}")));
    }
    // A float that is beyond what it can count: which id it was, nobody knows.
    let float = [
        b"\x84\xa2id\xcb".as_slice(),
        &9_007_199_254_740_992.0_f64.to_be_bytes(),
        b"\xa2ms\x05\xa5right\x01\xa2at\x00",
    ]
    .concat();
    assert!(values(&float).unwrap_err().contains("beyond 2^53"));
}

#[test]
fn an_empty_text_is_missing_and_an_empty_bool_is_refused() {
    let json = |class: &str, right: &str| {
        format!("{{\"id\":\"a\",\"ms\":5,\"class\":{class},\"right\":{right},\"at\":0}}")
    };
    assert_eq!(values(json("\"\"", "1").as_bytes()).unwrap()[2], Value::Null);
    let flat =
        decoded(&[entry("id a ms 5 right 1 at 0"), vec![(b"class".to_vec(), Vec::new())]].concat());
    assert_eq!(flat.events[0].values[2], Value::Null);
    let empty = "field \"right\": an empty text is no bool (PHP writes false so: write 0, and leave the field out where it is unknown)";
    assert_eq!(values(json("null", "\"\"").as_bytes()), Err(empty.to_owned()));
    let flat = decoded(&[entry("id a ms 5 at 0"), vec![(b"right".to_vec(), Vec::new())]].concat());
    assert_eq!(flat.rejects[0].reason.to_string(), empty);
}

#[test]
fn extensions_of_messagepack() {
    let at = |value: &[u8]| {
        values(&[b"\x84\xa2id\xa1a\xa2ms\x05\xa5right\xc3\xa2at", value].concat())
            .map(|v| v[4].clone())
    };
    assert_eq!(at(b"\xd6\xff\x69\x55\xb9\x00"), Ok(Value::Int(1_767_225_600_000)));
    assert_eq!(at(b"\xd4\x00\x00"), Err("field \"at\" is missing".to_owned()));
    let time = "is not a time (ms since the epoch, or RFC 3339)";
    assert_eq!(at(b"\xd4\x05\x00"), Err(format!("field \"at\": an extension type {time}")));
    assert_eq!(at(b"\xd4\xff\x00"), Err(format!("field \"at\": a broken timestamp {time}")));
    let ms = b"\x84\xa2id\xa1a\xa2ms\xd6\xff\x69\x55\xb9\x00\xa5right\xc3\xa2at\x00";
    assert_eq!(values(ms), Err("field \"ms\": a timestamp is not an int".to_owned()));
}

#[test]
fn maps_stand_alone_or_in_a_row() {
    let map = packed(b"\x05");
    for count in [1, 3] {
        let whole = decoded(&[(b"batch".to_vec(), map.repeat(count))]);
        assert_eq!((whole.events.len(), whole.rejects.len()), (count, 0));
    }
    assert_eq!(
        reasons(&[map.clone(), b"\x90".to_vec()].concat()),
        ["1 batch: event 2: a list is not an event (a map of fields)"]
    );
    assert_eq!(reasons(&[map, b"\x81".to_vec()].concat()).len(), 1);
}

#[test]
fn what_is_no_json_in_an_array_spoils_one_member() {
    let event = r#"{"id":"a","ms":5,"right":1,"at":0}"#;
    let broken = [
        (event.replace('5', "NaN"), "NaN is not JSON: write null, or leave the field out"),
        (
            event.replace('5', "-Infinity"),
            "Infinity is not JSON: write null, or leave the field out",
        ),
        (event.replace("1,", "True,"), "True is not JSON: write true"),
        ("nonsense".to_owned(), "it is not JSON at column 2: expected ident"),
    ];
    for (broken, reason) in broken {
        let batch = format!("[{event},\n {broken} ,{event}]");
        assert_eq!(reasons(batch.as_bytes()), [format!("1 batch: event 2: {reason}")]);
        let whole = decoded(&[(b"batch".to_vec(), batch.into_bytes())]);
        assert_eq!(whole.events.len(), 2);
        let again = decoded(&whole.rejects[0].fields);
        assert_eq!((again.events.len(), again.rejects.len()), (0, 1));
        assert_eq!(again.rejects[0].reason.to_string(), format!("batch: {reason}"));
    }
    for none in ["[,]", "[{},]", "[{}}]", "[{}]]", "[{}] {}", "[\"]"] {
        assert_eq!(reasons(none.as_bytes()).len(), 1, "{none}");
        assert!(reasons(none.as_bytes())[0].starts_with("0 batch: "), "{none}");
    }
}

#[test]
fn an_object_may_stand_on_several_lines() {
    let pretty = "{\n  \"id\": \"a}\\\"{\",\n  \"ms\": 5,\n\n  \"x\": [\n    {\"y\": 1}\n  ],\n  \"right\": true,\n  \"at\": 0\n}";
    let line = r#"{"id":"b","ms":5,"right":1,"at":0}"#;
    let cut = "{\n  \"id\": \"c\",\n  \"ms\": 5,";
    let cases = [
        (vec![pretty, pretty, line, pretty], 4, vec![]),
        (
            vec![pretty, cut, line, pretty],
            3,
            vec![
                "1 batch: event 2: it is cut short at line 3 of it, column 10 (EOF while parsing a value)",
            ],
        ),
        (
            vec![line, cut],
            1,
            vec![
                "1 batch: event 2: it is cut short at line 3 of it, column 10 (EOF while parsing a value)",
            ],
        ),
        (
            vec!["{\"id\":", "17", line],
            1,
            vec![
                "0 batch: event 1: it is cut short at column 6 (EOF while parsing a value)",
                "1 batch: event 2: a number is not an event (a map of fields)",
            ],
        ),
        (
            vec!["{\"id\":\"c", line, "}", line],
            2,
            vec![
                "0 batch: event 1: it is cut short at column 8 (EOF while parsing a string)",
                "2 batch: event 3: it is not JSON at column 1: expected value",
            ],
        ),
    ];
    for (members, events, expected) in cases {
        for end in ["\n", "\r\n\r\n"] {
            let batch = members.join(end).into_bytes();
            assert_eq!(reasons(&batch), expected, "{members:?}");
            let whole = decoded(&[(b"batch".to_vec(), batch)]);
            assert_eq!(whole.events.len(), events, "{members:?}");
            for reject in whole.rejects {
                let again = decoded(&reject.fields);
                assert_eq!((again.events.len(), again.rejects.len()), (0, 1));
            }
        }
    }
    // A mark of the byte order is no part of the text.
    assert_eq!(reasons(format!("\u{feff}{line}").as_bytes()), Vec::<String>::new());
}

#[test]
fn a_float_of_32_bits_is_no_time() {
    let mut at = Field::new("at", FieldType::Time);
    at.unit = crate::TimeUnit::Seconds;
    let schema = Schema { fields: vec![at], ..Schema::default() };
    let decoded =
        |packed: Vec<u8>| decode(&schema, TimeLimits::NONE, NOW, &[(b"batch".to_vec(), packed)]);

    let wide = decoded(
        rmp_serde::to_vec(&[std::collections::BTreeMap::from([("at", 1_767_225_600.25_f64)])])
            .unwrap(),
    );
    assert_eq!(wide.events[0].values, [Value::Int(1_767_225_600_250)]);
    // It would be 30 s off, and was read as ms.
    let narrow = decoded(
        rmp_serde::to_vec(&[std::collections::BTreeMap::from([("at", 1_767_225_630.0_f32)])])
            .unwrap(),
    );
    assert_eq!(
        narrow.rejects[0].reason.to_string(),
        "field \"at\": \"1767225600.0\" is not a time (ms since the epoch, or RFC 3339): a float of 32 bits is minutes off (send one of 64 bits, a whole number or text)"
    );
}
