//! One log file, rotated.
//!
//! The current file is `NAME.log`. With the first line of another hour than its last one, or once it has grown to the
//! limit, it becomes `NAME_yyyy_MM_dd_HH_i.log` with the hour and the next free number of what it holds; then the
//! oldest of those go until the rest fits the total. The size is looked at now and then only, so a burst of lines can make
//! a file larger.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const HOUR: &[BorrowedFormatItem<'_>] = format_description!("[year]_[month]_[day]_[hour]");
/// How long an hour is written.
const HOUR_LENGTH: usize = "yyyy_MM_dd_HH".len();
/// A log file and its rotated predecessors.
#[derive(Debug)]
pub(super) struct Appender {
    folder: PathBuf,
    name: String,
    limits: Limits,
    current: Option<Current>,
}

/// When files are put away and removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From how many bytes on a file is put away.
    pub(super) file: u64,
    /// How many bytes the files that were put away may have together.
    pub(super) total: u64,
    /// How often the size is looked at.
    pub(super) check: Duration,
}

/// The open file.
#[derive(Debug)]
struct Current {
    file: File,
    size: u64,
    /// The hour of its lines.
    hour: String,
    next_check: Option<OffsetDateTime>,
}

impl Appender {
    /// Opens nothing yet.
    pub(super) fn new(folder: PathBuf, name: &str, limits: Limits) -> Self {
        Self { folder, name: name.into(), limits, current: None }
    }

    /// Opens the file, or makes it.
    pub(super) fn open(&mut self) -> io::Result<()> {
        if self.current.is_none() {
            self.current = Some(self.opened()?);
        }
        Ok(())
    }

    /// Appends a line. After an error the file is opened anew for the next one.
    pub(super) fn write(&mut self, now: OffsetDateTime, line: &[u8]) -> io::Result<()> {
        self.open()?;
        let result = self.rotate(now).and_then(|()| {
            let Some(current) = &mut self.current else { return Ok(()) };
            current.file.write_all(line)?;
            current.size += line.len() as u64;
            Ok(())
        });
        result.inspect_err(|_| self.current = None)
    }

    fn opened(&self) -> io::Result<Current> {
        let file = OpenOptions::new().create(true).append(true).open(self.folder.join(format!("{}.log", self.name)))?;
        let known = file.metadata()?;
        Ok(Current { file, size: known.len(), hour: hour(known.modified()?.into()), next_check: None })
    }

    /// Puts the current file away if it is time to.
    fn rotate(&mut self, now: OffsetDateTime) -> io::Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let is_full = match current.next_check {
            Some(at) if now < at => false,
            looked => {
                current.next_check = Some(now + self.limits.check);
                looked.is_some() && current.size >= self.limits.file
            }
        };
        if !is_full && hour(now) == current.hour {
            return Ok(());
        }
        let (hour_of_lines, next_check) = (current.hour.clone(), current.next_check);
        let known = self.rotated().into_iter().filter(|rotated| rotated.hour == hour_of_lines);
        let next = known.map(|rotated| rotated.index + 1).max().unwrap_or_default();
        let target = format!("{}_{hour_of_lines}_{next}.log", self.name);
        fs::rename(self.folder.join(format!("{}.log", self.name)), self.folder.join(target))?;
        self.current = Some(Current { hour: hour(now), next_check, ..self.opened()? });
        self.remove_oldest();
        Ok(())
    }

    /// Removes the oldest rotated files, so that the others together keep within the total.
    fn remove_oldest(&self) {
        let mut rotated = self.rotated();
        rotated.sort_by(|a, b| (&b.hour, b.index).cmp(&(&a.hour, a.index)));
        let mut total = 0;
        for file in rotated {
            total += file.size;
            if total > self.limits.total
                && let Err(error) = fs::remove_file(&file.path)
            {
                tracing::warn!(%error, path = %file.path.display(), "removing an old log");
            }
        }
    }

    fn rotated(&self) -> Vec<Rotated> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        files
            .filter_map(|file| {
                let name = file.file_name().into_string().ok()?;
                let rest = name.strip_prefix(&self.name)?.strip_prefix('_')?.strip_suffix(".log")?;
                let (hour, index) = rest.split_at_checked(HOUR_LENGTH)?;
                hour.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_').then_some(())?;
                let index = index.strip_prefix('_')?.parse().ok()?;
                Some(Rotated { path: file.path(), hour: hour.into(), index, size: file.metadata().ok()?.len() })
            })
            .collect()
    }
}

