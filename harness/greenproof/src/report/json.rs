//! The reader for a program: each event as a JSON line, as it is told.

use super::{Event, Reader, record};
use std::{
    fmt,
    io::Write,
    sync::{Mutex, PoisonError},
};

/// Writes JSON lines.
pub struct Json(Mutex<Box<dyn Write + Send>>);

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Json").finish()
    }
}

impl Json {
    /// Writes to `out`.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(out))
    }
}

impl Reader for Json {
    fn take(&self, event: &Event) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell where it is closed; the exit code still does.
        _ = out.write_all(record::line(event).as_bytes()).and_then(|()| out.flush());
    }
}
