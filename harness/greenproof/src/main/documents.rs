//! Every command line that the documents show is one that the program understands.

use super::command::Arguments;
use clap::{Parser, error::ErrorKind};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The documents that show commands: the README, and what is below `docs`.
fn documents() -> Vec<PathBuf> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md")];
    collect(&root.join("docs"), &mut files);
    files.sort();
    files
}

/// The command lines of a document's console blocks, each whole.
fn lines(text: &str) -> Vec<String> {
    let (mut inside, mut lines, mut goes_on) = (false, Vec::<String>::new(), false);
    for line in text.lines() {
        if line.starts_with("```") {
            (inside, goes_on) = (!inside && line.starts_with("```console"), false);
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            lines.push(command.to_owned());
            goes_on = command.ends_with('\\');
        } else if inside && goes_on {
            let last = lines.last_mut().unwrap();
            *last = format!("{last}\n{line}");
            goes_on = line.ends_with('\\');
        }
    }
    lines
}

/// The arguments of each call of greenproof in a line, as the shell gives them. Nothing else of the line runs.
fn calls(line: &str) -> Vec<Vec<String>> {
    // Where the shell puts an answer may not be there.
    let line = line.split(" > ").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let script =
        format!("greenproof() {{ printf '%s\\0' \"$@\" >> \"$told\"; printf '\\n\\0' >> \"$told\"; }}\n{line}\n");
    // No other program is found.
    let mut shell = Command::new("/bin/bash");
    shell.args(["-c", &script]).current_dir(&folder).env_clear().env("PATH", "").env("told", &told);
    let shell = shell.output().unwrap();
    assert!(!String::from_utf8_lossy(&shell.stderr).contains("syntax error"), "{line}");
    let told = fs::read_to_string(&told).unwrap_or_default();
    let mut calls = vec![Vec::new()];
    for word in told.split_terminator('\0') {
        if word == "\n" { calls.push(Vec::new()) } else { calls.last_mut().unwrap().push(word.to_owned()) }
    }
    calls.pop();
    calls
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let mut count = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for line in lines(&text) {
            let line = line.replace("cargo run -- ", "greenproof ");
            let found = calls(&line);
            assert!(!found.is_empty() || !line.contains("greenproof "), "{}: no call in `{line}`", document.display());
            for arguments in found {
                let parsed = Arguments::try_parse_from([vec!["greenproof".to_owned()], arguments].concat());
                let refused = parsed
                    .err()
                    .filter(|error| !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion));
                assert!(refused.is_none(), "{}: `{line}`: {}", document.display(), refused.unwrap());
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count} calls");
}

#[test]
fn a_command_that_is_none_is_seen() {
    let refused = |line: &str| {
        calls(line)
            .into_iter()
            .any(|words| Arguments::try_parse_from([vec!["greenproof".to_owned()], words].concat()).is_err())
    };
    assert!(refused("X=1 greenproof run --no-such-flag a.toml # why"));
    assert!(refused("eval \"$(greenproof envy)\""));
    assert!(!refused("X=1 greenproof run 'a b.toml' # why"));
    assert_eq!(lines("```console\n$ a \\\n  b\nc\n```\n```toml\n$ d\n```\n"), ["a \\\n  b"]);
}
