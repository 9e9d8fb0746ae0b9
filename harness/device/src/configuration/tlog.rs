//! The transaction log, one JSON object a line, that the configuration is kept in.

use super::node::Node;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One line.
#[derive(Debug, Serialize, Deserialize)]
struct Entry<'a> {
    #[serde(rename = "TS")]
    time: i64,
    #[serde(rename = "TP")]
    path: Vec<std::borrow::Cow<'a, str>>,
    #[serde(rename = "W")]
    what: What,
    #[serde(rename = "V", default)]
    value: Value,
}

/// What happened to a node. The last three are notes about nodes that other lines tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum What {
    Changed,
    Removed,
    TimestampUpdated,
    InteriorAdded,
    Initialized,
    ChildChanged,
    ChildRemoved,
}

/// Reads a log.
///
/// # Errors
/// If it can't be read, is empty, or one of its lines is no entry.
pub(super) fn read(file: &Path) -> io::Result<Node> {
    let text = fs::read_to_string(file)?;
    if text.is_empty() || !text.ends_with('\n') {
        return Err(io::Error::other("the log is empty or its last line is torn"));
    }
    let mut root = Node::empty();
    for line in text.lines() {
        let entry: Entry<'_> = serde_json::from_str(line)?;
        let path: Vec<&str> = entry.path.iter().map(AsRef::as_ref).collect();
        match entry.what {
            What::Changed => root.put(&path, Node::Leaf { value: entry.value, modified: entry.time }),
            What::Removed => _ = root.remove(&path),
            What::InteriorAdded if root.find(&path).is_none() => root.put(&path, Node::empty()),
            What::TimestampUpdated => {
                if let Some(Node::Leaf { value, .. }) = root.find(&path).cloned() {
                    root.put(&path, Node::Leaf { value, modified: entry.time });
                }
            }
            What::InteriorAdded | What::Initialized | What::ChildChanged | What::ChildRemoved => {}
        }
    }
    Ok(root)
}

/// Writes a log that says what `root` is, so that the file is at every instant the old one or the new one, whole; the
/// old one stays beside it, with `~` at the end of its name.
///
/// # Errors
/// If it can't be written.
pub(super) fn write(file: &Path, root: &Node) -> io::Result<()> {
    let mut text = String::new();
    lines(root, &mut Vec::new(), &mut text)?;
    let new = beside(file, '+');
    fs::write(&new, text)?;
    if file.exists() {
        let old = beside(file, '~');
        if old.exists() {
            fs::remove_file(&old)?;
        }
        fs::hard_link(file, &old)?;
    }
    fs::rename(&new, file)
}

/// The name of a file that goes with `file`.
pub(super) fn beside(file: &Path, mark: char) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(mark.to_string());
    name.into()
}

/// Keys that begin with an underscore are not kept.
fn lines(node: &Node, path: &mut Vec<String>, text: &mut String) -> io::Result<()> {
    let (time, what, value) = match node {
        Node::Leaf { value, modified } => (*modified, What::Changed, value.clone()),
        Node::Table(entries) => {
            for (key, node) in entries.iter().filter(|(key, _)| !key.starts_with('_')) {
                path.push(key.clone());
                lines(node, path, text)?;
                path.pop();
            }
            if !entries.is_empty() {
                return Ok(());
            }
            (0, What::InteriorAdded, Value::Null)
        }
    };
    let path = path.iter().map(|key| key.as_str().into()).collect();
    text.push_str(&serde_json::to_string(&Entry { time, path, what, value })?);
    text.push('\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn there_and_back() {
        fidelity::fidelity!("core-config-3");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.tlog");
        let mut root = Node::empty();
        root.merge(&["services", "X"], &json!({"version": "1.0.0", "configuration": {}, "_private": 1}), 5);
        write(&file, &root).unwrap();
        let line = r#"{"TS":5,"TP":["services","X","version"],"W":"changed","V":"1.0.0"}"#;
        assert!(fs::read_to_string(&file).unwrap().lines().any(|known| known == line));
        root.remove(&["services", "X", "_private"]);
        assert_eq!(read(&file).unwrap(), root);
    }

    #[test]
    fn every_kind_of_line() {
        fidelity::fidelity!("core-config-3");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.tlog");
        let text = r#"{"TS":1,"TP":["a","b"],"W":"changed","V":[1]}
{"TS":2,"TP":["a","c"],"W":"changed","V":true}
{"TS":3,"TP":["A","B"],"W":"timestampUpdated"}
{"TS":3,"TP":["d"],"W":"interiorAdded"}
{"TS":3,"TP":["a"],"W":"childChanged"}
{"TS":4,"TP":["a","c"],"W":"removed"}
"#;
        fs::write(&file, text).unwrap();
        let root = read(&file).unwrap();
        assert_eq!(root.value(), json!({"a": {"b": [1]}, "d": {}}));
        assert!(matches!(root.find(&["a", "b"]), Some(Node::Leaf { modified: 3, .. })));
        fs::write(&file, &text[..text.len() - 9]).unwrap();
        assert!(read(&file).is_err());
    }
}
