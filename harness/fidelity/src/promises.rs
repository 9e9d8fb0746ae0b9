//! Holds the promises against the tests of one run: `promises FIDELITY.md JUNIT.xml…`.
//!
//! Fails when a promise was proven by no test that passed, is listed twice, or is named by a test and not listed.

use anyhow::{Context, Result, ensure};
use fidelity::{
    MARK, is_well_formed,
    junit::{self, Case},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
};

fn main() -> Result<()> {
    let mut paths = std::env::args().skip(1);
    let list = paths.next().context("usage: promises FIDELITY.md JUNIT.xml…")?;
    let mut account = Account::of(&fs::read_to_string(&list).with_context(|| format!("reading `{list}`"))?);
    junit::cases(paths)?.iter().for_each(|case| account.take(case));
    let faults = account.faults();
    let mut out = std::io::stdout().lock();
    for fault in &faults {
        writeln!(out, "{fault}")?;
    }
    writeln!(out, "promises {}, passed {}", account.promises.len(), account.passed())?;
    ensure!(faults.is_empty(), "the promises and the tests of this run disagree; `{list}` is the list");
    Ok(())
}

/// The promises of a list, and which tests named them.
#[derive(Default)]
struct Account {
    /// How often each promise is listed.
    promises: BTreeMap<String, usize>,
    /// Promises that a test which passed has named.
    proven: BTreeSet<String>,
    /// Promises that were named, by the first test that did so.
    named: BTreeMap<String, String>,
}

impl Account {
    /// Reads the list: a promise is a line `- [ID] TEXT`.
    fn of(list: &str) -> Self {
        let mut account = Self::default();
        let ids = list.lines().filter_map(|line| line.strip_prefix("- [")?.split_once("] "));
        for (id, _) in ids.filter(|(id, _)| is_well_formed(id)) {
            *account.promises.entry(id.to_owned()).or_default() += 1;
        }
        account
    }

    fn take(&mut self, case: &Case) {
        for id in case.output.lines().filter_map(|line| line.strip_prefix(MARK)) {
            if case.passed {
                self.proven.insert(id.to_owned());
            }
            self.named.entry(id.to_owned()).or_insert_with(|| case.name.clone());
        }
    }

    fn passed(&self) -> usize {
        self.promises.keys().filter(|id| self.proven.contains(*id)).count()
    }

    fn faults(&self) -> Vec<String> {
        let twice = self.promises.iter().filter(|(_, times)| **times > 1);
        let unproven = self.promises.keys().filter(|id| !self.proven.contains(*id));
        let unknown = self.named.iter().filter(|(id, _)| !self.promises.contains_key(*id));
        twice
            .map(|(id, times)| format!("[{id}] is listed {times} times"))
            .chain(unproven.map(|id| match self.named.get(id) {
                Some(test) => format!("[{id}] is not proven: `{test}` names it and did not pass"),
                None => format!("[{id}] is not proven: no test of this run names it"),
            }))
            .chain(unknown.map(|(id, test)| format!("[{id}] is no promise, but `{test}` names it")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, passed: bool, output: &str) -> Case {
        Case { name: name.into(), passed, output: output.into(), ..Case::default() }
    }

    #[test]
    fn a_promise_counts_when_a_test_that_names_it_passed() {
        let mut account = Account::of("# Fidelity\n- [dns-1] Names.\n- [dns-2] Others.\n- [ ] no promise\n");
        account.take(&case("names", true, "running 1 test\n\nproves promise dns-1\nok"));
        account.take(&case("others", false, "proves promise dns-2\n"));
        assert_eq!((account.promises.len(), account.passed()), (2, 1));
        assert_eq!(account.faults(), ["[dns-2] is not proven: `others` names it and did not pass"]);
    }

    #[test]
    fn every_disagreement_is_told() {
        let mut account = Account::of("- [dns-1] Names.\n- [dns-1] Names again.\n- [dns-2] Others.\n");
        let proving = case("names", true, "proves promise dns-1\nproves promise dns-3\n");
        account.take(&proving);
        let faults = [
            "[dns-1] is listed 2 times",
            "[dns-2] is not proven: no test of this run names it",
            "[dns-3] is no promise, but `names` names it",
        ];
        assert_eq!(account.faults(), faults);
    }
}
