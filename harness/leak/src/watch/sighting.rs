//! What was seen of each leak: where, from when, how long, and who put it there.

use super::process::Ancestor;
use crate::{Found, Place};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// Milliseconds since 1970.
pub type Millis = u64;

/// The present.
#[must_use]
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A leak, with all that was seen of it until now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// What was found, where, and who can read it there.
    pub found: Found,
    /// When it was seen first.
    pub began: Millis,
    /// When it was seen last; later than [`Sighting::began`] where it came again.
    pub last: Millis,
    /// How long it was there, in milliseconds.
    pub milliseconds: u64,
    /// Whether it is there still.
    pub stays: bool,
    /// The process that had it or wrote it, and those above, from the inside out.
    #[serde(default)]
    pub line: Vec<Ancestor>,
}

/// A leak's number in a [`Table`].
pub(crate) type Number = usize;

/// All leaks; one secret at one spot is one leak, however often it comes and goes.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    numbers: HashMap<(String, String), Number>,
}

#[derive(Debug)]
struct Row {
    sighting: Sighting,
    /// Whether it is told of at the place that its file was moved to.
    moved: bool,
    /// How many there are of it now, and since when.
    holders: u32,
    since: Millis,
}

impl Table {
    /// A secret is seen, and stays there until [`Table::gone`] says otherwise.
    pub(crate) fn seen(&mut self, found: Found, line: impl FnOnce() -> Vec<Ancestor>, time: Millis) -> Number {
        let key = (found.secret.clone(), found.place.spot());
        if let Some(number) = self.numbers.get(&key).copied() {
            let row = &mut self.rows[number];
            if row.holders == 0 {
                row.since = time;
            }
            row.holders += 1;
            row.sighting.stays = true;
            row.sighting.last = time;
            if found.whole && !row.sighting.found.whole {
                row.sighting.found = found;
            }
            return number;
        }
        let sighting = Sighting { found, began: time, last: time, milliseconds: 0, stays: true, line: line() };
        self.rows.push(Row { sighting, moved: false, holders: 1, since: time });
        self.numbers.insert(key, self.rows.len() - 1);
        self.rows.len() - 1
    }

    /// Another holder has what was seen, such as a process that was forked.
    pub(crate) fn held(&mut self, number: Number) {
        self.rows[number].holders += 1;
    }

    /// A holder of what was seen is gone.
    pub(crate) fn gone(&mut self, number: Number, time: Millis) {
        let row = &mut self.rows[number];
        row.holders = row.holders.saturating_sub(1);
        if row.holders == 0 && row.sighting.stays {
            row.sighting.stays = false;
            row.sighting.last = time;
            row.sighting.milliseconds += time.saturating_sub(row.since);
        }
    }

    /// What is known of who can read it has changed.
    pub(crate) fn change(&mut self, number: Number, change: impl FnOnce(&mut Found)) {
        change(&mut self.rows[number].sighting.found);
    }

    /// The file that has it got another path; gives the number that it has there.
    pub(crate) fn moved(&mut self, number: Number, to: &str, time: Millis) -> Number {
        let mut found = self.found(number).clone();
        let before = (found.secret.clone(), found.place.spot());
        if let Place::File { path, .. } = &mut found.place {
            to.clone_into(path);
        }
        found.close = found.place.close();
        let key = (found.secret.clone(), found.place.spot());
        self.numbers.remove(&before);
        if self.numbers.contains_key(&key) {
            let there = self.seen(found, Vec::new, time);
            self.gone(number, time);
            self.rows[number].moved = true;
            return there;
        }
        self.numbers.insert(key, number);
        self.rows[number].sighting.found = found;
        number
    }

    /// What was found under a number.
    pub(crate) fn found(&self, number: Number) -> &Found {
        &self.rows[number].sighting.found
    }

    /// All of it, as it is at a moment.
    pub(crate) fn all(&self, time: Millis) -> Vec<Sighting> {
        let rows = self.rows.iter().filter(|row| !row.moved).map(|row| {
            let more = if row.sighting.stays { time.saturating_sub(row.since) } else { 0 };
            let last = if row.sighting.stays { time } else { row.sighting.last };
            Sighting { milliseconds: row.sighting.milliseconds + more, last, ..row.sighting.clone() }
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encoding;

    fn found(program: &str, whole: bool) -> Found {
        Found {
            secret: "token".into(),
            encoding: Encoding::Raw,
            whole,
            split: false,
            place: Place::Arguments { program: program.into() },
            readers: "every local user".into(),
            mode: None,
            owner: None,
            excerpt: String::new(),
            close: String::new(),
        }
    }

    #[test]
    fn the_same_place_is_one_leak_and_its_times_add_up() {
        let mut table = Table::default();
        let git = table.seen(found("git", false), Vec::new, 100);
        table.held(git);
        assert_eq!(table.seen(found("git", true), Vec::new, 150), git);
        table.gone(git, 160);
        table.gone(git, 170);
        assert!(table.all(190)[0].stays && table.all(190)[0].milliseconds == 90);
        table.gone(git, 200);
        table.gone(git, 300);
        table.seen(found("pip3", true), Vec::new, 400);
        table.seen(found("git", true), Vec::new, 1000);
        let all = table.all(1005);
        assert_eq!((all.len(), all[0].began, all[0].milliseconds, all[0].stays), (2, 100, 105, true));
        assert!(all[0].found.whole);
    }

    #[test]
    fn a_file_that_was_put_in_its_place_is_one_leak_there() {
        let mut table = Table::default();
        let of = |path: &str| {
            let place = Place::File { path: path.into(), inside: Vec::new(), line: 1 };
            Found { place, ..found("", true) }
        };
        let beside = table.seen(of("/a/config.lock"), Vec::new, 100);
        assert_eq!(table.moved(beside, "/a/config", 110), beside);
        let again = table.seen(of("/a/config.lock"), Vec::new, 200);
        assert_ne!(again, beside);
        assert_eq!(table.moved(again, "/a/config", 210), beside, "where one was before");
        table.gone(beside, 250);
        table.gone(beside, 260);
        let told = table.all(300).into_iter().map(|it| (it.found.place.to_string(), it.stays, it.milliseconds));
        assert_eq!(told.collect::<Vec<_>>(), [("file /a/config, line 1".to_owned(), false, 160)]);
    }
}
