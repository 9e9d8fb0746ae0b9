//! One artifact of a manifest.

use super::{Error, bean::Bean};
use serde_json::{Map, Value};
use std::fmt;

/// An artifact of the chosen manifest.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub(crate) uri: String,
    /// Whether it is unpacked as a zip file.
    pub(crate) unzip: bool,
    /// Who may read it: `NONE`, `OWNER` or `ALL`.
    read: &'static str,
    /// Who may execute it.
    execute: &'static str,
    /// Base64 of the digest.
    pub(crate) digest: Option<String>,
    /// Name of the digest's algorithm.
    pub(crate) algorithm: Option<String>,
}

/// The values of `Unarchive`.
pub(super) const UNARCHIVE: [&str; 2] = ["NONE", "ZIP"];
/// The values of `Permission.Read` and `Permission.Execute`.
pub(super) const PERMISSION: [&str; 3] = ["NONE", "OWNER", "ALL"];

impl Artifact {
    /// Reads one entry of `Artifacts`.
    pub(super) fn read(source: &Value) -> Result<Self, Error> {
        let bean = Bean::of(source, "ComponentArtifact")?;
        let uri = bean.required("Uri")?;
        if let Some(reason) = malformed(&uri) {
            return Err(Error::parse(format!("ComponentArtifact.Uri: {reason}: {uri}")));
        }
        let empty = Value::Object(Map::new());
        let permission = Bean::of(bean.get("Permission").unwrap_or(&empty), "Permission")?;
        Ok(Self {
            unzip: bean.choice("Unarchive", &UNARCHIVE)? == Some("ZIP"),
            read: permission.choice("Read", &PERMISSION)?.unwrap_or("OWNER"),
            execute: permission.choice("Execute", &PERMISSION)?.unwrap_or("NONE"),
            digest: bean.text("Digest")?,
            algorithm: bean.text("Algorithm")?,
            uri,
        })
    }

    /// Mode of the file once it is in place; who may execute may read.
    pub(crate) fn mode(&self) -> u32 {
        let read = match self.read {
            "NONE" => 0o400,
            "ALL" => 0o444,
            _ => 0o440,
        };
        let execute = match self.execute {
            "OWNER" => 0o550,
            "ALL" => 0o555,
            _ => 0,
        };
        read | execute
    }
}

/// As Java prints it.
impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uri, read, execute, .. } = self;
        let digest = self.digest.as_deref().unwrap_or("null");
        let algorithm = self.algorithm.as_deref().unwrap_or("null");
        let unarchive = UNARCHIVE[usize::from(self.unzip)];
        write!(f, "ComponentArtifact(artifactUri={uri}, checksum={digest}, algorithm={algorithm}, ")?;
        write!(f, "unarchive={unarchive}, permission=Permission(read={read}, execute={execute}))")
    }
}

/// Why a text is no URI, in the words of Java.
fn malformed(uri: &str) -> Option<String> {
    let illegal = |c: char| c.is_control() || c.is_whitespace() || "\"<>\\^`{|}".contains(c);
    if let Some(at) = uri.find(illegal) {
        return Some(format!("Illegal character in path at index {at}"));
    }
    let escaped = |(at, _): &(usize, _)| {
        let digits = uri.as_bytes().get(at + 1..at + 3);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if let Some((at, _)) = uri.match_indices('%').find(escaped) {
        return Some(format!("Malformed escape pair at index {at}"));
    }
    let (scheme, rest) = uri.split_once(':')?;
    if scheme.contains(['/', '?', '#']) {
        return None;
    }
    if scheme.is_empty() {
        return Some("Expected scheme name at index 0".into());
    }
    let valid = |(at, c): (usize, char)| c.is_ascii_alphabetic() || at > 0 && (c.is_ascii_digit() || "+-.".contains(c));
    if let Some((at, _)) = scheme.char_indices().find(|pair| !valid(*pair)) {
        return Some(format!("Illegal character in scheme name at index {at}"));
    }
    // Brackets are an address's in the authority, and nothing's in the path behind it.
    let skipped = rest.strip_prefix("//").map_or(Some(0), |authority| Some(authority.find('/')? + 2));
    let path =
        skipped.filter(|_| rest.starts_with('/')).map(|skipped| (skipped, rest[skipped..].split(['?', '#']).next()));
    if let Some((skipped, Some(path))) = path
        && let Some(at) = path.find(['[', ']'])
    {
        return Some(format!("Illegal character in path at index {}", scheme.len() + 1 + skipped + at));
    }
    rest.is_empty().then(|| format!("Expected scheme-specific part at index {}", scheme.len() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(source: &Value) -> Result<Artifact, String> {
        Artifact::read(source).map_err(|error| error.to_string())
    }

    #[test]
    fn permissions_become_modes() {
        fidelity::fidelity!("core-artifact-5");
        for (permission, mode) in [
            (json!(null), 0o440),
            (json!({"Read": "NONE"}), 0o400),
            (json!({"read": "owner"}), 0o440),
            (json!({"Read": "All"}), 0o444),
            (json!({"Execute": "OWNER"}), 0o550),
            (json!({"Read": "NONE", "Execute": "OWNER"}), 0o550),
            (json!({"Read": "ALL", "Execute": "OWNER"}), 0o554),
            (json!({"Execute": "ALL"}), 0o555),
        ] {
            let artifact = read(&json!({"URI": "s3://b/k", "Permission": permission})).unwrap();
            assert_eq!(artifact.mode(), mode, "{permission}");
        }
        assert!(
            read(&json!({"Uri": "s3://b/k", "Permission": {"Read": "EVERYONE"}})).unwrap_err().contains("EVERYONE")
        );
        assert!(read(&json!({"Uri": "s3://b/k", "Unarchive": "TAR"})).unwrap_err().contains("TAR"));
        assert!(read(&json!({"Unarchive": "ZIP"})).unwrap_err().contains("Uri is marked non-null but is null"));
    }

    #[test]
    fn a_uri_is_one_that_java_takes() {
        for good in ["s3://b/k", "foo.zip", "", "docker:a/b:1@c", "greengrass:x", "s3://b/%20", "a/b:c", "s3://b/é"] {
            assert_eq!(malformed(good), None, "{good}");
        }
        for (bad, reason) in [
            ("s3://b/a b.zip", "Illegal character in path at index 8"),
            ("s3://b/{x}", "Illegal character in path at index 7"),
            ("s3://b/m[v2].zip", "Illegal character in path at index 8"),
            ("s3://b/%zz", "Malformed escape pair at index 7"),
            (":x", "Expected scheme name at index 0"),
            ("1s:x", "Illegal character in scheme name at index 0"),
            ("s3:", "Expected scheme-specific part at index 3"),
        ] {
            assert_eq!(malformed(bad).as_deref(), Some(reason), "{bad}");
        }
    }
}
