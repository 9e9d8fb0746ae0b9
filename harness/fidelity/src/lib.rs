//! Ties the promises of `docs/FIDELITY.md` to the tests that prove them.
//!
//! A test names its promises in its first statement; that prints them, and the program `promises` reads them back from
//! the JUnit files of a run. So a promise counts only if a test that names it ran and passed.
//!
//! ```
//! fidelity::fidelity!("core-lifecycle-3", "core-exec-1");
//! ```

pub mod junit;

/// What stands before an id in a test's output.
pub const MARK: &str = "proves promise ";

/// Names the promises that a test proves, by their ids. A malformed id does not compile:
///
/// ```compile_fail
/// fidelity::fidelity!("core-lifecycle");
/// ```
#[macro_export]
macro_rules! fidelity {
    ($($id:literal),+ $(,)?) => {
        $(
            const { assert!($crate::is_well_formed($id), concat!("`", $id, "` is no id of a promise, such as core-lifecycle-3")) };
            $crate::name($id);
        )+
    };
}

/// Names a promise that is known only at run time, such as one of a scenario file.
///
/// # Panics
/// When the id is malformed.
#[expect(clippy::print_stdout, reason = "a test's output is where its promises are read from")]
pub fn name(id: &str) {
    assert!(is_well_formed(id), "`{id}` is no id of a promise, such as core-lifecycle-3");
    // A line of its own, whatever was printed before.
    println!("\n{MARK}{id}");
}

/// Whether a text has the form of an id: lower-case words and at last a number from 1, joined by hyphens.
#[must_use]
pub const fn is_well_formed(id: &str) -> bool {
    let bytes = id.as_bytes();
    let (mut index, mut part, mut parts) = (0, 0, 0);
    while index < bytes.len() {
        match bytes[index] {
            b'-' if index > part => (part, parts) = (index + 1, parts + 1),
            b'a'..=b'z' | b'0'..=b'9' => {}
            _ => return false,
        }
        index += 1;
    }
    parts > 0 && bytes[0].is_ascii_lowercase() && is_number(bytes, part)
}

/// Whether the rest of a text is a number from 1, without leading zeros.
const fn is_number(bytes: &[u8], from: usize) -> bool {
    let mut index = from;
    while index < bytes.len() {
        if !bytes[index].is_ascii_digit() {
            return false;
        }
        index += 1;
    }
    from < bytes.len() && bytes[from] != b'0'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_words_and_a_number() {
        for good in ["dns-1", "core-lifecycle-3", "core-fleet-12"] {
            assert!(is_well_formed(good), "{good}");
        }
        for bad in ["", "-", "dns", "dns-", "dns-0", "dns-01", "dns-1a", "Dns-1", "dns--1", "1-1", "dns-1 ", "dns_1"] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

    #[test]
    #[should_panic(expected = "`dns` is no id of a promise")]
    fn a_malformed_id_is_refused_at_run_time() {
        name("dns");
    }
}
