//! The object that a copy is made of.

use super::super::decoded;
use crate::aws::upstream::encoded;

/// The source of a copy, as `x-amz-copy-source` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::aws::gate) struct Source {
    pub(in crate::aws::gate) bucket: String,
    /// The key, decoded.
    pub(in crate::aws::gate) key: String,
    pub(in crate::aws::gate) version: Option<String>,
}

impl Source {
    /// Reads `BUCKET/KEY` or `BUCKET/KEY?versionId=ID`, with or without a slash before it. The header is encoded like a
    /// URL, and S3 takes `+` for a space in it.
    pub(super) fn read(header: &str) -> Self {
        let (path, query) = header.split_once('?').unwrap_or((header, ""));
        let path = decoded(&path.replace('+', " "));
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let version = query.split('&').find_map(|pair| pair.strip_prefix("versionId=")).map(decoded);
        Self { bucket: bucket.to_owned(), key: key.to_owned(), version }
    }

    /// Its ARN, without the version.
    pub(in crate::aws::gate) fn arn(&self) -> String {
        format!("arn:aws:s3:::{}/{}", self.bucket, self.key)
    }

    /// The header that says the same in one way only, so that nobody reads another object into it than was authorised.
    pub(in crate::aws::gate) fn header(&self) -> String {
        let version = self.version.as_ref().map(|version| format!("?versionId={}", encoded(version)));
        format!("{}/{}{}", encoded(&self.bucket), encoded(&self.key), version.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_in_every_form_and_written_in_one() {
        fidelity::fidelity!("gate-14");
        for (header, key, version, written) in [
            ("b/a/k", "a/k", None, "b/a/k"),
            ("/b/a%20k", "a k", None, "b/a%20k"),
            ("b/a+k", "a k", None, "b/a%20k"),
            ("b/a%2Bk?versionId=v.1", "a+k", Some("v.1"), "b/a%2Bk?versionId=v.1"),
            ("b/k#x", "k#x", None, "b/k%23x"),
            ("b%2Fk%3FversionId=v", "k?versionId=v", None, "b/k%3FversionId%3Dv"),
        ] {
            let source = Source::read(header);
            let expected = Source { bucket: "b".into(), key: key.into(), version: version.map(str::to_owned) };
            assert_eq!(source, expected, "{header}");
            assert_eq!(source.header(), written);
        }
    }
}
