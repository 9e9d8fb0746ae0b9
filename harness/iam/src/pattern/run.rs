//! A stretch of a pattern without a star.

use super::fold;
use crate::{request::Context, variable::Key};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    /// Any one character.
    One,
    Variable(Key),
    /// Something that has no value and thus matches nothing.
    Nothing,
}

/// Pieces that follow one another; neighbouring literals are one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pieces: Box<[Piece]>,
    /// The fewest bytes that it can match.
    least: usize,
}

/// Adds a piece to those of a run.
pub(super) fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Literal(text)), Piece::Literal(more)) => text.push_str(&more),
        (_, piece) => pieces.push(piece),
    }
}

impl Run {
    pub(super) fn new(pieces: Vec<Piece>) -> Self {
        let least = |piece: &Piece| match piece {
            Piece::Literal(text) => text.len(),
            Piece::One => 1,
            Piece::Variable(_) | Piece::Nothing => 0,
        };
        Self { least: pieces.iter().map(least).sum(), pieces: pieces.into() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The text that it is, if it is nothing else.
    pub(super) fn literal(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// What is left of the text after the run at its start.
    pub(super) fn strip<'t>(&self, text: &'t str, context: &Context) -> Option<&'t str> {
        self.pieces.iter().try_fold(text, |rest, piece| match piece {
            Piece::Literal(literal) => rest.strip_prefix(literal.as_str()),
            Piece::One => skip(rest),
            Piece::Variable(key) => rest.strip_prefix(key.value(context)?),
            Piece::Nothing => None,
        })
    }

    /// What is left of the text before the run at its end.
    pub(super) fn strip_end<'t>(&self, text: &'t str, context: &Context) -> Option<&'t str> {
        self.pieces.iter().rev().try_fold(text, |rest, piece| match piece {
            Piece::Literal(literal) => rest.strip_suffix(literal.as_str()),
            Piece::One => {
                let mut characters = rest.chars();
                characters.next_back().map(|_| characters.as_str())
            }
            Piece::Variable(key) => rest.strip_suffix(key.value(context)?),
            Piece::Nothing => None,
        })
    }

    /// What is left of the text after the first place where the run occurs.
    pub(super) fn find<'t>(&self, text: &'t str, context: &Context) -> Option<&'t str> {
        if let Some(literal) = self.literal() {
            return text.find(literal).map(|at| &text[at + literal.len()..]);
        }
        let mut rest = text;
        while rest.len() >= self.least {
            match self.strip(rest, context) {
                Some(after) => return Some(after),
                None => rest = skip(rest)?,
            }
        }
        None
    }

    pub(super) fn equals_ignoring_case(&self, text: &str, context: &Context) -> bool {
        let mut characters = fold(text);
        let mut takes = |piece: &str| fold(piece).all(|character| characters.next() == Some(character));
        let all = self.pieces.iter().all(|piece| match piece {
            Piece::Literal(literal) => takes(literal),
            Piece::Variable(key) => key.value(context).is_some_and(&mut takes),
            Piece::One | Piece::Nothing => false,
        });
        all && characters.next().is_none()
    }
}

fn skip(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next().map(|_| characters.as_str())
}
