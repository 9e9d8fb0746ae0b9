//! Bytes as they are compared: without what tools put between the characters of a secret.
//!
//! Taken away are line ends with the blanks that follow them, backslashes with the `n` or `r` that they make a line end
//! of, and percent signs of a URL with their digits, whose byte stays. A secret is taken the same way, so that it is found
//! raw, escaped and wrapped by one comparison.

/// Why bytes are taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// A line end, or a blank after one.
    Line,
    /// A backslash.
    Escape,
    /// Digits of a URL's `%41`.
    Percent,
    /// What a log puts around its lines.
    Frame,
}

/// Takes what is left.
pub(crate) trait Sink {
    /// Bytes that stand as they are.
    fn plain(&mut self, bytes: &[u8]);
    /// Bytes of the source that are gone, and the line ends among them.
    fn gone(&mut self, count: u32, lines: u32, edit: Edit);
}

#[derive(Clone, Copy, Debug, Default)]
enum After {
    #[default]
    Plain,
    Return,
    Line,
    Slash,
    Percent,
    Digit(u8),
}

/// Where in the source it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Normal(After);

impl Normal {
    /// Takes the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let taken = match self.0 {
                After::Plain => self.plain(rest, sink),
                After::Return => self.after_return(first, sink),
                After::Line => self.after_line(first, sink),
                After::Slash => self.after_slash(first, sink),
                After::Percent => self.after_percent(first, sink),
                After::Digit(high) => self.after_digit(high, first, sink),
            };
            rest = &rest[taken..];
        }
    }

    /// There is no more.
    pub(crate) fn finish(&mut self, sink: &mut impl Sink) {
        self.unfinished(sink);
    }

    fn plain(&mut self, bytes: &[u8], sink: &mut impl Sink) -> usize {
        let end = memchr::memchr3(b'\n', b'\\', b'%', bytes).unwrap_or(bytes.len());
        let special = bytes.get(end).copied();
        let before = &bytes[..end];
        let returned = before.ends_with(b"\r") && matches!(special, None | Some(b'\n'));
        let kept = &before[..end - usize::from(returned)];
        if !kept.is_empty() {
            sink.plain(kept);
        }
        match special {
            None if returned => self.0 = After::Return,
            None => {}
            Some(b'%') => self.0 = After::Percent,
            Some(special) => {
                if returned {
                    sink.gone(1, 0, Edit::Line);
                }
                self.take_away(special, 1, sink);
            }
        }
        end + usize::from(special.is_some())
    }

    fn after_return(&mut self, first: u8, sink: &mut impl Sink) -> usize {
        self.0 = After::Plain;
        if first == b'\n' {
            sink.gone(1, 0, Edit::Line);
        } else {
            sink.plain(b"\r");
        }
        0
    }

    /// A line end or a backslash, which took so many bytes of the source.
    fn take_away(&mut self, special: u8, count: u32, sink: &mut impl Sink) {
        let (after, edit) = if special == b'\\' { (After::Slash, Edit::Escape) } else { (After::Line, Edit::Line) };
        self.0 = after;
        sink.gone(count, u32::from(special == b'\n' && count == 1), edit);
    }

    fn after_line(&mut self, first: u8, sink: &mut impl Sink) -> usize {
        match first {
            b' ' | b'\t' => sink.gone(1, 0, Edit::Line),
            _ => {
                self.0 = After::Plain;
                return 0;
            }
        }
        1
    }

    fn after_slash(&mut self, first: u8, sink: &mut impl Sink) -> usize {
        match first {
            b'\\' => sink.gone(1, 0, Edit::Escape),
            b'n' | b'r' => {
                self.0 = After::Plain;
                sink.gone(1, 0, Edit::Line);
            }
            _ => {
                self.0 = After::Plain;
                return 0;
            }
        }
        1
    }

    fn after_percent(&mut self, first: u8, sink: &mut impl Sink) -> usize {
        if first.is_ascii_hexdigit() {
            self.0 = After::Digit(first);
            1
        } else {
            self.unfinished(sink);
            0
        }
    }

    fn after_digit(&mut self, high: u8, low: u8, sink: &mut impl Sink) -> usize {
        if !low.is_ascii_hexdigit() {
            self.unfinished(sink);
            return 0;
        }
        let byte = digit(high) << 4 | digit(low);
        if matches!(byte, b'\n' | b'\r' | b'\\') {
            self.take_away(byte, 3, sink);
            return 1;
        }
        sink.gone(2, 0, Edit::Percent);
        // What was escaped twice is read twice.
        self.0 = if byte == b'%' { After::Percent } else { After::Plain };
        if byte != b'%' {
            sink.plain(&[byte]);
        }
        1
    }

    /// What began as an escape and was none.
    fn unfinished(&mut self, sink: &mut impl Sink) {
        match std::mem::take(&mut self.0) {
            After::Percent => sink.plain(b"%"),
            After::Digit(high) => sink.plain(&[b'%', high]),
            After::Return => sink.plain(b"\r"),
            After::Plain | After::Line | After::Slash => {}
        }
    }
}

fn digit(letter: u8) -> u8 {
    match letter {
        b'0'..=b'9' => letter - b'0',
        _ => (letter | 0x20) - b'a' + 10,
    }
}

/// A whole text as it is compared.
pub(crate) fn normal(bytes: &[u8]) -> Vec<u8> {
    struct Kept(Vec<u8>);
    impl Sink for Kept {
        fn plain(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }
        fn gone(&mut self, _: u32, _: u32, _: Edit) {}
    }
    let mut kept = Kept(Vec::with_capacity(bytes.len()));
    let mut normal = Normal::default();
    normal.feed(bytes, &mut kept);
    normal.finish(&mut kept);
    kept.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        String::from_utf8(normal(text.as_bytes())).unwrap()
    }

    #[test]
    fn what_tools_add_is_taken_away() {
        for (text, expected) in [
            ("abc\n  def\r\n\tghi", "abcdefghi"),
            (r#"a\"b\\c\/d\ne\\nf"#, r#"a"bc/def"#),
            ("%41b%2fc%2F", "Ab/c/"),
            ("%2541%252541", "AA"),
            ("100% of %4 %g %", "100% of %4 %g %"),
            ("%0a  x%5cny", "xy"),
            ("%%41", "%A"),
            ("a b\tc\rd", "a b\tc\rd"),
        ] {
            assert_eq!(of(text), expected, "{text}");
            assert_eq!(of(&of(text)), of(expected), "{text}");
        }
    }

    #[test]
    fn pieces_are_one_text() {
        let text = b"ab%2541\\\\n\r\n  c%4";
        for at in 0..text.len() {
            struct Kept(Vec<u8>, u32);
            impl Sink for Kept {
                fn plain(&mut self, bytes: &[u8]) {
                    self.0.extend_from_slice(bytes);
                }
                fn gone(&mut self, count: u32, _: u32, _: Edit) {
                    self.1 += count;
                }
            }
            let (mut kept, mut state) = (Kept(Vec::new(), 0), Normal::default());
            state.feed(&text[..at], &mut kept);
            state.feed(&text[at..], &mut kept);
            state.finish(&mut kept);
            assert_eq!(kept.0, b"abAc%4", "cut at {at}");
            assert_eq!(kept.0.len() + kept.1 as usize, text.len(), "each byte is kept or gone");
        }
    }
}
