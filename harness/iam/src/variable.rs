//! Policy variables: `${key}`, `${key, 'default'}` and the escapes `${*}`, `${?}`, `${$}`.

use crate::evaluate::Context;

/// Keys that hold a list by their nature; a list can't be a variable's value.
const LISTS: [&str; 5] = [
    "aws:tagkeys",
    "aws:principalorgpaths",
    "aws:principalservicenameslist",
    "aws:calledvia",
    "kms:encryptioncontextkeys",
];

/// The longest certificate value that AWS IoT substitutes, in characters.
const LONGEST_CERTIFICATE_VALUE: usize = 1024;

/// What stands between `${` and `}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    /// A character that would be special without the braces.
    Escape(char),
    /// A context key.
    Key {
        /// The key in lower case.
        name: String,
        /// What stands in where the request has no value.
        default: Option<String>,
        /// The variable as the policy has it, with its braces.
        source: String,
    },
}

impl Variable {
    /// Reads the variable at the start of `text`, which follows `${`; returns it and what is left after its `}`.
    /// `None` means that the text is no variable that AWS documents.
    pub(crate) fn read(text: &str) -> Option<(Self, &str)> {
        let end = text.find('}')?;
        let (inner, rest) = (&text[..end], &text[end + 1..]);
        if let "*" | "?" | "$" = inner {
            return inner.chars().next().map(|character| (Self::Escape(character), rest));
        }
        let Some((name, after)) = text.split_once(", '").filter(|(name, _)| name.len() < end) else {
            return is_key(inner).then(|| (Self::key(inner, None, inner), rest));
        };
        let (default, rest) = after.split_once("'}")?;
        // An empty default is undocumented: nothing says whether it is a value.
        let documented = is_key(name) && !default.is_empty() && !default.contains(['\'', '{', '$']);
        documented.then(|| (Self::key(name, Some(default), &text[..text.len() - rest.len() - 1]), rest))
    }

    fn key(name: &str, default: Option<&str>, inner: &str) -> Self {
        Self::Key {
            name: name.to_ascii_lowercase(),
            default: default.map(str::to_owned),
            source: format!("${{{inner}}}"),
        }
    }

    /// The text that the variable stands for; `None` if the request has no (single, non-empty) value for it.
    pub(crate) fn value<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        let Self::Key { name, default, source } = self else { return None };
        match context.get(name).map(Vec::as_slice) {
            Some([value]) if is_left_standing(name, value) => Some(source),
            Some([value]) if !value.is_empty() && !LISTS.contains(&name.as_str()) => Some(value),
            Some([_, _, ..]) => None,
            _ => default.as_deref(),
        }
    }
}

/// AWS IoT leaves a certificate variable as it is where the value could be taken for a pattern or is too long.
fn is_left_standing(name: &str, value: &str) -> bool {
    name.starts_with("iot:certificate.")
        && (value.contains(['*', '$', '+', '?', '#']) || value.chars().count() > LONGEST_CERTIFICATE_VALUE)
}

fn is_key(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, key)| !service.is_empty() && !key.is_empty())
        && !text.contains([',', '\'', ' ', '{', '$'])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[iam-6]`
    #[test]
    fn reads_keys_defaults_and_escapes() {
        let key = |text: &str| match Variable::read(text) {
            Some((Variable::Key { name, default, source }, rest)) => Some((name, default, source, rest.to_owned())),
            _ => None,
        };
        let text = str::to_owned;
        assert_eq!(key("aws:UserName}x"), Some((text("aws:username"), None, text("${aws:UserName}"), text("x"))));
        assert_eq!(
            key("aws:PrincipalTag/a, 'b c'}/*"),
            Some((text("aws:principaltag/a"), Some(text("b c")), text("${aws:PrincipalTag/a, 'b c'}"), text("/*")))
        );
        assert_eq!(Variable::read("$}{x}"), Some((Variable::Escape('$'), "{x}")));
        assert_eq!(Variable::read("aws:PrincipalTag/a,'b'}"), None);
        assert_eq!(Variable::read("aws:UserName"), None);
    }
}
