//! What `/proc` says of one process.

use super::connector::Pid;
use crate::readers::{Access, Names, Readers};
use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// How many processes above one are looked at.
const ANCESTORS: usize = 32;
/// How much of a process's arguments or environment is read: the kernel lets a program have no more by default.
const LONGEST: u64 = 8 << 20;

/// Where a file of a process is.
pub(crate) fn path(pid: Pid, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// Whether a process belongs to a container; nothing when it is gone.
pub(crate) fn is_in(pid: Pid, container: &str) -> Option<bool> {
    let groups = fs::read_to_string(path(pid, "cgroup")).ok()?;
    Some(groups.contains(container))
}

/// Whether a process has its own root folder; one that is about to enter a container still has the machine's.
pub(crate) fn has_own_root(pid: Pid) -> bool {
    /// The kernel's own first process, whose root nobody changes, and the machine's, which may not let us look.
    const OF_THE_MACHINE: [Pid; 2] = [2, 1];
    static MACHINE: LazyLock<Option<(u64, u64)>> = LazyLock::new(|| OF_THE_MACHINE.into_iter().find_map(root_of));
    root_of(pid).is_some_and(|own| *MACHINE != Some(own))
}

/// Which folder is a process's root: device and number.
fn root_of(pid: Pid) -> Option<(u64, u64)> {
    fs::metadata(path(pid, "root/")).ok().map(|it| (it.dev(), it.ino()))
}

/// The mount namespace of a process.
pub(crate) fn mounts_of(pid: Pid) -> io::Result<PathBuf> {
    fs::read_link(path(pid, "ns/mnt"))
}

/// The processes that there are.
pub(crate) fn all() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its arguments, each ended by a zero byte.
    pub(crate) arguments: Vec<u8>,
    /// Its environment as it began, each variable ended by a zero byte.
    pub(crate) environment: Vec<u8>,
}

impl Process {
    /// Reads it as it is now.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn read(pid: Pid) -> io::Result<Self> {
        let arguments = read(&path(pid, "cmdline"))?;
        // A process that has ended has no environment but is still listed.
        let environment = read(&path(pid, "environ"))?;
        Ok(Self { arguments, environment })
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The name of a program: as the kernel has it, which is the script's for a script; the kernel cuts it after 15
/// letters, so the arguments may know the rest.
pub(crate) fn name(pid: Pid, arguments: &[u8]) -> String {
    const CUT: usize = 15;
    let short = fs::read_to_string(path(pid, "comm")).unwrap_or_default();
    let short = short.trim_end_matches('\n');
    let words = arguments.split(|byte| *byte == 0).take(2).map(String::from_utf8_lossy);
    let mut names = words.map(|word| word.rsplit('/').next().unwrap_or_default().to_owned());
    if short.len() < CUT {
        return if short.is_empty() { names.next().unwrap_or_default() } else { short.to_owned() };
    }
    names.find(|name| name.starts_with(short)).unwrap_or_else(|| short.to_owned())
}

/// A process above another, by its name and the folder that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ancestor {
    /// Its name.
    pub name: String,
    /// The folder that it is in; empty where nobody can tell.
    pub folder: String,
}

/// A process and those above it within the container, from the inside out.
pub(crate) fn line(pid: Pid, container: &str) -> Vec<Ancestor> {
    let (mut line, mut pid) = (Vec::new(), pid);
    while line.len() < ANCESTORS && is_in(pid, container) == Some(true) {
        let folder = fs::read_link(path(pid, "cwd")).map(|folder| folder.display().to_string()).unwrap_or_default();
        line.push(Ancestor { name: name(pid, &[]), folder });
        match parent(pid) {
            Some(above) if above > 1 => pid = above,
            _ => break,
        }
    }
    line
}

fn parent(pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(path(pid, "status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Who can read a file of a process, and as whom it runs. Its mode and owner are those of the file.
#[derive(Clone, Debug)]
pub(crate) struct Exposed {
    pub(crate) access: Access,
    pub(crate) readers: Readers,
}

/// Who can read a process's arguments (`cmdline`) or environment (`environ`).
pub(crate) fn exposed(pid: Pid, file: &str, names: &Names) -> Option<Exposed> {
    let access = access_of(&fs::symlink_metadata(path(pid, file)).ok()?);
    // A process that has ended has no memory any more, and what is left of it is root's.
    let status = fs::read_to_string(path(pid, "status")).ok()?;
    if !status.lines().any(|line| line.starts_with("VmSize:")) {
        return None;
    }
    Some(Exposed { readers: access.readers(&[], names), access })
}

/// The permissions and the owner of a file.
pub(crate) fn access_of(metadata: &fs::Metadata) -> Access {
    Access::new(metadata.mode(), metadata.uid(), metadata.gid())
}

/// The names of users and groups that a process knows.
pub(crate) fn names(pid: Pid) -> Names {
    let text = |name: &str| fs::read_to_string(path(pid, &format!("root/etc/{name}"))).unwrap_or_default();
    Names::read(&text("passwd"), &text("group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_with_its_name_and_those_above_it() {
        let pid = std::process::id();
        let own = Process::read(pid).unwrap();
        let program = std::env::args().next().unwrap();
        assert!(own.arguments.starts_with(program.as_bytes()));
        assert!(own.environment.windows(5).any(|bytes| bytes == b"PATH="));
        let name = name(pid, &own.arguments);
        assert_eq!(program.rsplit('/').next().unwrap(), name, "the kernel's name is cut");
        let line = line(pid, "");
        assert!(line[0].folder.ends_with("leak"), "{line:?}");
        assert!(all().contains(&pid));
        assert_eq!((is_in(pid, ""), is_in(pid, "no-such-container")), (Some(true), Some(false)));
        assert_eq!(is_in(u32::MAX, ""), None);
    }

    #[test]
    fn arguments_are_for_everybody_and_the_environment_for_its_user() {
        let names = Names::read("root:x:0:0::/:\nme:x:7:7::/:", "");
        let pid = std::process::id();
        assert_eq!(exposed(pid, "cmdline", &names).unwrap().readers, Readers::Everyone);
        let environment = exposed(pid, "environ", &names).unwrap();
        assert!(matches!(environment.readers, Readers::Root | Readers::User(_)), "{environment:?}");
        assert_eq!(environment.access.mode, 0o400);
    }
}
