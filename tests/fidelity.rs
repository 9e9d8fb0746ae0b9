//! `docs/FIDELITY.md` is honest: what it promises is cited by a test, or said to have none.

use std::{collections::BTreeSet, fs, path::Path};

const UNTESTED: &str = "(no test yet";

#[test]
fn every_promise_is_cited_by_a_test_or_says_that_none_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/FIDELITY.md")).expect("the promises are there");
    let mut cited = String::new();
    for folder in ["harness", "tests", "fixtures"] {
        read(&root.join(folder), &mut cited);
    }
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let Some((id, promise)) = line.strip_prefix("- [").and_then(|line| line.split_once("] ")) else { continue };
        assert!(seen.insert(id.to_owned()), "[{id}] is promised twice");
        let has_test = cited.contains(&format!("[{id}]")) || cited.contains(&format!("\"{id}\""));
        assert_eq!(
            has_test,
            !promise.contains(UNTESTED),
            "[{id}]: cited by a test: {has_test}, but it says: {promise}"
        );
    }
    assert!(seen.len() > 80, "the promises were found");
}

fn read(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of ours can be read") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            read(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "toml") {
            into.push_str(&fs::read_to_string(&path).expect("a source is text"));
        }
    }
}
