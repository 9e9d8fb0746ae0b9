//! What is told of one scenario: every event with its name and without its secrets, and kept for its evidence folder.

use super::{Event, Outcome, Reader, Record, Told, record};
use crate::redact::Redactor;
use std::{collections::BTreeMap, fmt, io, path::Path};

/// Stands between what tells of a scenario and the readers.
pub struct Telling<'a> {
    reader: &'a dyn Reader,
    scenario: String,
    redactor: Redactor,
    versions: BTreeMap<String, String>,
    record: Record,
}

impl fmt::Debug for Telling<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telling").field("scenario", &self.scenario).finish_non_exhaustive()
    }
}

impl<'a> Telling<'a> {
    /// Tells a reader of the scenario of this name, which ran with these versions and has the redactor's secrets.
    pub fn new(
        scenario: &str,
        redactor: &Redactor,
        versions: BTreeMap<String, String>,
        reader: &'a dyn Reader,
    ) -> Self {
        let record = Record::default();
        record.tell(Told::stream());
        Self { reader, scenario: scenario.to_owned(), redactor: redactor.clone(), versions, record }
    }

    /// Tells how the scenario came out.
    pub fn judged(&self, outcome: &Outcome) {
        self.tell(Told::judged(outcome, self.versions.clone()));
    }

    /// Writes all that was told and how the scenario came out, which need not be told yet.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self, outcome: &Outcome, path: &Path) -> io::Result<()> {
        let mut events = self.record.events();
        events.push(self.own(&Event::now(Told::judged(outcome, self.versions.clone()))));
        record::write(&events, path)
    }

    fn own(&self, event: &Event) -> Event {
        Event { scenario: Some(self.scenario.clone()), ..event.clone() }.redacted(&self.redactor)
    }
}

impl Reader for Telling<'_> {
    fn take(&self, event: &Event) {
        let event = self.own(event);
        self.record.take(&event);
        self.reader.take(&event);
    }
}
