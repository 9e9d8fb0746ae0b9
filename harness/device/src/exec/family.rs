//! A process and all that descend from it.

use std::fs;

/// Whether a process exists that isn't a zombie.
pub(super) fn lives(pid: u32) -> bool {
    status(pid).is_some_and(|(_, state)| state != 'Z')
}

/// The living descendants of a process, once their number has stopped growing: a shell that has only just started
/// forks while its family is looked up, and the orphan of a killed shell isn't found any more.
pub(super) fn descendants(root: u32) -> Vec<u32> {
    let mut known = look(root);
    for _ in 0..10 {
        let again = look(root);
        if again == known {
            break;
        }
        known = again;
    }
    known
}

/// Parent and state of a process.
fn status(pid: u32) -> Option<(u32, char)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

fn look(root: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes: Vec<(u32, u32)> = entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let (parent, state) = status(pid)?;
            (state != 'Z').then_some((pid, parent))
        })
        .collect();
    let mut family = vec![root];
    let mut index = 0;
    while let Some(parent) = family.get(index).copied() {
        family.extend(processes.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        index += 1;
    }
    family.remove(0);
    family
}
