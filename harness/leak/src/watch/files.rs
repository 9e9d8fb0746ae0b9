//! Which secrets stand in files of a container while they live: each file is searched when its writer closes it, as the
//! kernel's fanotify tells, and again looked after until it is gone.

use super::{
    connector::Pid,
    content,
    device::Device,
    process,
    sighting::{Number, Table, now},
    wanted::Wanted,
};
use crate::{Found, Place, Readers, readers::Access};
use nix::{
    errno::Errno,
    fcntl::AT_FDCWD,
    sys::fanotify::{EventFFlags, Fanotify, FanotifyEvent, InitFlags, MarkFlags, MaskFlags},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io,
    os::fd::AsRawFd,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How many folders are remembered, so that those of a file that is gone with them are known.
const FOLDERS: usize = 20_000;

/// The files of a container.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    /// Absent where the kernel does not tell of files.
    fanotify: Option<Fanotify>,
    device: &'a Device,
    wanted: &'a Wanted,
    table: &'a Mutex<Table>,
    /// The mounts that are watched, by mount namespace and number.
    marked: HashSet<(PathBuf, String)>,
    folders: HashMap<String, Access>,
    /// The files that hold secrets now, by path.
    leaked: BTreeMap<String, Leaked>,
    /// How many files were gone, or could not be read, before they were searched.
    pub(crate) missed: u64,
    /// How many files were searched, and how many bytes they had.
    pub(crate) read: u64,
    pub(crate) bytes: u64,
    /// Whether the kernel lost events.
    pub(crate) lost: u64,
}

/// A file that holds secrets.
#[derive(Debug, Default)]
struct Leaked {
    numbers: Vec<Number>,
    /// Open, so that its name is known when it gets another.
    file: Option<File>,
}

/// A file with all that is told of it.
pub(crate) struct Subject {
    pub(crate) path: String,
    pub(crate) access: Access,
    pub(crate) folders: Vec<Access>,
}

impl<'a> Files<'a> {
    pub(crate) fn new(device: &'a Device, wanted: &'a Wanted, table: &'a Mutex<Table>) -> Self {
        Self {
            fanotify: None,
            device,
            wanted,
            table,
            marked: HashSet::new(),
            folders: HashMap::new(),
            leaked: BTreeMap::new(),
            missed: 0,
            read: 0,
            bytes: 0,
            lost: 0,
        }
    }

    /// Asks the kernel to tell of files.
    ///
    /// # Errors
    /// When it does not: that needs `CAP_SYS_ADMIN`.
    pub(crate) fn watch(&mut self) -> io::Result<()> {
        let init = InitFlags::FAN_CLASS_NOTIF
            | InitFlags::FAN_CLOEXEC
            | InitFlags::FAN_NONBLOCK
            | InitFlags::FAN_UNLIMITED_QUEUE
            | InitFlags::FAN_UNLIMITED_MARKS;
        let open = EventFFlags::O_RDONLY | EventFFlags::O_LARGEFILE | EventFFlags::O_CLOEXEC | EventFFlags::O_NONBLOCK;
        self.fanotify = Some(Fanotify::init(init, open)?);
        Ok(())
    }

    /// Watches the mounts of a process of the container that are not watched yet; the reason where one can't be.
    ///
    /// # Errors
    /// When the process is gone or a mount can't be watched.
    pub(crate) fn mark(&mut self, pid: Pid) -> io::Result<()> {
        let Some(fanotify) = &self.fanotify else { return Ok(()) };
        let namespace = process::mounts_of(pid)?;
        let mounts = fs::read_to_string(process::path(pid, "mountinfo"))?;
        let mut result = Ok(());
        for (number, place) in mounts.lines().filter_map(mount) {
            if self.marked.contains(&(namespace.clone(), number.to_owned())) {
                continue;
            }
            let path = PathBuf::from(format!("/proc/{pid}/root{place}"));
            let flags = MarkFlags::FAN_MARK_ADD | MarkFlags::FAN_MARK_MOUNT;
            match fanotify.mark(flags, MaskFlags::FAN_CLOSE_WRITE, AT_FDCWD, Some(&path)) {
                Ok(()) => drop(self.marked.insert((namespace.clone(), number.to_owned()))),
                Err(error) => result = Err(io::Error::from(error)),
            }
        }
        result
    }

