//! The `logging` section of the nucleus's configuration.

use super::line::{Cause, Level};
use crate::tree;
use serde_json::Value;
use std::path::PathBuf;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

/// Where lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    File,
    Console,
}

/// What applies to all log files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) level: Level,
    pub(super) format: Format,
    pub(super) output: Output,
    /// From how many bytes on a file is rotated.
    pub(super) file_size: u64,
    /// How many bytes the rotated files of one log may have together.
    pub(super) total_size: u64,
    /// The folder, as it is configured.
    pub(super) directory: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: Level::Info,
            format: Format::Text,
            output: Output::File,
            file_size: 1024 * 1024,
            total_size: 10 * 1024 * 1024,
            directory: None,
        }
    }
}

impl Settings {
    /// Reads the section; what it doesn't say is the default.
    ///
    /// # Errors
    /// The exception that the real nucleus ends with, if it has an unknown key or value.
    pub(super) fn read(section: Option<&Value>) -> Result<Self, Cause> {
        let mut settings = Self::default();
        for key in section.and_then(Value::as_object).into_iter().flat_map(|section| section.keys()) {
            let text = section.and_then(|section| tree::text(section, key)).unwrap_or_default();
            match key.as_str() {
                "level" => settings.level = level(&text)?,
                "format" => settings.format = format(&text)?,
                "outputType" => settings.output = output(&text)?,
                "fileSizeKB" => settings.file_size = kilobytes(&text).unwrap_or(settings.file_size),
                "totalLogsSizeKB" => settings.total_size = kilobytes(&text).unwrap_or(settings.total_size),
                "outputDirectory" => settings.directory = Some(text.trim()).filter(|it| !it.is_empty()).map(Into::into),
                other => return Err(invalid(format!("Unexpected value: {other}"))),
            }
        }
        Ok(settings)
    }

    /// Whether both write the same files by the same limits.
    pub(super) fn same_files(&self, other: &Self) -> bool {
        let files = |it: &Self| (it.output, it.file_size, it.total_size, it.directory.clone());
        files(self) == files(other)
    }
}

fn level(text: &str) -> Result<Level, Cause> {
    let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error];
    levels.into_iter().find(|level| level.name() == text).ok_or_else(|| unknown("org.slf4j.event.Level", text))
}

fn format(text: &str) -> Result<Format, Cause> {
    match text {
        "TEXT" => Ok(Format::Text),
        "JSON" => Ok(Format::Json),
        _ => Err(unknown("com.aws.greengrass.logging.impl.config.LogFormat", text)),
    }
}

fn output(text: &str) -> Result<Output, Cause> {
    match text {
        "FILE" => Ok(Output::File),
        "CONSOLE" => Ok(Output::Console),
        _ => Err(unknown("com.aws.greengrass.logging.impl.config.LogStore", text)),
    }
}

/// A size in bytes; numbers of IoT jobs are doubles.
fn kilobytes(text: &str) -> Option<u64> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole.parse::<u64>().ok().filter(|size| *size > 0)?.checked_mul(1024)
}

fn unknown(class: &str, value: &str) -> Cause {
    invalid(format!("No enum constant {class}.{value}"))
}

fn invalid(message: String) -> Cause {
    Cause::new("java.lang.IllegalArgumentException", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_may_be_numbers_doubles_and_text() {
        for size in [json!(2), json!(2.0), json!("2")] {
            assert_eq!(Settings::read(Some(&json!({"fileSizeKB": size}))).unwrap().file_size, 2048);
        }
        assert_eq!(Settings::read(Some(&json!({"fileSizeKB": "many"}))).unwrap(), Settings::default());
        assert_eq!(Settings::read(None).unwrap(), Settings::default());
    }

    #[test]
    fn level_and_format_need_no_new_files() {
        let read = |section| Settings::read(Some(&section)).unwrap();
        assert!(read(json!({"level": "DEBUG", "format": "JSON"})).same_files(&Settings::default()));
        assert!(!read(json!({"totalLogsSizeKB": 1})).same_files(&Settings::default()));
    }
}
