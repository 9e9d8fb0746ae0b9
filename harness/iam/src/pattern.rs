//! Patterns of actions, resources and condition values.

use crate::{evaluate::Context, variable::Variable};

/// How the text of a policy is to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Whether `${…}` is a variable (Version 2012-10-17).
    pub(crate) variables: bool,
    /// Whether `*` and `?` are wildcards.
    pub(crate) wildcards: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    Star,
    One,
    Variable(Variable),
}

/// A text with wildcards and variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Token>);

impl Pattern {
    /// Compiles a text; `None` if it holds a `${` that opens no documented variable.
    pub(crate) fn parse(text: &str, reading: Reading) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(inner) = rest.strip_prefix("${").filter(|_| reading.variables) {
                let (variable, after) = Variable::read(inner)?;
                tokens.push(Token::Variable(variable));
                rest = after;
                continue;
            }
            tokens.push(match character {
                '*' if reading.wildcards => Token::Star,
                '?' if reading.wildcards => Token::One,
                other => Token::Literal(other),
            });
            rest = &rest[character.len_utf8()..];
        }
        Some(Self(tokens))
    }

    /// Whether the pattern is nothing but stars.
    pub(crate) fn is_everything(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|token| *token == Token::Star)
    }

    /// Whether the text matches. A variable without a value matches nothing; a substituted text is literal.
    pub(crate) fn matches(&self, text: &str, context: &Context, case: Case) -> bool {
        let Some(tokens) = self.expand(context, case) else { return false };
        let text: Vec<char> = case.fold(text).chars().collect();
        glob(&tokens, &text)
    }

    fn expand(&self, context: &Context, case: Case) -> Option<Vec<Token>> {
        let mut tokens = Vec::with_capacity(self.0.len());
        for token in &self.0 {
            match token {
                Token::Variable(variable) => {
                    tokens.extend(case.fold(&variable.value(context)?).chars().map(Token::Literal));
                }
                Token::Literal(character) => {
                    tokens.extend(case.fold(&character.to_string()).chars().map(Token::Literal));
                }
                wildcard => tokens.push(wildcard.clone()),
            }
        }
        Some(tokens)
    }
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

/// Matches in linear space: on a mismatch only the last star is tried again, one character further.
fn glob(pattern: &[Token], text: &[char]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(Token::Star) => {
                star = Some((at, position));
                at += 1;
            }
            Some(Token::One) => (at, position) = (at + 1, position + 1),
            Some(Token::Literal(character)) if *character == text[position] => (at, position) = (at + 1, position + 1),
            _ => match &mut star {
                Some((start, taken)) => {
                    *taken += 1;
                    (at, position) = (*start + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|token| *token == Token::Star)
}

/// The pattern of an ARN: six segments, each with its own wildcards, so that none reaches over the first five colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArnPattern {
    /// `*`: everything, also the resource `*` of actions without resource-level permissions.
    Everything,
    Segments(Vec<Pattern>),
}

impl ArnPattern {
    /// Compiles the text; `None` if it holds a `${` that opens no documented variable. Variables count only after the
    /// fifth colon.
    pub(crate) fn parse(text: &str, variables: bool) -> Option<Self> {
        let segments = text
            .splitn(6, ':')
            .enumerate()
            .map(|(index, part)| Pattern::parse(part, Reading { variables: variables && index == 5, wildcards: true }))
            .collect::<Option<Vec<_>>>()?;
        match segments.as_slice() {
            [one] if one.is_everything() => Some(Self::Everything),
            _ => Some(Self::Segments(segments)),
        }
    }

    /// Whether the pattern has all six segments or is `*`.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self, Self::Everything) || matches!(self, Self::Segments(segments) if segments.len() == 6)
    }

    /// Whether the ARN (or the resource `*`) matches.
    pub(crate) fn matches(&self, arn: &str, context: &Context) -> bool {
        let Self::Segments(segments) = self else { return true };
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        parts.len() == segments.len()
            && parts.iter().zip(segments).all(|(part, segment)| segment.matches(part, context, Case::Counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[iam-3]`
    #[test]
    fn stars_stay_in_their_segment_but_for_the_last() {
        let none = Context::new();
        let pattern = ArnPattern::parse("arn:aws:secretsmanager:*:1:secret:a*-??????", true).unwrap();
        assert!(pattern.matches("arn:aws:secretsmanager:eu-west-1:1:secret:a/b:c-AbCdEf", &none));
        assert!(!pattern.matches("arn:aws:secretsmanager:eu:west:1:secret:a-AbCdEf", &none));
        assert!(!pattern.matches("*", &none));
        assert!(ArnPattern::parse("**", true).unwrap().matches("*", &none));
    }

    #[test]
    fn a_star_may_need_several_tries() {
        let pattern = Pattern::parse("*ab*b?", Reading { variables: true, wildcards: true }).unwrap();
        assert!(pattern.matches("aababbbx", &Context::new(), Case::Counts));
        assert!(!pattern.matches("aabab", &Context::new(), Case::Counts));
    }
}
