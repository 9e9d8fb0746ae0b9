//! Configuration values as the nucleus's JSON library prints them.

use serde_json::{Number, Value};
use std::fmt::Write;

/// A value as it appears in a script: a text as it is, anything else as compact JSON.
pub(super) fn rendered(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::String(value) => text.push_str(value),
        other => json(&mut text, other),
    }
    text
}

fn json(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => _ = write!(text, "{flag}"),
        Value::Number(value) => text.push_str(&number(value)),
        Value::String(value) => quoted(text, value),
        Value::Array(items) => {
            let open = ["[", ","];
            items.iter().enumerate().for_each(|(index, item)| {
                text.push_str(open[usize::from(index > 0)]);
                json(text, item);
            });
            text.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(map) => {
            text.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                quoted(text, key);
                text.push(':');
                json(text, value);
            }
            text.push('}');
        }
    }
}

fn quoted(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            c if c < ' ' => _ = write!(text, "\\u{:04X}", u32::from(c)),
            c => text.push(c),
        }
    }
    text.push('"');
}

/// A number; a floating one is scientific from ten millions on and below a thousandth, as in Java.
pub(crate) fn number(number: &Number) -> String {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_java_s() {
        fidelity::fidelity!("core-interpolation-3");
        for (value, expected) in [
            (json!(5), "5"),
            (json!(5.0), "5.0"),
            (json!(-0.5), "-0.5"),
            (json!(0.0), "0.0"),
            (json!(86_400_000.0), "8.64E7"),
            (json!(10_000_000.0), "1.0E7"),
            (json!(9_999_999.0), "9999999.0"),
            (json!(0.001), "0.001"),
            (json!(0.0001), "1.0E-4"),
            (json!(-1.5e300), "-1.5E300"),
            (json!(86_400_000), "86400000"),
            (json!(u64::MAX), "18446744073709551615"),
        ] {
            assert_eq!(rendered(&value), expected);
        }
    }

    #[test]
    fn containers_are_compact_json() {
        fidelity::fidelity!("core-interpolation-1");
        let value = json!({"a": {}, "A": null, "b": [1, 2.0, "x\u{1b}\"\n"], "c": [], "ä": true});
        let expected = "{\"a\":{},\"A\":null,\"b\":[1,2.0,\"x\\u001B\\\"\\n\"],\"c\":[],\"ä\":true}";
        assert_eq!(rendered(&value), expected);
    }
}