    /// Whether the mounts of a process are watched.
    pub(crate) fn is_marked(&self, pid: Pid) -> bool {
        process::mounts_of(pid).is_ok_and(|namespace| self.marked.iter().any(|(marked, _)| *marked == namespace))
    }

    /// Searches what was written, waiting for it for so long at most.
    pub(crate) fn take(&mut self, patience: Duration) {
        let Some(fanotify) = &self.fanotify else { return std::thread::park_timeout(patience) };
        let timeout = Timespec::try_from(patience).ok();
        let ready = poll(&mut [PollFd::new(fanotify, PollFlags::IN)], timeout.as_ref());
        if ready.is_ok_and(|ready| ready > 0) {
            self.drain();
        }
    }

    /// Searches all that was written until now.
    pub(crate) fn drain(&mut self) {
        while let Some(fanotify) = &self.fanotify {
            match fanotify.read_events() {
                Ok(events) => events.iter().for_each(|event| self.written(event)),
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR) => {}
                // The file that the next event is about can't be opened any more.
                Err(_) => self.missed += 1,
            }
        }
    }

    fn written(&mut self, event: &FanotifyEvent) {
        let Some(fd) = event.fd() else {
            self.lost += 1;
            return;
        };
        let pid = Pid::try_from(event.pid()).unwrap_or_default();
        let file = fd.try_clone_to_owned().ok().map(File::from);
        let known = file.and_then(|file| Some((place(&file)?, file.metadata().ok()?, file)));
        let Some((path, metadata, mut file)) = known else {
            self.missed += 1;
            return;
        };
        if self.leaked.contains_key(&path) {
            // What was written here before may be in its place by now.
            self.follow();
        }
        if !metadata.is_file() || metadata.len() == 0 {
            self.searched(&path, Leaked::default());
            return;
        }
        let folders = self.folders_of(&path);
        let subject = Subject { path, access: process::access_of(&metadata), folders };
        match content::search(self.wanted, &mut file) {
            Ok((matches, bytes)) => {
                self.read += 1;
                self.bytes += bytes;
                // Who writes a file beside and then puts it in its place has done so by now.
                let moved = if matches.is_empty() { None } else { place(&file) };
                let path = moved.unwrap_or_else(|| subject.path.clone());
                self.found(&Subject { path, ..subject }, matches, Some(file), pid);
            }
            Err(_) => self.missed += 1,
        }
    }

    /// Takes down what was found in a file, and that what it had before is gone.
    pub(crate) fn found(&mut self, subject: &Subject, matches: content::Matches, file: Option<File>, pid: Pid) {
        if matches.is_empty() {
            return self.searched(&subject.path, Leaked::default());
        }
        let names = self.device.names();
        let line = process::line(pid, &self.device.container);
        let shown = self.wanted.masked(&subject.path);
        let readers = subject.access.readers(&subject.folders, &names);
        let (time, mut numbers) = (now(), Vec::new());
        for (found, inside) in matches {
            let place = Place::File { path: shown.clone(), inside, line: found.hit.line };
            let mut found = Found::new(found.secret, found.hit, place);
            found.guard(subject.access, readers, &names);
            numbers.push(self.table().seen(found, || line.clone(), time));
        }
        self.searched(&subject.path, Leaked { numbers, file });
    }

    fn searched(&mut self, path: &str, leaked: Leaked) {
        let before = if leaked.numbers.is_empty() {
            self.leaked.remove(path)
        } else {
            self.leaked.insert(path.to_owned(), leaked)
        };
        self.end(before.unwrap_or_default().numbers);
    }

    /// Follows files that were put in another place.
    fn follow(&mut self) {
        let moved = |(path, leaked): (&String, &Leaked)| {
            let to = place(leaked.file.as_ref()?).filter(|to| to != path)?;
            Some((path.clone(), to))
        };
        let moved: Vec<_> = self.leaked.iter().filter_map(moved).collect();
        for (path, to) in moved {
            let Leaked { mut numbers, file } = self.leaked.remove(&path).unwrap_or_default();
            let (shown, time) = (self.wanted.masked(&to), now());
            for number in &mut numbers {
                *number = self.table().moved(*number, &shown, time);
            }
            self.searched(&to, Leaked { numbers, file });
        }
    }

    fn end(&self, numbers: Vec<Number>) {
        let (mut table, time) = (self.table(), now());
        for number in numbers {
            table.gone(number, time);
        }
    }

    /// Looks whether the files with secrets are still there, and who can read them now.
    pub(crate) fn look(&mut self) {
        self.follow();
        let Some(root) = self.device.root() else { return };
        let names = self.device.names();
        let mut gone = Vec::new();
        for (path, Leaked { numbers, file }) in &self.leaked {
            let Ok(metadata) = fs::symlink_metadata(format!("{root}{path}")) else {
                // One that was moved only now is followed the next time.
                if file.as_ref().and_then(place).is_none_or(|now| now == *path) {
                    gone.push(path.clone());
                }
                continue;
            };
            let access = process::access_of(&metadata);
            let readers = access.readers(&self.device.folders(path), &names);
            let mut table = self.table();
            for number in numbers {
                if wider(readers, &table.found(*number).readers, &names) {
                    table.change(*number, |found| found.guard(access, readers, &names));
                }
            }
        }
        for path in gone {
            let leaked = self.leaked.remove(&path).unwrap_or_default();
            self.end(leaked.numbers);
        }
    }

    /// Whether files are looked after.
    pub(crate) fn has_leaks(&self) -> bool {
        !self.leaked.is_empty()
    }

    /// Whether a file is known to hold secrets.
    pub(crate) fn knows(&self, path: &str) -> bool {
        self.leaked.contains_key(path)
    }

    /// The folders above a file, from the outermost; those that are gone as they were last.
    fn folders_of(&mut self, path: &str) -> Vec<Access> {
        let Some(root) = self.device.root() else { return Vec::new() };
        if self.folders.len() > FOLDERS {
            self.folders.clear();
        }
        let mut folders = Vec::new();
        for (end, _) in path.match_indices('/') {
            let folder = &path[..end];
            match fs::symlink_metadata(format!("{root}{folder}/")) {
                Ok(metadata) => {
                    let access = process::access_of(&metadata);
                    self.folders.insert(folder.to_owned(), access);
                    folders.push(access);
                }
                Err(_) => folders.extend(self.folders.get(folder)),
            }
        }
        folders
    }

    fn table(&self) -> MutexGuard<'a, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path of an open file, also of one that was deleted.
