//! The lines of a process's output.

/// Splits bytes at `\n`, `\r` and `\r\n`, and trims each line.
///
/// A `\n` that follows a `\r` ends no line, and neither do further ones until something else comes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    after_return: bool,
}

impl Lines {
    /// Takes the next bytes and gives each line that they end to `take`.
    pub(super) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(&str)) {
        for byte in bytes {
            match byte {
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    take(trimmed(&String::from_utf8_lossy(&std::mem::take(&mut self.line))));
                }
                _ => {
                    self.after_return = false;
                    self.line.push(*byte);
                }
            }
        }
    }

    /// Gives what stands behind the last line's end to `take`.
    pub(super) fn finish(self, mut take: impl FnMut(&str)) {
        if !self.line.is_empty() {
            take(trimmed(&String::from_utf8_lossy(&self.line)));
        }
    }
}

/// Trims as Java does: every control character counts as white space, no other Unicode space does.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.push(chunk, |line| found.push(line.to_owned()));
        }
        lines.finish(|line| found.push(line.to_owned()));
        found
    }

    #[test]
    fn lines_end_at_returns_and_are_trimmed() {
        fidelity!("core-exec-3");
        assert_eq!(lines(&[b"  a \r\n\r\n10%\r20%\r", b"\nlast"]), ["a", "", "10%", "20%", "last"]);
        assert_eq!(lines(&[b"a\n\n\tb\n"]), ["a", "", "b"]);
        assert_eq!(lines(&[b"a\r\n\n\nb"]), ["a", "b"]);
        assert_eq!(lines(&[b"\r\r"]), ["", ""]);
    }

    #[test]
    fn trimming_is_javas_and_bytes_that_are_no_text_are_replaced() {
        fidelity!("core-exec-3");
        assert_eq!(lines(&["\u{1b}[31mred\u{a0}\n".as_bytes()]), ["[31mred\u{a0}"]);
        assert_eq!(lines(&[b"caf\xe9 \xff\xfe\n"]), ["caf\u{fffd} \u{fffd}\u{fffd}"]);
        assert_eq!(lines(&["é".as_bytes().split_at(1).0, "é\n".as_bytes().split_at(1).1]), ["é"]);
    }

    #[test]
    fn a_line_may_be_longer_than_a_mebibyte() {
        fidelity!("core-exec-3");
        let long = vec![b'x'; 3 << 20];
        assert_eq!(lines(&[&long, b"\n"])[0].len(), 3 << 20);
    }
}
