//! The person's terminal: its size, and a time in which it passes every key on.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io;

/// Rows and columns of the terminal at standard input.
pub(super) fn size() -> io::Result<(u16, u16)> {
    let size = tcgetwinsize(std::io::stdin())?;
    Ok((size.ws_row, size.ws_col))
}

/// The terminal at standard input passes every key on, until this is dropped.
#[derive(Debug)]
pub(super) struct Raw(Termios);

impl Raw {
    pub(super) fn set() -> io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.0);
    }
}
