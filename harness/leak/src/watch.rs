//! Watches a container from beside it: the arguments and environments of its processes, its files while they live, and what
//! is left of both when it is asked.
//!
//! It runs in the machine's own process and network namespaces, and knows the container's processes by its id in their
//! control groups. Where the kernel does not tell of processes they are looked for again and again, and that is said.
//! It knows nothing of Greengrass but how a core hands its token to components.

mod connector;
mod content;
mod device;
mod files;
mod poller;
mod process;
mod processes;
mod sighting;
mod walk;
mod wanted;

pub use process::Ancestor;
pub use sighting::{Millis, Sighting, now};
pub use wanted::LEARNED;

use crate::Canary;
use connector::{Connector, Event, Pid};
use device::Device;
use files::Files;
use poller::Poller;
use processes::Processes;
use serde::{Deserialize, Serialize};
use sighting::Table;
use std::{
    io,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};
use walk::{Walk, Walked};
use wanted::Wanted;

/// Where a watcher finds what it is told, in JSON.
pub const PATH: &str = "/etc/greenproof/watch.json";

/// What a watcher is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watch {
    /// The container's id.
    pub container: String,
    /// When it was made: what is older on its disk is its image's.
    pub since: Millis,
    /// What is searched for.
    pub canaries: Vec<Canary>,
    /// Whether processes are looked for again and again although the kernel would tell.
    #[serde(default)]
    pub sampled: bool,
}

/// What a watcher says, a JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "kebab-case")]
pub enum Said {
    /// It watches from now on.
    Watching {
        /// Why processes are only looked for again and again; absent when the kernel tells of each.
        sampled: Option<String>,
        /// Why files are not watched while they live; absent when they are.
        unwatched: Option<String>,
    },
    /// A leak, as it is now. An answer to an order.
    Leak(Box<Sighting>),
    /// An order is carried out; all leaks were told.
    Searched(Box<Summary>),
    /// It can't go on.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What a search comes to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// When the order came.
    pub ordered: Millis,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// What was missed that should have been seen, in words; empty when nothing was.
    pub incomplete: Vec<String>,
    /// How many processes were read, and how many ended before they could be.
    pub processes: u64,
    /// See above.
    pub processes_missed: u64,
    /// How many files were searched while they lived, their bytes, and how many were gone before.
    pub files: u64,
    /// See above.
    pub bytes: u64,
    /// See above.
    pub files_missed: u64,
    /// How many files were looked at in the end, how many of them searched, and how many could not be read.
    pub left: u64,
    /// See above.
    pub left_searched: u64,
    /// See above.
    pub left_unread: u64,
    /// The secrets that are too short to be searched for.
    pub unsearched: Vec<String>,
    /// How long the watcher had watched until the order, and how much of a processor that took, in milliseconds.
    pub up: u64,
    /// See above.
    pub worked: u64,
}

/// The priority of who goes before all others.
const FIRST: i32 = -20;
/// How long a thread waits for events before it looks whether there is an order.
const TICK: Duration = Duration::from_millis(20);
/// How often it is looked whether files with secrets are still there.
const LOOK: Duration = Duration::from_millis(50);
/// How often mounts are looked for that are not watched yet.
const MOUNTS: Duration = Duration::from_millis(250);

/// A watcher that runs until its process ends.
#[derive(Debug)]
#[must_use = "a watcher is there to be asked"]
pub struct Watcher {
    processes: Sender<Sender<Told>>,
    files: Sender<Order>,
    table: &'static Mutex<Table>,
    wanted: &'static Wanted,
    began: Instant,
    /// What it says of itself at the beginning.
    pub watching: Said,
}

/// What the thread of the processes tells when it is asked.
#[derive(Debug, Default)]
struct Told {
    lost: u64,
    read: u64,
    missed: u64,
    members: Vec<Pid>,
}

/// What the thread of the files is asked.
#[derive(Debug)]
enum Order {
    /// A process of the container is known.
    Member(Pid),
    /// To search what is left; these processes are alive.
    Search(Vec<Pid>, Sender<(Walked, [u64; 4], Vec<String>)>),
}

impl Watcher {
    /// Begins to watch.
    pub fn start(watch: Watch) -> Self {
        // What it misses while others have the processor is lost; where it may not go first, it does without.
        _ = rustix::process::setpriority_process(None, FIRST);
        // INVARIANT: a process has one watcher, which lives as long as it.
        let wanted: &'static Wanted = Box::leak(Box::new(Wanted::new(watch.canaries)));
        let table: &'static Mutex<Table> = Box::leak(Box::default());
        let device: &'static Device = Box::leak(Box::new(Device::new(&watch.container)));
        let (to_files, orders) = mpsc::channel();
        let connector = if watch.sampled { Err(io::Error::other("asked for")) } else { Connector::open() };
        let sampled = connector.as_ref().err().map(ToString::to_string);
        let source = connector.map_or_else(|_| Source::Looking(Poller::new(&watch.container)), Source::Told);
        let mut files = Files::new(device, wanted, table);
        let unwatched = files.watch().err().map(|error| error.to_string());
        let (to_processes, asked) = mpsc::channel();
        let members = to_files.clone();
        let processes = Processes::new(device, wanted, table);
        thread::spawn(move || follow_processes(processes, source, &asked, &members));
        let walk = (device, wanted, table, watch.since);
        thread::spawn(move || follow_files(files, walk, &orders));
        let watching = Said::Watching { sampled, unwatched };
        Self { processes: to_processes, files: to_files, table, wanted, began: Instant::now(), watching }
    }

