//! Tar: entry by entry. Its own bytes are not searched, as all of them are an entry's.

use super::{Opener, Source};
use std::io;

pub(super) fn search(opener: &mut Opener<'_>, source: &mut Source<'_, '_>, depth: usize) -> io::Result<()> {
    source.searches(false);
    let mut archive = tar::Archive::new(source);
    for entry in archive.entries()? {
        if opener.budget.is_spent() {
            break;
        }
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if let Some(link) = entry.link_name_bytes() {
            let link = String::from_utf8_lossy(&link).into_owned();
            opener.named(&link);
        }
        if entry.header().entry_type().is_file() {
            opener.entry(&name, &mut entry, depth)?;
        } else {
            opener.named(&name);
        }
    }
    Ok(())
}
