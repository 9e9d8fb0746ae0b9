//! What a page carries: data that can't end its element, styles and a script that its policy knows by their hashes.

use base64::{Engine, engine::general_purpose::STANDARD};
use regex::Regex;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Data in a page, for its script.
#[derive(Debug)]
pub(super) struct Embedded {
    pub(super) id: String,
    pub(super) json: String,
}

impl Embedded {
    /// A value under an id. JSON has `<` in texts only, so that `</script` and `<!--` can be escaped wherever they stand.
    pub(super) fn new(id: &str, value: &(impl Serialize + ?Sized)) -> Self {
        let json = serde_json::to_string(value).expect("what a page carries always serialises");
        let json = if json.contains('<') { json.replace('<', "\\u003c") } else { json };
        Self { id: id.to_owned(), json }
    }
}

/// What is the same in all pages of a kind.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    /// The Content-Security-Policy.
    pub(super) policy: String,
}

const STYLE: &str = include_str!("page.css");

impl Frame {
    /// Of the report of a run.
    pub(super) fn of_a_run() -> &'static Self {
        static FRAME: LazyLock<Frame> = LazyLock::new(|| {
            Frame::new(concat!(include_str!("list.js"), include_str!("log.js"), include_str!("page.js")))
        });
        &FRAME
    }

    /// Of the matrix.
    pub(super) fn of_a_matrix() -> &'static Self {
        static FRAME: LazyLock<Frame> = LazyLock::new(|| Frame::new(include_str!("matrix.js")));
        &FRAME
    }

    fn new(script: &'static str) -> Self {
        let (style, of_script) = (hash(STYLE), hash(script));
        let policy = format!(
            "default-src 'none'; style-src {style}; script-src {of_script}; base-uri 'none'; form-action 'none'"
        );
        Self { style: STYLE, script, policy }
    }
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// A page in which characters that have no look of their own, or change how others look, are named instead.
pub(super) fn visible(page: String) -> String {
    static HIDDEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[\x00-\x08\x0B-\x1F\x7F-\x9F\u{200E}\u{200F}\u{202A}-\u{202E}\u{2066}-\u{2069}\u{FFFE}\u{FFFF}]")
            .expect("the pattern is one")
    });
    if !HIDDEN.is_match(&page) {
        return page;
    }
    let named = |found: &regex::Captures<'_>| {
        let letter = found[0].chars().next().map_or(0, u32::from);
        format!("⟨U+{letter:04X}⟩")
    };
    HIDDEN.replace_all(&page, named).into_owned()
}
