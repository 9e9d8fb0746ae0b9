//! Which secrets the processes of a container have in their arguments and environments, and how long.

use super::{
    connector::{Event, Pid},
    device::Device,
    process::{self, Process},
    sighting::{Millis, Number, Table, now},
    wanted::{Match, Wanted},
};
use crate::{Found, Names, Place, variables, words};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The processes of one container.
#[derive(Debug)]
pub(crate) struct Processes<'a> {
    device: &'a Device,
    wanted: &'a Wanted,
    table: &'a Mutex<Table>,
    /// Those that are the container's, and the leaks that each has.
    members: HashMap<Pid, Vec<Number>>,
    /// How many of them ended before they could be read.
    pub(crate) missed: u64,
    /// How many were read.
    pub(crate) read: u64,
}

impl<'a> Processes<'a> {
    pub(crate) fn new(device: &'a Device, wanted: &'a Wanted, table: &'a Mutex<Table>) -> Self {
        Self { device, wanted, table, members: HashMap::new(), missed: 0, read: 0 }
    }

    /// Looks at all processes that there are; those that are known are looked at again.
    pub(crate) fn look(&mut self) {
        let all = process::all();
        let ended: Vec<_> = self.members.keys().copied().filter(|pid| !all.contains(pid)).collect();
        for pid in ended {
            self.ended(pid);
        }
        for pid in all {
            if self.members.contains_key(&pid) || process::is_in(pid, &self.device.container) == Some(true) {
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
                (known || process::is_in(pid, &self.device.container) == Some(true)).then(|| {
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
        self.device.know(pid);
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
        let arguments = self.wanted.matches(&words(&process.arguments));
        let environment = self.wanted.matches(&process.environment);
        if arguments.is_empty() && environment.is_empty() {
            return Vec::new();
        }
        let names = self.device.known_names().unwrap_or_else(|| process::names(pid));
        let program = self.wanted.masked(&process::name(pid, &process.arguments));
        let line = process::line(pid, &self.device.container);
        let mut numbers = Vec::new();
        let mut seen = |found: Match, place: Place, file: &str| {
            let found = told(found, place, pid, file, &names);
            numbers.push(self.table().seen(found, || line.clone(), time));
        };
        for found in arguments {
            seen(found, Place::Arguments { program: program.clone() }, "cmdline");
        }
        if !environment.is_empty() {
            for (variable, entry) in variables(&process.environment) {
                let variable = self.wanted.masked(&variable);
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
    let mut found = Found::new(found.secret, found.hit, place);
    match process::exposed(pid, file, names) {
        Some(exposed) => found.guard(exposed.access, exposed.readers, names),
        // Who has ended meanwhile was as the kernel makes every process.
        None if file == "cmdline" => "every local user".clone_into(&mut found.readers),
        None => "every process of its user".clone_into(&mut found.readers),
    }
    found
}
