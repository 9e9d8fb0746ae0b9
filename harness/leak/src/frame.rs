//! What a log puts around the words of its lines: time, level, thread, logger, context; the classic nucleus's text and JSON
//! form, the journal's and Docker's.

use std::ops::Range;

/// Whether a line that begins with this byte may be one of a log.
pub(crate) const fn may_begin(byte: u8) -> bool {
    matches!(byte, b'{' | b'1' | b'2' | b'A' | b'D' | b'F' | b'J' | b'M' | b'N' | b'O' | b'S')
}

/// Where the words of a log's line stand; nothing for a line without a frame.
pub(crate) fn words(line: &[u8]) -> Option<Range<usize>> {
    let mut words = 0..line.trim_ascii_end().len();
    let mut framed = false;
    // A journal may hold the lines of a log.
    while let Some(inner) = unframed(&line[words.clone()]) {
        words = words.start + inner.start..words.start + inner.end;
        framed = true;
    }
    framed.then(|| trimmed(line, words))
}

fn unframed(line: &[u8]) -> Option<Range<usize>> {
    if line.first() == Some(&b'{') {
        return json(line);
    }
    let start = after_time(line)?;
    let rest = &line[start..];
    if rest.first() == Some(&b'[') {
        return classic(rest).map(|words| start + words.start..start + words.end);
    }
    let written_by =
        rest.iter().take(120).position(|byte| *byte == b':').filter(|colon| {
            rest.get(colon + 1) == Some(&b' ') && memchr::memchr_iter(b' ', &rest[..*colon]).count() <= 1
        });
    Some(start + written_by.map_or(0, |colon| colon + 2)..line.len())
}

/// `[LEVEL] (thread) logger: stdout. WORDS. {context}`.
fn classic(rest: &[u8]) -> Option<Range<usize>> {
    let thread = memchr::memmem::find(rest, b") ")? + 2;
    let mut start = thread + memchr::memmem::find(&rest[thread..], b": ")? + 2;
    if rest[start..].starts_with(b"stdout. ") || rest[start..].starts_with(b"stderr. ") {
        start += 8;
    }
    let context = memchr::memmem::rfind(&rest[start..], b". {").filter(|_| rest.ends_with(b"}"));
    Some(start..context.map_or(rest.len(), |context| start + context))
}

/// The text of a JSON object's message.
fn json(line: &[u8]) -> Option<Range<usize>> {
    const FIELDS: [&[u8]; 3] = [b"\"message\":\"", b"\"MESSAGE\":\"", b"\"log\":\""];
    let start = FIELDS.iter().find_map(|field| Some(memchr::memmem::find(line, field)? + field.len()))?;
    let quote = memchr::memchr_iter(b'"', &line[start..])
        .find(|quote| line[start..start + quote].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0)?;
    let mut end = start + quote;
    while line[start..end].ends_with(b"\\n") || line[start..end].ends_with(b"\\r") {
        end -= 2;
    }
    Some(start..end)
}

/// Where a line goes on after the time that it begins with: `2026-11-28T10:00:00Z`, `2026-11-28 10:00:00`, `Nov 28 10:00:00`.
fn after_time(line: &[u8]) -> Option<usize> {
    let digits = |range: Range<usize>| line.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    if digits(0..4) && line.get(4) == Some(&b'-') && digits(5..7) && line.get(7) == Some(&b'-') && digits(8..10) {
        let time = line.get(11..)?;
        return digits(11..13).then(|| 11 + word(time));
    }
    let month = line.get(..4)?.strip_suffix(b" ")?;
    let known = b"JanFebMarAprMayJunJulAugSepOctNovDec".chunks(3).any(|name| name == month);
    (known && line.get(6) == Some(&b' ') && digits(7..9)).then(|| 7 + word(&line[7..]))
}

/// The length of a word with the space after it.
fn word(text: &[u8]) -> usize {
    memchr::memchr(b' ', text).map_or(text.len(), |space| space + 1)
}

fn trimmed(line: &[u8], words: Range<usize>) -> Range<usize> {
    let text = &line[words.clone()];
    let start = words.start + text.len() - text.trim_ascii_start().len();
    start..start.max(words.start + text.trim_ascii_end().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_every_log_are_found() {
        for line in [
            "2026-11-28T10:00:00.123Z [WARN] (Copier) com.example.A: stderr. the words. {scriptName=services.com.example.A.lifecycle.Install.Script, serviceName=com.example.A, currentState=NEW}\n",
            "2026-11-28T10:00:00Z [INFO] (pool-2-thread-3) com.example.A: the words\r\n",
            r#"{"thread":"Copier","level":"WARN","eventType":"stderr","message":"the words","contexts":{"serviceName":"com.example.A"}}"#,
            r#"{"log":"the words\n","stream":"stdout","time":"2026-11-28T10:00:00Z"}"#,
            r#"{"SYSLOG_IDENTIFIER":"com.example.A","MESSAGE":"the words"}"#,
            "Nov 23 21:09:15.540314 lite1 com.example.A[295]: the words",
            "Nov  3 21:09:15 lite1 kernel: the words",
            "2026-11-23T21:09:15+0000 lite1 com.example.A[295]: the words",
            "2026-11-23 21:09:15 the words",
            "Nov 23 21:09:15 lite1 greengrass[1]: 2026-11-28T10:00:00Z [INFO] (Copier) com.example.A: stdout. the words. {a=b}",
        ] {
            let found = words(line.as_bytes()).map(|range| &line[range]);
            assert_eq!(found, Some("the words"), "{line}");
            assert!(may_begin(line.as_bytes()[0]));
        }
        for line in
            ["the words", "", "{", "2026", "2026-11-28T", "Nov", "Nov 23 2", "{\"message\":\"", "2026-11-28T10 [", "\n"]
        {
            _ = words(line.as_bytes());
        }
        assert_eq!(words(b"2026 is a year"), None);
        assert_eq!(words(br#"{"message":"a\"b\\"}"#), Some(12..18));
    }
}
