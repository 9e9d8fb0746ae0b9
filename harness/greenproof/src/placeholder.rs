//! What stands in a secret's value or a fault's body for something that a run mints: `{token:NAME}` and its like.

use serde_json::Value;

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A personal access token.
    Token,
    /// The private key of a GitHub App, PEM of PKCS#1.
    AppKey,
    /// Its id.
    AppId,
    /// Its client id.
    ClientId,
    /// The id of its installation.
    InstallationId,
    /// A deploy key, in OpenSSH's format.
    DeployKey,
    /// The password of the private index; it has no name.
    IndexPassword,
}

/// A placeholder in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placeholder<'a> {
    /// What it stands for.
    pub(crate) kind: Kind,
    /// Of which; empty for what has no name.
    pub(crate) name: &'a str,
    /// Its length in bytes, braces included.
    pub(crate) length: usize,
}

impl Kind {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Token, "token"),
        (Self::AppKey, "app-key"),
        (Self::AppId, "app-id"),
        (Self::ClientId, "client-id"),
        (Self::InstallationId, "installation-id"),
        (Self::DeployKey, "deploy-key"),
        (Self::IndexPassword, "index-password"),
    ];

    /// What it is, for a person.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::AppKey | Self::AppId | Self::ClientId | Self::InstallationId => "App",
            Self::DeployKey => "deploy key",
            Self::IndexPassword => "private index",
        }
    }

    /// The table of a scenario that names what there is of the kind.
    pub(crate) const fn table(self) -> &'static str {
        match self {
            Self::Token => "github.tokens",
            Self::AppKey | Self::AppId | Self::ClientId | Self::InstallationId => "github.apps",
            Self::DeployKey => "github.deploy_keys",
            Self::IndexPassword => "index.private",
        }
    }
}

/// The placeholder that a text begins with.
pub(crate) fn first(text: &str) -> Option<Placeholder<'_>> {
    let inner = text.strip_prefix('{')?;
    let inner = &inner[..inner.find('}')?];
    let (word, name) = inner.split_once(':').unwrap_or((inner, ""));
    let (kind, _) = Kind::ALL.into_iter().find(|(_, known)| *known == word)?;
    let named = kind != Kind::IndexPassword;
    (named != name.is_empty()).then_some(Placeholder { kind, name, length: inner.len() + 2 })
}

/// All placeholders of a text.
pub(crate) fn all(text: &str) -> impl Iterator<Item = Placeholder<'_>> {
    text.match_indices('{').filter_map(|(start, _)| first(&text[start..]))
}

/// The text with what each placeholder stands for; one that stands for nothing stays. In JSON it is escaped as its texts are.
pub(crate) fn filled(text: &str, value: impl Fn(Placeholder<'_>) -> Option<String>) -> String {
    let json = serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object() || value.is_array());
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let found = first(rest).and_then(|it| Some((it.length, value(it)?)));
        let (length, instead) = found.unwrap_or_else(|| (1, "{".to_owned()));
        filled.push_str(&if json { escaped(&instead) } else { instead });
        rest = &rest[length..];
    }
    filled + rest
}

fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_minted_takes_the_place_of_its_name() {
        let value = |it: Placeholder<'_>| match it.kind {
            Kind::AppKey => Some("-----\nkey\n".to_owned()),
            Kind::IndexPassword => Some("pw".to_owned()),
            _ => (it.name == "a").then(|| "one".to_owned()),
        };
        for (text, expected) in [
            ("{token:a} {token:b} {token:} {other}", "one {token:b} {token:} {other}"),
            ("{app-key:x}{index-password}", "-----\nkey\npw"),
            (r#"{"key": "{app-key:x}", "at": "{}"}"#, r#"{"key": "-----\nkey\n", "at": "{}"}"#),
            ("{", "{"),
        ] {
            assert_eq!(filled(text, value), expected);
        }
        assert_eq!(all("{token:a}{x}{index-password}{index-password:a}").count(), 2);
    }
}
