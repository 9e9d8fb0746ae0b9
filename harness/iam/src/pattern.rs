//! Texts with wildcards and variables, and the ARNs made of them.

use crate::{evaluate::Context, variable::Variable};

/// How a text is to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Whether `${…}` is a variable (Version 2012-10-17).
    pub(crate) variables: bool,
    /// Whether `*` and `?` are wildcards.
    pub(crate) wildcards: bool,
    /// Whether letter case counts.
    pub(crate) case: Case,
}

/// Whether letter case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Counts,
    Ignored,
}

impl Case {
    fn fold(self, text: &str) -> String {
        match self {
            Self::Counts => text.to_owned(),
            Self::Ignored => text.to_lowercase(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// Any text, also none.
    Star,
    /// Any one character.
    One,
    Variable(Variable),
}

/// A text with wildcards and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
    case: Case,
    variable: bool,
}

impl Pattern {
    /// Compiles a text; `None` if it holds a `${` that opens no documented variable.
    pub(crate) fn parse(text: &str, reading: Reading) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(inner) = rest.strip_prefix("${").filter(|_| reading.variables) {
                let (variable, after) = Variable::read(inner)?;
                match variable {
                    Variable::Escape(character) => literal.push(character),
                    key @ Variable::Key { .. } => flush(&mut pieces, &mut literal, Piece::Variable(key)),
                }
                rest = after;
                continue;
            }
            match character {
                '*' if reading.wildcards => flush(&mut pieces, &mut literal, Piece::Star),
                '?' if reading.wildcards => flush(&mut pieces, &mut literal, Piece::One),
                other => literal.push(other),
            }
            rest = &rest[character.len_utf8()..];
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        for piece in &mut pieces {
            if let Piece::Literal(text) = piece {
                *text = reading.case.fold(text);
            }
        }
        let variable = pieces.iter().any(|piece| matches!(piece, Piece::Variable(_)));
        Some(Self { pieces, case: reading.case, variable })
    }

    /// Whether the text matches. A variable without a value matches nothing; a substituted text is literal.
    pub(crate) fn matches(&self, text: &str, context: &Context) -> bool {
        let folded;
        let text = match self.case {
            Case::Counts => text,
            Case::Ignored => {
                folded = self.case.fold(text);
                &folded
            }
        };
        if self.variable {
            self.expand(context).is_some_and(|pieces| glob(&pieces, text))
        } else {
            glob(&self.pieces, text)
        }
    }

    fn expand(&self, context: &Context) -> Option<Vec<Piece>> {
        let fill = |piece: &Piece| match piece {
            Piece::Variable(variable) => variable.value(context).map(|value| Piece::Literal(self.case.fold(value))),
            other => Some(other.clone()),
        };
        self.pieces.iter().map(fill).collect()
    }
}

fn flush(pieces: &mut Vec<Piece>, literal: &mut String, next: Piece) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal)));
    }
    pieces.push(next);
}

/// Matches in linear space: on a mismatch only the last star is tried again, one character further.
fn glob(pieces: &[Piece], text: &str) -> bool {
    let (mut at, mut rest) = (0, text);
    let mut star: Option<(usize, &str)> = None;
    loop {
        let after = match pieces.get(at) {
            None if rest.is_empty() => return true,
            Some(Piece::Star) if at + 1 == pieces.len() => return true,
            Some(Piece::Star) => {
                star = Some((at + 1, rest));
                Some(rest)
            }
            Some(Piece::One) => skip(rest),
            Some(Piece::Literal(literal)) => rest.strip_prefix(literal.as_str()),
            None | Some(Piece::Variable(_)) => None,
        };
        if let Some(after) = after {
            (at, rest) = (at + 1, after);
            continue;
        }
        let Some((start, taken)) = star.and_then(|(start, from)| Some((start, skip(from)?))) else { return false };
        star = Some((start, taken));
        (at, rest) = (start, taken);
    }
}

fn skip(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next().map(|_| characters.as_str())
}

/// The six segments of an ARN; the last one may hold further colons.
pub(crate) type Segments<'a> = [&'a str; 6];

/// Splits an ARN; `None` for a text with fewer segments, such as the resource `*`.
pub(crate) fn segments(arn: &str) -> Option<Segments<'_>> {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next();
    Some([next()?, next()?, next()?, next()?, next()?, next()?])
}

/// The pattern of an ARN: six segments, each with its own wildcards, so that none reaches over the first five colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArnPattern {
    /// `*`: everything, also the resource `*` of actions without resource-level permissions.
    Everything,
    Segments(Box<[Pattern; 6]>),
}

impl ArnPattern {
    /// Compiles the text; `None` if it has not all six segments or holds a `${` that opens no documented variable.
    /// Variables count only after the fifth colon.
    pub(crate) fn parse(text: &str, variables: bool) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            return Some(Self::Everything);
        }
        let read = |part, variables| Pattern::parse(part, Reading { variables, wildcards: true, case: Case::Counts });
        let [arn, partition, service, region, account, resource] = segments(text)?;
        Some(Self::Segments(Box::new([
            read(arn, false)?,
            read(partition, false)?,
            read(service, false)?,
            read(region, false)?,
            read(account, false)?,
            read(resource, variables)?,
        ])))
    }

    /// Whether the ARN matches; `None` stands for the resource `*` or a text that is no ARN.
    pub(crate) fn matches(&self, arn: Option<&Segments<'_>>, context: &Context) -> bool {
        match (self, arn) {
            (Self::Everything, _) => true,
            (Self::Segments(patterns), Some(parts)) => {
                patterns.iter().zip(parts).all(|(pattern, part)| pattern.matches(part, context))
            }
            (Self::Segments(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[iam-3]`
    #[test]
    fn stars_stay_in_their_segment_but_for_the_last() {
        let matches = |pattern: &str, arn: &str| {
            ArnPattern::parse(pattern, true).unwrap().matches(segments(arn).as_ref(), &Context::new())
        };
        let pattern = "arn:aws:secretsmanager:*:1:secret:a*-??????";
        assert!(matches(pattern, "arn:aws:secretsmanager:eu-west-1:1:secret:a/b:c-AbCdEf"));
        assert!(!matches(pattern, "arn:aws:secretsmanager:eu:west:1:secret:a-AbCdEf"));
        assert!(!matches(pattern, "*"));
        assert!(matches("**", "*"));
        assert_eq!(ArnPattern::parse("arn:aws:s3:*", true), None);
    }

    #[test]
    fn a_star_may_need_several_tries() {
        let reading = Reading { variables: true, wildcards: true, case: Case::Ignored };
        let matches = |pattern, text| Pattern::parse(pattern, reading).unwrap().matches(text, &Context::new());
        assert!(matches("*AB*b?", "aababbbx"));
        assert!(!matches("*ab*b?", "aabab"));
        assert!(matches("a*", "a"));
        assert!(matches("*ü?", "aüé"));
        assert!(!matches("", "a"));
        assert!(!matches("a${*}", "ab"));
        assert!(matches("a${*}${?}", "a*?"));
    }
}
