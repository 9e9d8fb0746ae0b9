//! What stands in the XML of a call and takes part in its authorisation.

use serde::Deserialize;

/// An object of `DeleteObjects`.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Listed {
    #[serde(rename = "Key")]
    pub(super) key: String,
    #[serde(rename = "VersionId", default)]
    version: Option<String>,
}

impl Listed {
    /// The version that is to be deleted for good.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref().filter(|version| !version.is_empty())
    }
}

#[derive(Deserialize)]
struct Delete {
    #[serde(rename = "Object", default)]
    objects: Vec<Listed>,
}

#[derive(Deserialize)]
struct Tagging {
    #[serde(rename = "TagSet")]
    set: TagSet,
}

#[derive(Deserialize)]
struct TagSet {
    #[serde(rename = "Tag", default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Value", default)]
    value: String,
}

/// The objects that `DeleteObjects` lists; `None` if that can't be read.
pub(super) fn deleted(body: &[u8]) -> Option<Vec<Listed>> {
    let delete: Delete = quick_xml::de::from_str(std::str::from_utf8(body).ok()?).ok()?;
    Some(delete.objects)
}

/// The tags of `PutObjectTagging`, or of the answer to `GetObjectTagging`; `None` if that can't be read.
pub(in crate::aws::gate) fn tags(body: &[u8]) -> Option<Vec<(String, String)>> {
    let tagging: Tagging = quick_xml::de::from_str(std::str::from_utf8(body).ok()?).ok()?;
    Some(tagging.set.tags.into_iter().map(|Tag { key, value }| (key, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_as_they_stand() {
        fidelity::fidelity!("gate-15");
        let body = "<?xml version=\"1.0\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n  <Quiet>true</Quiet>\
                    <Object><Key>a &lt;&#38;&gt; b</Key></Object>\n<Object ><VersionId>v1</VersionId><Key >c</Key></Object>\
                    <Object><Key> d </Key><VersionId/></Object><Object><Key><![CDATA[e]]></Key></Object></Delete>";
        let objects = deleted(body.as_bytes()).unwrap();
        let seen: Vec<_> = objects.iter().map(|object| (object.key.as_str(), object.version())).collect();
        assert_eq!(seen, [("a <&> b", None), ("c", Some("v1")), (" d ", None), ("e", None)]);
        for broken in ["<Delete><Object></Object></Delete>", "<Delete><Object><Key>a</Key>", "a", ""] {
            assert_eq!(deleted(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn tags_are_read_as_they_stand() {
        fidelity::fidelity!("gate-16");
        let body = "<Tagging><TagSet><Tag><Key>a</Key><Value>1 &amp; 2</Value></Tag><Tag><Value/><Key>b</Key></Tag></TagSet></Tagging>";
        assert_eq!(tags(body.as_bytes()).unwrap(), [("a".into(), "1 & 2".into()), ("b".into(), String::new())]);
        assert_eq!(tags(b"<Tagging><TagSet/></Tagging>"), Some(Vec::new()));
        assert_eq!(tags(b"<Tagging/>"), None);
    }
}
