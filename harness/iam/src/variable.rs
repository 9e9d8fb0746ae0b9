//! Policy variables: `${key}`, `${key, 'default'}` and the escapes `${*}`, `${?}`, `${$}`.

use crate::request::{Context, Values};

/// The longest certificate value that AWS IoT substitutes, in characters.
const LONGEST_CERTIFICATE_VALUE: usize = 1024;

/// What stands between `${` and `}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    /// A character that would be special without the braces.
    Escape(char),
    /// A context key.
    Key(Key),
    /// No variable that AWS documents: it has no value.
    Broken,
}

/// A variable that stands for the value of a context key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The key in lower case.
    name: String,
    /// What stands in where the request has no value.
    default: Option<String>,
    /// The variable as the policy has it, with its braces.
    source: String,
}

impl Variable {
    /// Reads the variable at the start of `text`, which follows `${`; returns it and what is left after its `}`.
    pub(crate) fn read(text: &str) -> (Self, &str) {
        let Some(end) = text.find('}') else { return (Self::Broken, "") };
        let (inner, rest) = (&text[..end], &text[end + 1..]);
        match inner {
            "*" => return (Self::Escape('*'), rest),
            "?" => return (Self::Escape('?'), rest),
            "$" => return (Self::Escape('$'), rest),
            _ => {}
        }
        let Some((name, after)) = text.split_once(", '").filter(|(name, _)| !name.contains('}')) else {
            return (Self::key(inner, None, inner), rest);
        };
        let Some((default, rest)) = after.split_once("'}") else { return (Self::Broken, rest) };
        (Self::key(name, Some(default), &text[..text.len() - rest.len() - 1]), rest)
    }

    /// An empty default is none: AWS documents no meaning for it.
    fn key(name: &str, default: Option<&str>, inner: &str) -> Self {
        if !is_key(name) {
            return Self::Broken;
        }
        Self::Key(Key {
            name: name.to_ascii_lowercase(),
            default: default.filter(|default| !default.is_empty()).map(str::to_owned),
            source: format!("${{{inner}}}"),
        })
    }
}

impl Key {
    /// The text that the variable stands for; `None` if the request has no (single, non-empty) value for it.
    pub(crate) fn value<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        match context.get(&self.name) {
            Some(Values::One(value)) if is_left_standing(&self.name, &value.text) => Some(&self.source),
            Some(Values::One(value)) if !value.text.is_empty() => Some(&value.text),
            Some(Values::Many(values)) if !values.is_empty() => None,
            _ => self.default.as_deref(),
        }
    }
}

/// AWS IoT leaves a certificate variable as it is where the value could be taken for a pattern or is too long.
fn is_left_standing(name: &str, value: &str) -> bool {
    name.starts_with("iot:certificate.")
        && (value.contains(['*', '$', '+', '?', '#']) || value.chars().count() > LONGEST_CERTIFICATE_VALUE)
}

/// Keys of tags may hold spaces and colons.
fn is_key(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, key)| !service.is_empty() && !key.is_empty())
        && !text.contains([',', '\'', '{', '$'])
        && text.trim() == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys_defaults_and_escapes() {
        let key = |text: &str| match Variable::read(text) {
            (Variable::Key(Key { name, default, source }), rest) => Some((name, default, source, rest.to_owned())),
            _ => None,
        };
        let text = str::to_owned;
        assert_eq!(key("aws:UserName}x"), Some((text("aws:username"), None, text("${aws:UserName}"), text("x"))));
        assert_eq!(
            key("aws:PrincipalTag/a b, 'b }c'}/*"),
            Some((
                text("aws:principaltag/a b"),
                Some(text("b }c")),
                text("${aws:PrincipalTag/a b, 'b }c'}"),
                text("/*")
            ))
        );
        assert_eq!(Variable::read("$}{x}"), (Variable::Escape('$'), "{x}"));
        for broken in
            ["aws:PrincipalTag/a,'b'}", "aws:UserName", "UserName}", ":x}", "aws:}", "}", "aws:a, 'b}", " aws:a}"]
        {
            assert_eq!(Variable::read(broken).0, Variable::Broken, "{broken}");
        }
    }

    #[test]
    fn a_certificate_value_may_have_1024_characters() {
        let value = |length| is_left_standing("iot:certificate.subject.commonname", &"ü".repeat(length));
        assert!(!value(LONGEST_CERTIFICATE_VALUE) && value(LONGEST_CERTIFICATE_VALUE + 1));
        assert!(!is_left_standing("iot:clientid", "a+"));
    }

    #[test]
    fn a_list_and_an_empty_text_are_no_value() {
        let (Variable::Key(key), _) = Variable::read("aws:a, 'd'}") else { panic!("a key") };
        let value = |values: Option<Values>| {
            let mut context = Context::default();
            if let Some(values) = values {
                context.set("AWS:A", values);
            }
            key.value(&context).map(str::to_owned)
        };
        assert_eq!(value(Some(Values::one("x"))).as_deref(), Some("x"));
        assert_eq!(value(Some(Values::many(["x"]))), None);
        assert_eq!(value(Some(Values::Many(vec![]))).as_deref(), Some("d"));
        assert_eq!(value(Some(Values::one(""))).as_deref(), Some("d"));
        assert_eq!(value(None).as_deref(), Some("d"));
    }
}
