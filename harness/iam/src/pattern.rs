//! Texts with wildcards and variables, and the ARNs made of them.

mod arn;
mod run;

pub(crate) use arn::{ArnPattern, Segments, segments};
use run::{Piece, Run};

use crate::{request::Context, variable::Variable};

/// How a text is to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Whether `${…}` is a variable (Version 2012-10-17).
    pub(crate) variables: bool,
    /// Whether `*` and `?` are wildcards.
    pub(crate) wildcards: bool,
}

/// A text with wildcards and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Only stars.
    Anything,
    /// A plain text.
    Exact(Box<str>),
    /// A text without stars.
    Whole(Run),
    /// Texts with stars in between; the first starts and the last ends the text that matches.
    Starred { first: Run, middle: Box<[Run]>, last: Run },
}

impl Pattern {
    /// Compiles a text. A `${` that opens no documented variable stands for one without a value: nothing matches.
    pub(crate) fn parse(text: &str, reading: Reading) -> Self {
        let mut runs = vec![Vec::new()];
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let (piece, after) = piece(rest, character, reading);
            rest = after;
            match (piece, runs.last_mut()) {
                (Some(piece), Some(run)) => run::push(run, piece),
                _ => runs.push(Vec::new()),
            }
        }
        let mut runs = runs.into_iter().map(Run::new);
        let (first, last) = (runs.next().unwrap_or_default(), runs.next_back());
        let middle: Box<[Run]> = runs.filter(|run| !run.is_empty()).collect();
        match last {
            None => first.literal().map_or_else(|| Self::Whole(first.clone()), |text| Self::Exact(text.into())),
            Some(last) if first.is_empty() && middle.is_empty() && last.is_empty() => Self::Anything,
            Some(last) => Self::Starred { first, middle, last },
        }
    }

    /// Whether the text matches. A variable without a value matches nothing; a substituted text is literal.
    ///
    /// Takes time in proportion to the text, times the longest stretch between two stars that holds a `?` or a variable.
    pub(crate) fn matches(&self, text: &str, context: &Context) -> bool {
        match self {
            Self::Anything => true,
            Self::Exact(exact) => **exact == *text,
            Self::Whole(run) => run.strip(text, context).is_some_and(str::is_empty),
            Self::Starred { first, middle, last } => {
                let ends = first.strip(text, context).and_then(|rest| last.strip_end(rest, context));
                ends.is_some_and(|inner| middle.iter().try_fold(inner, |rest, run| run.find(rest, context)).is_some())
            }
        }
    }

    /// Whether the text is equal in any letter case. Meant for patterns without wildcards.
    pub(crate) fn equals_ignoring_case(&self, text: &str, context: &Context) -> bool {
        match self {
            Self::Exact(exact) => **exact == *text || fold(exact).eq(fold(text)),
            Self::Whole(run) => run.equals_ignoring_case(text, context),
            Self::Anything | Self::Starred { .. } => false,
        }
    }
}

/// The next piece and what follows it; a star is none.
fn piece(rest: &str, character: char, reading: Reading) -> (Option<Piece>, &str) {
    if let Some(inner) = rest.strip_prefix("${").filter(|_| reading.variables) {
        let (variable, after) = Variable::read(inner);
        let piece = match variable {
            Variable::Escape(character) => Piece::Literal(character.into()),
            Variable::Key(key) => Piece::Variable(key),
            Variable::Broken => Piece::Nothing,
        };
        return (Some(piece), after);
    }
    let after = &rest[character.len_utf8()..];
    match character {
        '*' if reading.wildcards => (None, after),
        '?' if reading.wildcards => (Some(Piece::One), after),
        other => (Some(Piece::Literal(other.into())), after),
    }
}

/// The characters in lower case, one by one.
pub(crate) fn fold(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Values;

    const ALL: Reading = Reading { variables: true, wildcards: true };

    fn matches(pattern: &str, text: &str) -> bool {
        let mut context = Context::default();
        context.set("a:star", Values::one("*"));
        context.set("a:ab", Values::one("ab"));
        Pattern::parse(pattern, ALL).matches(text, &context)
    }

    #[test]
    fn a_star_may_need_several_tries() {
        for (pattern, text) in [
            ("*ab*b?", "aababbbx"),
            ("a*", "a"),
            ("*ü?", "aüé"),
            ("a${*}${?}", "a*?"),
            ("", ""),
            ("**", ""),
            ("a**b", "ab"),
            ("*${a:ab}*", "xaby"),
            ("${a:ab}*${a:ab}", "abab"),
            ("?${a:ab}?", "xabx"),
            ("*?*?", "xy"),
            ("x${a:star}", "x*"),
            ("*a?c*a?c", "abcaabc"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("*ab*b?", "aabab"),
            ("", "a"),
            ("a${*}", "ab"),
            ("ab*ba", "aba"),
            ("${a:ab}*${a:ab}", "aba"),
            ("x${a:star}", "xy"),
            ("*${a:none}*", "x"),
            ("${a:none}", ""),
            ("*${", "x"),
            ("*?*?", "x"),
            ("*a?c*a?c", "abcabx"),
            ("?", ""),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn without_wildcards_and_variables_every_character_counts() {
        let plain = |variables, wildcards| {
            Pattern::parse("a*${a:ab}?", Reading { variables, wildcards }).matches("a*${a:ab}?", &Context::default())
        };
        assert!(plain(false, false));
        assert!(plain(false, true));
        assert!(!plain(true, false));
        let plain = Reading { variables: false, wildcards: false };
        assert!(!Pattern::parse("?", plain).matches("x", &Context::default()));
    }

    #[test]
    fn stars_alone_and_plain_texts_are_known_as_such() {
        assert_eq!(Pattern::parse("***", ALL), Pattern::Anything);
        assert_ne!(Pattern::parse("*?", ALL), Pattern::Anything);
        assert_eq!(Pattern::parse("", ALL), Pattern::Exact("".into()));
        assert_eq!(Pattern::parse("a${*}", ALL), Pattern::Exact("a*".into()));
    }

    #[test]
    fn letter_case_is_folded_character_by_character() {
        let equal = |pattern: &str, text: &str| {
            let mut context = Context::default();
            context.set("a:x", Values::one("ÄB"));
            Pattern::parse(pattern, Reading { variables: true, wildcards: false }).equals_ignoring_case(text, &context)
        };
        assert!(equal("Äb", "äB"));
        assert!(equal("x${a:x}${*}", "Xäb*"));
        assert!(!equal("x${a:x}", "xäbc"));
        assert!(!equal("${a:none}", ""));
        assert!(equal("*", "*"));
        assert!(!equal("*", "x"));
    }
}
