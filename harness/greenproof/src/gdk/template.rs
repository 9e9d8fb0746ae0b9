//! A recipe template resolved in place: GDK sets the component's name, version and publisher, and the URIs of the artifacts
//! that it built; it replaces a placeholder nowhere else, so neither do we. Of a built recipe it sets version and URIs alone.

use super::{Project, build::Build, schema};
use crate::scenario::Error;
use device::inspect::{Content, Node, Place};
use std::{ops::Range, path::Path};

/// What GDK's templates call the bucket.
const BUCKET: &str = "s3://BUCKET_NAME/";

/// A text of a recipe to set: where it stands and what takes its place.
type Change = (Range<usize>, String);

impl Project {
    pub(super) fn resolved(&self, build: &Build, text: &str, account: Option<&str>) -> Result<String, Error> {
        let file = build.recipe.as_path();
        let root =
            Node::parse(text).map_err(|error| at(file, error.place, error.message, "correct the recipe's syntax"))?;
        let version = self.counted();
        if let Some((place, message, hint)) = schema::refused(&root).or_else(|| schema::rewritten(&root, text)) {
            return Err(at(file, place, message, hint));
        }
        let mut changes = Vec::new();
        if build.built {
            self.is_named(file, &root)?;
        }
        for (key, value, needed) in [
            ("ComponentName", self.name.as_str(), true),
            ("ComponentVersion", version, true),
            ("ComponentPublisher", &self.author, false),
        ] {
            match get(&root, key) {
                Some(_) if build.built && key != "ComponentVersion" => {}
                Some(node) => changes.push(change(file, text, node, value)?),
                None if needed => {
                    let hint = format!("add `{key}`, whose value GDK sets");
                    return Err(at(file, root.place, format!("`{key}` is missing"), hint));
                }
                None => {}
            }
        }
        for uri in uris(&root) {
            let Content::Text(written) = &uri.content else { continue };
            let Some(path) = written.strip_prefix("s3://") else { continue };
            let name = path.rsplit('/').next().unwrap_or(path);
            if build.artifacts.contains_key(name) {
                let bucket = self.bucket_from(account)?;
                let place = format!("s3://{bucket}/{}/{version}/{name}", self.name);
                changes.push(change(file, text, uri, &place)?);
            } else if written.starts_with(BUCKET) {
                let made: Vec<_> = build.artifacts.keys().map(String::as_str).collect();
                let message = format!("`{name}` is no artifact of the build, which has {}", made.join(", "));
                let hint =
                    "correct the name; a zip is called as its folder unless `build.options.zip_name` says otherwise";
                return Err(at(file, uri.place, message, hint));
            }
        }
        changes.sort_by_key(|(range, _)| range.start);
        let (mut resolved, mut end) = (String::with_capacity(text.len()), 0);
        for (range, value) in changes {
            resolved.push_str(&text[end..range.start]);
            resolved.push_str(&value);
            end = range.end;
        }
        resolved.push_str(&text[end..]);
        Ok(resolved)
    }

    /// GDK publishes no built recipe of another name; a build command of the project's own has to write it.
    fn is_named(&self, file: &Path, root: &Node) -> Result<(), Error> {
        match get(root, "ComponentName") {
            Some(Node { content: Content::Text(name), .. }) if *name == self.name => Ok(()),
            node => {
                let message = format!("GDK publishes nothing whose built recipe is not called `{}`", self.name);
                let hint = "build again; a `custom_build_command` has to write the component's name itself";
                Err(at(file, node.unwrap_or(root).place, message, hint))
            }
        }
    }

    fn bucket_from(&self, account: Option<&str>) -> Result<String, Error> {
        let keys = ["component", &self.name, "publish"];
        let Some(account) = account else {
            let message = "the account is not stated, which ends the name of the bucket that GDK publishes to";
            return Err(self.config.error(&keys, message, "state `account` in the scenario's `[aws]`"));
        };
        self.bucket(account).ok_or_else(|| {
            let missing = if self.bucket.is_none() { "bucket" } else { "region" };
            let message = format!("`publish.{missing}` of `{}` is missing, and its recipe has an artifact", self.name);
            let hint = "add `\"publish\": { \"bucket\": \"…\", \"region\": \"…\" }`";
            self.config.error(&keys, message, hint)
        })
    }
}

/// The URIs of all artifacts.
fn uris(root: &Node) -> impl Iterator<Item = &Node> {
    let manifests = items(get(root, "Manifests"));
    let artifacts = manifests.iter().flat_map(|manifest| items(get(manifest, "Artifacts")));
    artifacts.filter_map(|artifact| get(artifact, "Uri"))
}

pub(super) fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.content) {
        Some(Content::List(items)) => items,
        _ => &[],
    }
}

pub(super) fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Content::Map(entries) = &node.content else { return None };
    entries.iter().rev().find(|(known, _)| known.text.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

/// A value set in place of a scalar. What JSON writes in quotes is the same text in YAML.
fn change(file: &Path, text: &str, node: &Node, value: &str) -> Result<Change, Error> {
    let start = offset(text, node.place);
    let rest = &text[start..];
    let length = match (&node.content, rest.as_bytes().first()) {
        (Content::Text(_), Some(b'"')) => quoted(rest, '"'),
        (Content::Text(_), Some(b'\'')) => quoted(rest, '\''),
        (Content::Text(written), _) if rest.starts_with(written.as_str()) => Some(written.len()),
        (Content::Number(_), _) => {
            Some(rest.find(|c: char| c.is_whitespace() || c == ',' || c == '}').unwrap_or(rest.len()))
        }
        _ => None,
    };
    let length = length.ok_or_else(|| {
        let message = "GDK sets this value, and it is no text in one line";
        at(file, node.place, message, "write it in quotes, such as \"{COMPONENT_NAME}\"")
    })?;
    Ok((start..start + length, serde_json::Value::from(value).to_string()))
}

/// How long a text in quotes is, with them.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' if quote == '"' => _ = characters.next(),
            _ if character == quote => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// Where a place is in the text.
pub(super) fn offset(text: &str, place: Place) -> usize {
    let line: usize = text.split_inclusive('\n').take(place.line - 1).map(str::len).sum();
    line + text[line..].chars().take(place.column - 1).map(char::len_utf8).sum::<usize>()
}

fn at(file: &Path, place: Place, message: impl Into<String>, hint: impl Into<String>) -> Error {
    let place = format!("{}:{}:{}", file.display(), place.line, place.column);
    Error { place, message: message.into(), hint: hint.into() }
}
