//! The device's log files as a whole, once a run is done.

use super::super::{Environment, ROOT};
use crate::core::{Core, journald};
use std::collections::BTreeMap;

impl Environment {
    /// The log files on the device by name without `.log`, with what was rotated away before what is current.
    pub(crate) async fn whole_logs(&self) -> BTreeMap<String, String> {
        let core = self.plan.scenario.device.core;
        if self.logs.are_told {
            return self.logs.all();
        }
        if core == Core::Lite {
            let journal = self.engine.exec(&self.device.id, "", &journald::WHOLE, &[]).await;
            return journal.map(|journal| self.logs.reader().files(&journal.stdout)).unwrap_or_default();
        }
        let files = self.engine.read_tar(&self.device.id, &format!("{ROOT}/logs")).await.unwrap_or_default();
        if files.is_empty() {
            // The engine reads no folder that is in memory.
            return self.logs.all();
        }
        let mut files: Vec<_> = files.iter().filter_map(|(name, file)| Some((part_of(name)?, &file.bytes))).collect();
        files.sort();
        let mut logs: BTreeMap<String, String> = BTreeMap::new();
        for ((name, _, _), bytes) in files {
            logs.entry(name.to_owned()).or_default().push_str(&String::from_utf8_lossy(bytes));
        }
        logs
    }
}

/// Which log a file is part of, with the hour and the number of a rotated part (`NAME_yyyy_MM_dd_HH_i.log`); the
/// current part comes last.
fn part_of(file: &str) -> Option<(&str, &str, u32)> {
    const CURRENT: &str = "~";
    let name = file.strip_suffix(".log")?;
    let rotated = || {
        let (rest, number) = name.rsplit_once('_')?;
        let (log, hour) = rest.split_at_checked(rest.len().checked_sub("_yyyy_MM_dd_HH".len())?)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
        (hour.starts_with('_') && digits(hour) && !log.is_empty()).then_some((log, hour, number.parse().ok()?))
    };
    Some(rotated().unwrap_or((name, CURRENT, 0)))
}

#[cfg(test)]
mod tests {
    use super::part_of;

    #[test]
    fn parts_of_a_log_come_in_their_order() {
        let mut parts = ["a.log", "a_2022_03_23_11_0.log", "a_2022_03_23_10_10.log", "a_2022_03_23_10_9.log"];
        parts.sort_by_key(|file| part_of(file));
        assert_eq!(parts, ["a_2022_03_23_10_9.log", "a_2022_03_23_10_10.log", "a_2022_03_23_11_0.log", "a.log"]);
        assert_eq!(part_of("com.example_1.log"), Some(("com.example_1", "~", 0)));
        assert_eq!(part_of("core.tlog"), None);
    }
}