    /// Searches what is left, and tells all that was seen until now.
    #[must_use]
    pub fn search(&self) -> Vec<Said> {
        let (ordered, began) = (now(), Instant::now());
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (up, worked) = (millis(self.began.elapsed()), worked());
        let (answer, told) = mpsc::channel();
        let told = self.processes.send(answer).ok().and_then(|()| told.recv().ok());
        let ended = told.is_none();
        let told = told.unwrap_or_default();
        let mut summary = Summary {
            ordered,
            processes: told.read,
            processes_missed: told.missed,
            unsearched: self.wanted.unsearched(),
            up,
            worked,
            ..Summary::default()
        };
        if ended {
            summary.incomplete.push("the watcher of processes has ended".to_owned());
        }
        if told.lost > 0 {
            summary.incomplete.push(format!("the kernel lost {} events of processes, or more", told.lost));
        }
        let (answer, walked) = mpsc::channel();
        let walked = self.files.send(Order::Search(told.members, answer)).ok().and_then(|()| walked.recv().ok());
        match walked {
            Some((walked, [files, bytes, missed, lost], troubles)) => {
                (summary.files, summary.bytes, summary.files_missed) = (files, bytes, missed);
                summary.left = walked.files;
                (summary.left_searched, summary.left_unread) = (walked.searched, walked.unread);
                summary.incomplete.extend(troubles);
                if lost > 0 {
                    summary.incomplete.push("the kernel lost events of files".to_owned());
                }
            }
            None => summary.incomplete.push("the watcher of files has ended".to_owned()),
        }
        let sightings = self.table.lock().unwrap_or_else(PoisonError::into_inner).all(now());
        summary.took = millis(began.elapsed());
        let leaks = sightings.into_iter().map(|sighting| Said::Leak(Box::new(sighting)));
        leaks.chain([Said::Searched(Box::new(summary))]).collect()
    }
}

/// Where events come from.
enum Source {
    Told(Connector),
    Looking(Poller),
}

impl Source {
    fn read(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        match self {
            Self::Told(connector) => connector.read(TICK, events),
            Self::Looking(poller) => {
                let rest = poller.rest();
                if rest <= TICK {
                    thread::park_timeout(rest);
                    poller.look(events);
                } else {
                    thread::park_timeout(TICK);
                }
                Ok(())
            }
        }
    }
}

/// Follows processes until the watcher ends.
fn follow_processes(
    mut processes: Processes<'static>,
    mut source: Source,
    asked: &Receiver<Sender<Told>>,
    members: &Sender<Order>,
) {
    let (mut events, mut lost) = (Vec::new(), 0);
    processes.look();
    loop {
        events.clear();
        if source.read(&mut events).is_err() {
            // What it would have told is lost.
            lost += 1;
            events.push(Event::Lost(1));
        }
        for event in events.drain(..) {
            if let Event::Lost(count) = event {
                lost += count;
            }
            if let Some(pid) = processes.take(event) {
                _ = members.send(Order::Member(pid));
            }
        }
        match asked.try_recv() {
            Ok(answer) => {
                processes.look();
                let members = processes.members();
                _ = answer.send(Told { lost, read: processes.read, missed: processes.missed, members });
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
    }
}

type Walking = (&'static Device, &'static Wanted, &'static Mutex<Table>, Millis);

/// Follows files until the watcher ends.
fn follow_files(mut files: Files<'static>, walking: Walking, orders: &Receiver<Order>) {
    let device = walking.0;
    let (mut marked, mut looked, mut troubles) = (Instant::now(), Instant::now(), Vec::new());
    loop {
        files.take(TICK);
        loop {
            match orders.try_recv() {
                Ok(Order::Member(pid)) => {
                    if device.pid().is_none() && process::has_own_root(pid) {
                        device.is(pid);
                    }
                    if !files.is_marked(pid) || marked.elapsed() > MOUNTS {
                        marked = Instant::now();
                        if process::has_own_root(pid)
                            && let Err(error) = files.mark(pid)
                            && process::has_own_root(pid)
                        {
                            troubles.push(format!("a mount could not be watched: {error}"));
                        }
                    }
                }
                Ok(Order::Search(members, answer)) => {
                    files.drain();
                    let walked = walk(&mut files, walking, &members, &mut troubles);
                    let counts = [files.read, files.bytes, files.missed, files.lost];
                    _ = answer.send((walked, counts, troubles.clone()));
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        if files.has_leaks() && looked.elapsed() > LOOK {
            looked = Instant::now();
            files.look();
        }
    }
}

fn walk(
    files: &mut Files<'static>,
    (device, wanted, table, since): Walking,
    members: &[Pid],
    troubles: &mut Vec<String>,
) -> Walked {
    files.look();
    let mut walk = Walk { device, wanted, table, files, since, walked: Walked::default() };
    match members.iter().copied().find(|pid| process::has_own_root(*pid)) {
        Some(pid) => {
            device.is(pid);
            walk.through(pid);
            walk.deleted(members);
        }
        None => troubles.push("the device does not run, so what is left on its disk was not searched".to_owned()),
    }
    walk.walked
}

/// How much of a processor this process has taken, in milliseconds.
fn worked() -> u64 {
    // The kernel counts in hundredths of a second.
    const TICKS: u64 = 10;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields.split(' ').collect::<Vec<_>>()).unwrap_or_default();
    fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * TICKS
}

#[cfg(test)]
mod tests;
