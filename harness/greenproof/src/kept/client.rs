//! The AWS CLI that a person has, as far as it matters where its calls go.

use std::process::{Command, Stdio};

/// The first versions of the two lines that know `AWS_ENDPOINT_URL`.
const KNOWS: [(u32, u32); 2] = [(1, 29), (2, 13)];

/// An `aws` in the search path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What it says of its version, such as `2.9.19`; empty if it says nothing that we understand.
    pub version: String,
}

impl Client {
    /// Asks the `aws` in the search path for its version; nothing if there is none.
    #[must_use]
    pub fn look() -> Option<Self> {
        let output = Command::new("aws").arg("--version").stdin(Stdio::null()).output().ok()?;
        // The first line says `aws-cli/VERSION …`; old ones on standard error.
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Some(Self::of(&said))
    }

    fn of(said: &str) -> Self {
        let version = said.split_once("aws-cli/").map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default());
        Self { version: version.unwrap_or_default().to_owned() }
    }

    /// Whether it takes its endpoint from `AWS_ENDPOINT_URL`; one of an unknown version is not relied on.
    #[must_use]
    pub fn knows_endpoint_url(&self) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse::<u32>().ok());
        let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else { return false };
        let first = KNOWS.iter().find(|first| first.0 == major);
        first.map_or(major > 2, |first| minor >= first.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_the_variable_are_told_apart() {
        let cases = [
            ("aws-cli/2.9.19 Python/3.11.2 Linux/6.1 source/x86_64.debian.12 prompt/off\n", "2.9.19", false),
            ("aws-cli/1.19.1 Python/3.9.2 Linux/5.10 botocore/1.20.0\n", "1.19.1", false),
            ("aws-cli/1.28.85 Python/3.11.2", "1.28.85", false),
            ("aws-cli/1.29.0 Python/3.11.2", "1.29.0", true),
            ("aws-cli/1.44.44 Python/3.13.5", "1.44.44", true),
            ("aws-cli/2.12.7 Python/3.11.4", "2.12.7", false),
            ("aws-cli/2.13.0 Python/3.11.4", "2.13.0", true),
            ("aws-cli/2.31.1 Python/3.13.5", "2.31.1", true),
            ("something else", "", false),
        ];
        for (said, version, knows) in cases {
            let client = Client::of(said);
            assert_eq!((client.version.as_str(), client.knows_endpoint_url()), (version, knows), "{said}");
        }
    }
}
