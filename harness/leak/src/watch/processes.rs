//! Which secrets the processes of a container have in their arguments and environments, and how long.

use super::{
    connector::{Event, Pid},
    process::{self, Process},
    sighting::{Millis, Number, Table, now},
    wanted::{Match, Wanted},
};
use crate::{Found, Names, Place, advice};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The processes of one container.
#[derive(Debug)]
pub(crate) struct Processes<'a> {
    container: String,
    wanted: &'a Wanted,
    table: &'a Mutex<Table>,
    /// Those that are the container's, and the leaks that each has.
    members: HashMap<Pid, Vec<Number>>,
    /// The container's users and groups, read once: what is read of its disk may take as long as a process lives.
    names: Option<Names>,
    /// How many of them ended before they could be read.
    pub(crate) missed: u64,
    /// How many were read.
    pub(crate) read: u64,
}

impl<'a> Processes<'a> {
    pub(crate) fn new(container: &str, wanted: &'a Wanted, table: &'a Mutex<Table>) -> Self {
        Self {
            container: container.to_owned(),
            wanted,
            table,
            members: HashMap::new(),
            names: None,
            missed: 0,
            read: 0,
        }
    }

    /// Looks at all processes that there are; those that are known are looked at again.
    pub(crate) fn look(&mut self) {
        let all = process::all();
        let ended: Vec<_> = self.members.keys().copied().filter(|pid| !all.contains(pid)).collect();
        for pid in ended {
            self.ended(pid);
        }
        for pid in all {
            if self.members.contains_key(&pid) || process::is_in(pid, &self.container) == Some(true) {
                self.became(pid);
            }
        }
    }

    /// Takes what happened; says which process of the container began or became another program.
    pub(crate) fn take(&mut self, event: Event) -> Option<Pid> {
        match event {
            Event::Fork { parent, child } => {
                // One that a look has found already is known better than as its parent's copy.
                if let Some(leaks) = self.members.get(&parent).cloned()
                    && !self.members.contains_key(&child)
                {
                    self.held(&leaks);
                    self.members.insert(child, leaks);
                }
                None
            }
            Event::Exec(pid) => {
                // A process enters a container while it runs, so one that is not known is asked.
                let known = self.members.contains_key(&pid);
                (known || process::is_in(pid, &self.container) == Some(true)).then(|| {
                    self.became(pid);
                    pid
                })
            }
            Event::Exit(pid) => {
                self.ended(pid);
                None
            }
            Event::Lost(_) => {
                self.look();
                None
            }
        }
    }

    /// The processes of the container.
    pub(crate) fn members(&self) -> Vec<Pid> {
        self.members.keys().copied().collect()
    }

    fn table(&self) -> MutexGuard<'a, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self, leaks: &[Number]) {
        let mut table = self.table();
        for number in leaks {
            table.held(*number);
        }
    }

    fn gone(&self, leaks: &[Number], time: Millis) {
        let mut table = self.table();
        for number in leaks {
            table.gone(*number, time);
        }
    }

    fn ended(&mut self, pid: Pid) {
        if let Some(leaks) = self.members.remove(&pid) {
            self.gone(&leaks, now());
        }
    }

    /// A process is another program now, or is seen for the first time.
    fn became(&mut self, pid: Pid) {
        let time = now();
        if self.names.is_none() && process::has_own_root(pid) {
            self.names = Some(process::names(pid));
        }
        let before = self.members.insert(pid, Vec::new()).unwrap_or_default();
        let leaks = if let Ok(process) = Process::read(pid) {
            self.read += 1;
            self.leaks(pid, &process, time)
        } else {
            self.missed += 1;
            Vec::new()
        };
        self.gone(&before, time);
        self.members.insert(pid, leaks);
    }

    fn leaks(&self, pid: Pid, process: &Process, time: Millis) -> Vec<Number> {
        self.wanted.learn(&process.environment);
        // The words of a command are one line, as `ps` shows them.
        let words: Vec<u8> = process.arguments.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
        let arguments = self.wanted.matches(&words);
        let environment = self.wanted.matches(&process.environment);
        if arguments.is_empty() && environment.is_empty() {
            return Vec::new();
        }
        let names = self.names.clone().unwrap_or_else(|| process::names(pid));
        let program = self.wanted.masked(&process::name(pid, &process.arguments));
        let line = process::line(pid, &self.container);
        let mut numbers = Vec::new();
        let mut seen = |found: Match, place: Place, file: &str| {
            let found = told(found, place, pid, file, &names);
            numbers.push(self.table().seen(found, || line.clone(), time));
        };
        for found in arguments {
            seen(found, Place::Arguments { program: program.clone() }, "cmdline");
        }
        if !environment.is_empty() {
            for entry in process.environment.split(|byte| *byte == 0) {
                let variable = entry.split(|byte| *byte == b'=').next().unwrap_or_default();
                let variable = self.wanted.masked(&String::from_utf8_lossy(variable));
                for found in self.wanted.matches(entry) {
                    let place = Place::Environment { program: program.clone(), variable: variable.clone() };
                    seen(found, place, "environ");
                }
            }
        }
        numbers
    }
}

fn told(found: Match, place: Place, pid: Pid, file: &str, names: &Names) -> Found {
    let exposed = process::exposed(pid, file, names);
    // Who has ended meanwhile was as the kernel makes every process.
    let usual = if file == "cmdline" { "every local user" } else { "every process of its user" };
    let readers = exposed.as_ref().map_or_else(|| usual.to_owned(), |exposed| exposed.readers.text(names));
    Found {
        secret: found.secret,
        encoding: found.hit.encoding,
        whole: found.hit.whole,
        split: found.hit.split,
        close: advice::close(&place),
        place,
        readers,
        mode: exposed.as_ref().map(|exposed| exposed.access.mode_text()),
        owner: exposed.as_ref().map(|exposed| exposed.access.owner_text(names)),
        excerpt: found.hit.excerpt,
    }
}