fn place(file: &File) -> Option<String> {
    let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    let path = path.to_string_lossy();
    Some(path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned())
}

/// Whether these readers are more than those of a text.
fn wider(readers: Readers, text: &str, names: &crate::Names) -> bool {
    let rank = |text: &str| match text {
        "root" => 0,
        "every local user" => 3,
        text if text.starts_with("group ") => 2,
        _ => 1,
    };
    rank(&readers.text(names)) > rank(text)
}

/// The number and the place of a mount that holds files, by a line of `mountinfo`.
fn mount(line: &str) -> Option<(&str, String)> {
    const NO_FILES: [&str; 9] =
        ["proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "securityfs", "debugfs", "tracefs"];
    let (fields, source) = line.split_once(" - ")?;
    let mut fields = fields.split(' ');
    let (number, place) = (fields.next()?, fields.nth(3)?);
    let kind = source.split(' ').next()?;
    (!NO_FILES.contains(&kind)).then(|| (number, unescaped(place)))
}

/// A path as `mountinfo` writes it, with `\040` for a space.
fn unescaped(text: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .into_iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(text.to_owned(), |text, (escape, letter)| text.replace(escape, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_with_files_are_read() {
        let line = "421 380 0:52 / / rw,relatime - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0";
        assert_eq!(mount(line), Some(("421", "/".to_owned())));
        let tmpfs = "430 421 0:60 / /a\\040b rw,nosuid shared:1 - tmpfs tmpfs rw,size=64k";
        assert_eq!(mount(tmpfs), Some(("430", "/a b".to_owned())));
        assert_eq!(mount("422 421 0:53 / /proc rw - proc proc rw"), None);
        assert_eq!(mount("nonsense"), None);
    }
}
