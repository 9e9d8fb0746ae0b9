//! Values of a recipe as the nucleus makes them fit.

use crate::interpolate::java;
use serde_json::Value;

/// A value as Java prints it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(text))),
        Value::Object(map) => {
            format!("{{{}}}", joined(map.iter().map(|(key, value)| format!("{key}={}", text(value)))))
        }
        Value::Number(number) => java::number(number),
        Value::Null | Value::Bool(_) => value.to_string(),
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// A whole number; whatever doesn't begin with one is 0.
pub(crate) fn integer(value: &Value) -> i64 {
    match value {
        Value::Bool(yes) => i64::from(*yes),
        #[expect(clippy::cast_possible_truncation, reason = "a fraction is cut off")]
        Value::Number(number) => number.as_i64().or(number.as_f64().map(|number| number as i64)).unwrap_or_default(),
        other => whole(&text(other)),
    }
}

/// Whether a value means yes.
pub(crate) fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::Number(_) => integer(value) != 0,
        other => ["true", "yes", "on", "t", "y", "Y"].contains(&text(other).as_str()),
    }
}

/// The whole number at the start of a text. A leading zero makes it octal, `0x` hexadecimal and `0b` binary.
fn whole(text: &str) -> i64 {
    let mut rest = text.trim_start_matches([' ', '+', '-', '0']);
    let prefix = &text[..text.len() - rest.len()];
    let negative = prefix.matches('-').count() % 2 == 1;
    let mut radix = 10;
    if prefix.contains('0') {
        (radix, rest) = match rest.as_bytes().first() {
            Some(b'x' | b'X') => (16, &rest[1..]),
            Some(b'b' | b'B') => (2, &rest[1..]),
            _ => (8, rest),
        };
    }
    let digits = rest.chars().map_while(|digit| digit.to_digit(radix));
    let number = digits.fold(0_i64, |number, digit| number.wrapping_mul(radix.into()).wrapping_add(digit.into()));
    if negative { -number } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;
    use serde_json::json;

    #[test]
    fn periods() {
        fidelity!("core-lifecycle-12");
        for (value, expected) in [
            (json!(5), 5),
            (json!(5.9), 5),
            (json!("30"), 30),
            (json!(" +7"), 7),
            (json!("-3"), -3),
            (json!("12s"), 12),
            (json!("010"), 8),
            (json!("0x1F"), 31),
            (json!(true), 1),
        ] {
            assert_eq!(integer(&value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_period_is_no_time() {
        fidelity!("core-lifecycle-12");
        for value in [json!("soon"), json!("0.5"), json!(""), json!([1]), json!(null), json!("é")] {
            assert_eq!(integer(&value), 0, "{value}");
        }
    }

    #[test]
    fn truths() {
        fidelity!("core-lifecycle-12");
        for value in [json!(true), json!("true"), json!("yes"), json!("on"), json!("Y"), json!(1)] {
            assert!(truth(&value), "{value}");
        }
        for value in [json!(false), json!("True"), json!("YES"), json!("1"), json!(0), json!({})] {
            assert!(!truth(&value), "{value}");
        }
    }

    #[test]
    fn texts() {
        fidelity!("core-lifecycle-12");
        assert_eq!(text(&json!(["a", 1, {"k": true}])), "[a, 1, {k=true}]");
        for (value, expected) in [
            (json!(2.0), "2.0"),
            (json!(0.0001), "1.0E-4"),
            (json!(12_345_678.9), "1.23456789E7"),
            (json!([0.0005, 12]), "[5.0E-4, 12]"),
            (json!(12_345_678), "12345678"),
        ] {
            assert_eq!(text(&value), expected);
        }
    }
}
