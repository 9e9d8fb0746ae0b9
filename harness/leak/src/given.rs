//! What a process was given, as the kernel keeps it: words and variables with a zero after each.

use std::borrow::Cow;

/// The words of a command as one line, as `ps` shows them.
#[must_use]
pub fn words(arguments: &[u8]) -> Vec<u8> {
    arguments.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect()
}

/// Each variable of an environment: its name, and `NAME=VALUE`.
pub fn variables(environment: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
    environment.split(|byte| *byte == 0).map(|entry| {
        let name = entry.split(|byte| *byte == b'=').next().unwrap_or_default();
        (String::from_utf8_lossy(name), entry)
    })
}
