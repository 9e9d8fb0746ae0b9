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

/// What stands between `${` and `}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    /// A character that would be special without the braces.
    Escape(char),
    /// A context key in lower case with its default.
    Key { name: String, default: Option<String> },
}

impl Variable {
    /// Reads the variable at the start of `text`, which follows `${`; returns it and what is left after its `}`.
    /// `None` means that the text is no variable that AWS documents.
    pub(crate) fn read(text: &str) -> Option<(Self, &str)> {
        let end = text.find('}')?;
        let inner = &text[..end];
        if let Some(escape @ ('*' | '?' | '$')) = only(inner) {
            return Some((Self::Escape(escape), &text[end + 1..]));
        }
        if let Some((name, after)) = text.split_once(", '")
            && name.len() < end
        {
            let (default, rest) = after.split_once("'}")?;
            let named = is_key(name) && !default.contains(['\'', '{', '$']);
            return named.then(|| (Self::key(name, Some(default)), rest));
        }
        is_key(inner).then(|| (Self::key(inner, None), &text[end + 1..]))
    }

    fn key(name: &str, default: Option<&str>) -> Self {
        Self::Key { name: name.to_ascii_lowercase(), default: default.map(str::to_owned) }
    }

    /// The text that the variable stands for; `None` if the request has no (single) value for it.
    pub(crate) fn value(&self, context: &Context) -> Option<String> {
        match self {
            Self::Escape(character) => Some(character.to_string()),
            Self::Key { name, default } => match context.get(name).map(Vec::as_slice) {
                Some([one]) if !LISTS.contains(&name.as_str()) => Some(one.clone()),
                Some([_, ..]) => None,
                _ => default.clone(),
            },
        }
    }
}

fn only(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

fn is_key(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, key)| !service.is_empty() && !key.is_empty())
        && !text.contains([',', '\'', ' ', '{', '$'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys_defaults_and_escapes() {
        let key = |name: &str, default| Variable::key(name, default);
        assert_eq!(Variable::read("aws:UserName}x"), Some((key("aws:username", None), "x")));
        assert_eq!(Variable::read("aws:PrincipalTag/a, 'b c'}"), Some((key("aws:principaltag/a", Some("b c")), "")));
        assert_eq!(Variable::read("$}{x}"), Some((Variable::Escape('$'), "{x}")));
        assert_eq!(Variable::read("aws:PrincipalTag/a,'b'}"), None);
        assert_eq!(Variable::read("aws:UserName"), None);
    }
}
