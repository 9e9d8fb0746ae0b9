//! What a shell needs so that AWS's own tools work with a kept environment, and with nothing else.

use super::client::Client;
use crate::environment::Standing;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// Where a kept environment's port is.
const HOST: &str = "127.0.0.1";

/// What would send a call elsewhere, or sign it as somebody else.
const IN_THE_WAY: [&str; 6] = [
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
];

/// Endpoints of single services, which go before `AWS_ENDPOINT_URL`.
const OF_ONE_SERVICE: &str = "AWS_ENDPOINT_URL_";

/// Proxies for plain HTTP, which would be asked for the port as for any other address.
const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Settings of a shell.
#[derive(Clone, Debug, Serialize)]
pub struct Exports {
    /// The environment's name.
    pub name: String,
    /// The device's thing name.
    pub thing: String,
    /// The account.
    pub account: String,
    /// Variables to set.
    pub variables: BTreeMap<String, String>,
    /// Variables that must not be set.
    pub unset: BTreeSet<String>,
    /// The version of the `aws` in the search path, if there is one.
    pub aws: Option<String>,
    /// Whether it has to be told the endpoint with each call.
    pub aws_needs_endpoint_url: bool,
}

impl Exports {
    /// The settings for an environment; `present` are the variables that the shell has, `client` its `aws`. Nothing if
    /// its port is not there.
    #[must_use]
    pub fn of(standing: &Standing, present: &BTreeMap<String, String>, client: Option<&Client>) -> Option<Self> {
        let operator = standing.world.operator.as_ref()?;
        let (region, port) = (&standing.world.region, standing.port?);
        let mut variables: BTreeMap<String, String> = [
            ("AWS_ENDPOINT_URL", format!("http://{HOST}:{port}")),
            // A profile may say that endpoints from the environment don't count.
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false".to_owned()),
            ("AWS_ACCESS_KEY_ID", operator.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", operator.secret_access_key.0.clone()),
            ("AWS_REGION", region.clone()),
            ("AWS_DEFAULT_REGION", region.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        variables.extend(around_proxies(present));
        let of_one = present.keys().filter(|name| name.starts_with(OF_ONE_SERVICE)).cloned();
        Some(Self {
            name: standing.kept.name.clone(),
            thing: standing.world.thing.name.clone(),
            account: standing.world.account.clone(),
            variables,
            unset: IN_THE_WAY.map(str::to_owned).into_iter().chain(of_one).collect(),
            aws: client.map(|client| client.version.clone()),
            aws_needs_endpoint_url: client.is_some_and(|client| !client.knows_endpoint_url()),
        })
    }

    /// The settings as a POSIX shell evaluates them.
    #[must_use]
    pub fn shell(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.variables {
            _ = writeln!(text, "export {name}={}", quoted(value));
        }
        let unset: Vec<_> = self.unset.iter().map(String::as_str).collect();
        _ = writeln!(text, "unset {}", unset.join(" "));
        if self.aws_needs_endpoint_url {
            let version = self.aws.as_deref().filter(|version| !version.is_empty()).unwrap_or("of an unknown version");
            _ = writeln!(text, "# aws {version} ignores AWS_ENDPOINT_URL and would call the real AWS");
            text.push_str("aws() { command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }\n");
            text.push_str("if [ -n \"${BASH_VERSION-}\" ]; then export -f aws; fi\n");
        }
        text
    }
}

/// With a proxy for plain HTTP, the lists of exceptions with the port's host in them.
fn around_proxies(present: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_set = |name: &&str| present.get(*name).is_some_and(|value| !value.is_empty());
    if !PROXIES.iter().any(is_set) {
        return BTreeMap::new();
    }
    let excepted = |name: &str| {
        let list = present.get(name).map_or("", String::as_str);
        let there = list.split(',').any(|host| matches!(host.trim(), HOST | "*"));
        let separator = if list.is_empty() { "" } else { "," };
        (!there).then(|| (name.to_owned(), format!("{list}{separator}{HOST}")))
    };
    // The first one that is set counts, so both say the same where neither is.
    let any = NO_PROXY.iter().any(is_set);
    NO_PROXY.into_iter().filter(|name| !any || is_set(name)).filter_map(excepted).collect()
}

fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_proxy_is_gone_around() {
        let around = |variables: &[(&str, &str)]| around_proxies(&present(variables));
        assert_eq!(around(&[("HTTPS_PROXY", "http://p")]), present(&[]));
        let both = present(&[("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")]);
        assert_eq!(around(&[("HTTP_PROXY", "http://p")]), both);
        let more = around(&[("http_proxy", "http://p"), ("no_proxy", "a,b")]);
        assert_eq!(more, present(&[("no_proxy", "a,b,127.0.0.1")]));
        assert_eq!(around(&[("http_proxy", "http://p"), ("no_proxy", "a, 127.0.0.1")]), present(&[]));
        assert_eq!(around(&[("http_proxy", "http://p"), ("NO_PROXY", "*")]), present(&[]));
    }

    #[test]
    fn values_are_quoted_for_the_shell() {
        assert_eq!(quoted("http://127.0.0.1:1"), "http://127.0.0.1:1");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
