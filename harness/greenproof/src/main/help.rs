//! What `--help` says is what stands in `tests/help`, and what it gives as an example can be said.
//!
//! After a change that is meant: `just bless`, and read the difference.

use super::manual::grammar;
use crate::command::Arguments;
use clap::{Command, Parser};
use expect_test::expect_file;
use std::{collections::BTreeSet, path::PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/help")
}

/// Every command by its words, `greenproof policy explain`, with its help.
fn helps() -> Vec<(String, String)> {
    fn collect(command: &mut Command, helps: &mut Vec<(String, String)>) {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
        helps.push((name, command.render_long_help().to_string()));
        for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            collect(sub, helps);
        }
    }
    let mut whole = grammar();
    whole.build();
    let mut helps = Vec::new();
    collect(&mut whole, &mut helps);
    helps
}

/// The commands that a help gives as examples, as words.
fn examples(help: &str) -> Vec<Vec<String>> {
    let Some((_, after)) = help.split_once("Examples:\n") else { return Vec::new() };
    let lines = after.lines().take_while(|line| line.starts_with("  "));
    lines.flat_map(commands).map(|text| shlex::split(text).expect("an example's quotes are closed")).collect()
}

/// What a line of a shell has of ours: up to what the shell does with it.
fn commands(line: &str) -> Vec<&str> {
    let line = line.split(" # ").next().unwrap_or_default();
    let starts: Vec<_> = line.match_indices("greenproof ").map(|(at, _)| at).collect();
    let of = |start: &usize| {
        let rest = &line[*start..];
        let end = [" |", " &&", " >", ")\""].iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
        rest[..end].trim()
    };
    // A file may be called greenproof, too.
    starts.iter().filter(|start| !line[..**start].ends_with(['/', '_'])).map(of).collect()
}

#[test]
fn each_help_is_as_it_was_read() {
    fidelity::fidelity!("cli-1");
    let mut known = BTreeSet::new();
    for (name, help) in helps() {
        let file = format!("{}.txt", name.replace(' ', "-"));
        expect_file![folder().join(&file)].assert_eq(&help);
        known.insert(file);
    }
    let there = folder().read_dir().expect("the helps are there");
    let there: BTreeSet<_> = there.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(there, known, "a help of no command stands there");
}

#[test]
fn each_command_has_an_example_and_each_example_can_be_said() {
    fidelity::fidelity!("cli-2");
    for (name, help) in helps().into_iter().filter(|(name, _)| name != "greenproof policy") {
        let examples = examples(&help);
        assert!(!examples.is_empty(), "`{name}` has no example");
        for words in examples {
            let own = name.split(' ').zip(&words).all(|(a, b)| a == b);
            assert!(own, "the example `{}` is none of `{name}`", words.join(" "));
            if let Err(error) = Arguments::try_parse_from(&words) {
                panic!("`{}`: {error}", words.join(" "));
            }
        }
    }
}

#[test]
fn an_example_ends_where_the_shell_goes_on() {
    let line = "  greenproof up && eval \"$(greenproof env --json)\"   # ours";
    assert_eq!(commands(line), ["greenproof up", "greenproof env --json"]);
    assert_eq!(commands("  greenproof man > /x/greenproof"), ["greenproof man"]);
    assert_eq!(examples("Examples:\n  greenproof run 'a b' | jq\n\ngreenproof down\n"), [["greenproof", "run", "a b"]]);
    assert!(Arguments::try_parse_from(["greenproof", "run", "--nonsense"]).is_err());
}