/// A file that was rotated away.
struct Rotated {
    path: PathBuf,
    hour: String,
    index: u64,
    size: u64,
}

fn hour(time: OffsetDateTime) -> String {
    time.format(&HOUR).expect("the format fits every date")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;
    use std::path::Path;
    use time::macros::datetime;

    fn limits(file: u64, total: u64) -> Limits {
        Limits { file, total, check: Duration::from_secs(2) }
    }

    fn names(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = files.collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_hour_is_a_new_file() {
        fidelity!("core-log-5");
        let folder = tempfile::tempdir().unwrap();
        let mut log = Appender::new(folder.path().into(), "A", limits(1024, 10240));
        let now = OffsetDateTime::now_utc();
        log.write(now, b"one\n").unwrap();
        log.write(now + Duration::from_hours(1), b"two\n").unwrap();
        log.write(now + Duration::from_hours(1), b"three\n").unwrap();
        let rotated = format!("A_{}_0.log", hour(now));
        assert_eq!(names(folder.path()), ["A.log", &rotated]);
        assert_eq!(fs::read_to_string(folder.path().join(rotated)).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(folder.path().join("A.log")).unwrap(), "two\nthree\n");
    }

    #[test]
    fn a_full_file_is_rotated_at_the_next_look() {
        fidelity!("core-log-5");
        let folder = tempfile::tempdir().unwrap();
        let mut log = Appender::new(folder.path().into(), "A", limits(10, 10240));
        // The test must not cross an hour.
        let now = OffsetDateTime::now_utc().replace_minute(10).unwrap();
        for (after, line) in [(0, "0123456789\n"), (1, "burst\n"), (3, "next\n"), (4, "0123456789\n"), (6, "last\n")] {
            log.write(now + Duration::from_secs(after), line.as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read(&format!("A_{}_0.log", hour(now))), "0123456789\nburst\n");
        assert_eq!(read(&format!("A_{}_1.log", hour(now))), "next\n0123456789\n");
        assert_eq!(read("A.log"), "last\n");
    }

    #[test]
    fn the_oldest_go_and_only_of_this_log() {
        fidelity!("core-log-5");
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["A_2026_01_01_09_9.log", "A_2026_01_01_09_10.log", "A_2026_01_01_08_0.log", "A_B_2026_01_01_08_0.log"]
        {
            fs::write(folder.path().join(name), "0123456789").unwrap();
        }
        let log = Appender::new(folder.path().into(), "A", limits(10, 20));
        log.remove_oldest();
        assert_eq!(
            names(folder.path()),
            ["A_2026_01_01_09_10.log", "A_2026_01_01_09_9.log", "A_B_2026_01_01_08_0.log"]
        );
    }

    #[test]
    fn a_file_of_an_earlier_hour_is_rotated_by_the_first_line() {
        fidelity!("core-log-5");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("A.log");
        fs::write(&path, "old\n").unwrap();
        let then = datetime!(2026-01-01 09:30 UTC);
        File::options().append(true).open(&path).unwrap().set_modified(then.into()).unwrap();
        let mut log = Appender::new(folder.path().into(), "A", limits(1024, 10240));
        log.write(datetime!(2026-01-01 11:00 UTC), b"new\n").unwrap();
        assert_eq!(names(folder.path()), ["A.log", "A_2026_01_01_09_0.log"]);
    }
}
