//! `logs get` and its kin: reading the log files that the nucleus writes in its JSON format.
//!
//! Following a file and the syslog format are not there.

use super::{
    client::Told,
    options::{Choice, Given},
};
use regex::Regex;
use serde_json::Value;
use std::{
    collections::VecDeque,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};
use time::{
    Date, Duration, OffsetDateTime, PrimitiveDateTime, Time, format_description::BorrowedFormatItem,
    macros::format_description,
};

pub(super) const GET: [Choice; 9] = [
    Choice::value(&["-lf", "--log-file"], "Log file"),
    Choice::value(&["-ld", "--log-dir"], "Log directory"),
    Choice::value(&["-t", "--time-window"], "Time window"),
    Choice::value(&["-f", "--filter"], "Filter expression"),
    Choice::value(&["-b", "--before"], "Show N lines preceding matched line"),
    Choice::value(&["-a", "--after"], "Show N lines following matched line"),
    Choice::value(&["-m", "--max-log-queue-size"], "Max log entries"),
    Choice::switch(&["-nc", "--no-color"]),
    Choice::switch(&["-v", "--verbose"]),
];
pub(super) const LIST: [Choice; 1] = [Choice::value(&["-ld", "--log-dir"], "Log directory").required()];
pub(super) const KEYWORDS: &str = "Suggested keywords for Greengrass log format:\nlevel=$str\nthread=$str\n\
loggerName=$str\neventType=$str\nserviceName=$str\nerror=$str\n";
const SHORT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];
const HIGHLIGHT: (&str, &str) = ("\u{1b}[31m\u{1b}[1m", "\u{1b}[0m\u{1b}[0m");

/// The files of the folders whose name speaks of logs.
pub(super) fn list(given: &Given) -> Told {
    let mut told = Told::default();
    let files = files(&given.all("--log-dir"), &mut told.err);
    if files.is_empty() {
        told.out = "No log file found.\n".into();
        return told;
    }
    for file in &files {
        // Writing to a text can't fail.
        _ = writeln!(told.out, "{}", file.display());
    }
    _ = writeln!(told.out, "Total {} files found.", files.len());
    told
}

/// The entries that match, in the order of their files and lines.
pub(super) fn get(given: &Given) -> Told {
    let mut told = Told::default();
    let filter = match Filter::read(given, OffsetDateTime::now_utc()) {
        Ok(filter) => filter,
        Err(text) => return Told::failed(format!("java.lang.RuntimeException: {text}\n")),
    };
    let (named, folders) = (given.all("--log-file"), given.all("--log-dir"));
    if named.is_empty() && folders.is_empty() {
        let text = "No valid log input. Please provide a log file or directory.";
        return Told::failed(format!("java.lang.RuntimeException: {text}\n"));
    }
    let mut files = files(&folders, &mut told.err);
    files.extend(named.iter().map(PathBuf::from));
    if files.is_empty() {
        let text = "Log directory provided contains no valid log files.";
        return Told::failed(format!("{}java.lang.RuntimeException: {text}\n", told.err));
    }
    let number = |name: &str| given.one(name).and_then(|text| text.parse().ok()).unwrap_or(0);
    let (before, after) = (number("--before"), number("--after"));
    let show = Show { color: given.one("--no-color").is_none(), verbose: given.one("--verbose").is_some() };
    let mut entries = Vec::new();
    for file in files {
        match fs::read(&file) {
            Ok(content) => entries.extend(matching(&String::from_utf8_lossy(&content), &filter, before, after)),
            Err(_) => _ = writeln!(told.err, "Can not find file: {}", file.display()),
        }
    }
    entries.sort_by_key(|(entry, _)| entry.time);
    for (entry, words) in entries {
        show.tell(&entry, &words, &mut told);
    }
    told
}

/// The entries of one file that match, with those around them, and what matched.
fn matching(content: &str, filter: &Filter, before: usize, after: usize) -> Vec<(Entry, Vec<String>)> {
    let mut found = Vec::new();
    let mut earlier: VecDeque<Entry> = VecDeque::new();
    let mut more = 0;
    for line in content.lines() {
        let entry = Entry::read(line);
        if let Some(words) = filter.matched(&entry) {
            found.extend(earlier.drain(..).map(|entry| (entry, Vec::new())));
            found.push((entry, words));
            more = after;
        } else if more > 0 {
            more -= 1;
            found.push((entry, Vec::new()));
        } else if before > 0 {
            if earlier.len() == before {
                earlier.pop_front();
            }
            earlier.push_back(entry);
        }
    }
    found
}

fn files(folders: &[&str], complaints: &mut String) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(Path::new(folder)) else {
            // Writing to a text can't fail.
            _ = writeln!(complaints, "Log dir provided invalid: {folder}");
            continue;
        };
        let names = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().contains("log"));
        files.extend(names.map(|entry| entry.path()));
    }
    files.sort();
    files
}

/// One line of a log.
#[derive(Clone, Debug)]
struct Entry {
    line: String,
    /// The line as JSON; null for one that isn't.
    fields: Value,
    /// Milliseconds since 1970.
    time: i64,
}

impl Entry {
    fn read(line: &str) -> Self {
        let fields: Value = serde_json::from_str(line).ok().filter(Value::is_object).unwrap_or(Value::Null);
        let now = || i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        let time = fields["timestamp"].as_i64().unwrap_or_else(now);
        Self { line: line.into(), fields, time }
    }

    fn field(&self, key: &str) -> Option<&str> {
        self.fields[key].as_str().or_else(|| self.fields["contexts"][key].as_str())
    }
}

/// All groups must match, of a group any member.
#[derive(Debug)]
struct Filter {
    windows: Vec<(i64, i64)>,
    groups: Vec<Vec<Member>>,
}

#[derive(Debug)]
enum Member {
    Pattern(Regex),
    /// This level or a higher one, by its place.
    Level(usize),
    Pair(String, String),
}

impl Filter {
    fn read(given: &Given, now: OffsetDateTime) -> Result<Self, String> {
        let windows = given.all("--time-window").into_iter().map(|window| read_window(window, now));
        let group = |expression: &str| expression.split(',').map(Member::read).collect::<Result<Vec<_>, _>>();
        let groups = given.all("--filter").into_iter().map(group);
        Ok(Self { windows: windows.collect::<Result<_, _>>()?, groups: groups.collect::<Result<_, _>>()? })
    }

    /// What of the entry matched; `None` if it doesn't match.
    fn matched(&self, entry: &Entry) -> Option<Vec<String>> {
        let within = |(begin, end): &(i64, i64)| *begin < entry.time && entry.time < *end;
        if !self.windows.is_empty() && !self.windows.iter().any(within) {
            return None;
        }
        self.groups.iter().map(|group| group.iter().find_map(|member| member.matched(entry))).collect()
    }
}

impl Member {
    fn read(text: &str) -> Result<Self, String> {
        let Some((key, value)) = text.split_once('=') else {
            return Regex::new(text).map(Self::Pattern).map_err(|error| error.to_string());
        };
        if value.is_empty() || value.contains('=') {
            return Err(format!("Filter expression provided invalid: {text}"));
        }
        let level = LEVELS.iter().position(|level| *level == value).filter(|_| key == "level");
        Ok(level.map_or_else(|| Self::Pair(key.into(), value.into()), Self::Level))
    }

    fn matched(&self, entry: &Entry) -> Option<String> {
        match self {
            Self::Pattern(pattern) => pattern.find(&entry.line).map(|found| found.as_str().to_owned()),
            Self::Level(least) => {
                let level = entry.fields["level"].as_str()?;
                let place = LEVELS.iter().position(|known| *known == level)?;
                (place >= *least).then(|| level.to_owned())
            }
            Self::Pair(key, value) if key == "error" => {
                let cause = &entry.fields["cause"];
                let found = !cause.is_null() && (value == "any" || cause.to_string().contains(value.as_str()));
                found.then(|| value.clone())
            }
            Self::Pair(key, value) => (entry.field(key) == Some(value)).then(|| value.clone()),
        }
    }
}

fn read_window(window: &str, now: OffsetDateTime) -> Result<(i64, i64), String> {
    let parts: Vec<&str> = window.split(',').collect();
    let millis = |time: OffsetDateTime| i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    let point = |text: &str| if text.is_empty() { Ok(millis(now)) } else { read_time(text, now).map(millis) };
    match parts[..] {
        _ if window == "," || window.is_empty() => Err(format!("Time window provided invalid: {window}")),
        [begin] => Ok((point(begin)?, millis(now))),
        [begin, end] => Ok((point(begin)?, point(end)?)),
        _ => Err(format!("Time window provided invalid: {window}")),
    }
}

fn read_time(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, String> {
    const PERIOD: &str = r"^(?:([+-]?\d+)(?:day|d)s?)?(?:([+-]?\d+)(?:hour|hr|h)s?)?(?:([+-]?\d+)(?:minute|min|m)s?)?(?:([+-]?\d+)(?:second|sec|s)s?)?$";
    const MOMENTS: [&[BorrowedFormatItem<'_>]; 3] = [
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][subsecond digits:3]"),
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond]]][optional [Z]]"),
        format_description!("[year]-[month]-[day]T[hour]:[minute]"),
    ];
    const DATES: [&[BorrowedFormatItem<'_>]; 2] =
        [format_description!("[year]-[month]-[day]"), format_description!("[year][month][day]")];
    const TIMES: [&[BorrowedFormatItem<'_>]; 3] = [
        format_description!("[hour]:[minute]:[second][optional [.[subsecond]]]"),
        format_description!("[hour]:[minute]:[second][subsecond digits:3]"),
        format_description!("[hour]:[minute]"),
    ];
    let period = Regex::new(PERIOD).map_err(|error| error.to_string())?;
    if let Some(found) = period.captures(text) {
        let units = [Duration::DAY, Duration::HOUR, Duration::MINUTE, Duration::SECOND];
        let number = |index| found.get(index).and_then(|part| part.as_str().parse::<i32>().ok()).unwrap_or(0);
        return Ok(units.iter().enumerate().fold(now, |time, (index, unit)| time + *unit * number(index + 1)));
    }
    let moment = MOMENTS.iter().find_map(|format| PrimitiveDateTime::parse(text, format).ok());
    let day = || DATES.iter().find_map(|format| Date::parse(text, format).ok()).map(Date::midnight);
    let hour = || TIMES.iter().find_map(|format| Time::parse(text, format).ok()).map(|time| now.date().with_time(time));
    let found = moment.or_else(day).or_else(hour).map(PrimitiveDateTime::assume_utc);
    found.ok_or_else(|| format!("Cannot parse: {text}"))
}

/// How entries are shown.
struct Show {
    color: bool,
    verbose: bool,
}

impl Show {
    fn tell(&self, entry: &Entry, words: &[String], told: &mut Told) {
        if entry.fields.is_null() {
            // Writing to a text can't fail.
            _ = writeln!(told.err, "Unable to parse log message: \n{}", entry.line);
            return;
        }
        let mut text = if self.verbose { self.whole(entry) } else { self.short(entry) };
        if self.color {
            for word in words {
                text = text.replace(word.as_str(), &format!("{}{word}{}", HIGHLIGHT.0, HIGHLIGHT.1));
            }
        }
        told.out.push_str(&text);
        told.out.push('\n');
    }

    fn short(&self, entry: &Entry) -> String {
        let text = |key: &str| entry.fields[key].as_str();
        let time = moment(entry).format(SHORT).unwrap_or_default();
        let logger: Vec<&str> = text("loggerName").unwrap_or_default().split('.').collect();
        let logger = logger[logger.len().saturating_sub(2)..].join(".");
        let contexts = contexts(entry);
        let parts = [text("eventType"), text("message"), Some(contexts.as_str())];
        let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let mut told = format!("{time} [{}] {logger}: {}", text("level").unwrap_or_default(), parts.join(". "));
        if let Some(message) = entry.fields["cause"]["message"].as_str() {
            let (on, off) = if self.color { HIGHLIGHT } else { ("", "") };
            // Writing to a text can't fail.
            _ = write!(told, "\n{on}EXCEPTION: {message}{off}");
        }
        told
    }

    /// The line as the nucleus's text format has it.
    #[expect(clippy::unused_self, reason = "it is the other way of showing an entry")]
    fn whole(&self, entry: &Entry) -> String {
        let text = |key: &str| entry.fields[key].as_str().unwrap_or_default();
        let parts = ["eventType", "message"].map(text);
        let parts: String =
            parts.into_iter().filter(|part| !part.is_empty()).fold(String::new(), |all, part| all + part + ". ");
        let time = crate::log::instant(moment(entry));
        let (level, thread, logger) = (text("level"), text("thread"), text("loggerName"));
        format!("{time} [{level}] ({thread}) {logger}: {parts}{}", contexts(entry))
    }
}

fn moment(entry: &Entry) -> OffsetDateTime {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(entry.time) * 1_000_000);
    moment.unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The contexts as Java prints a map.
fn contexts(entry: &Entry) -> String {
    let contexts = entry.fields["contexts"].as_object().into_iter().flatten();
    let contexts = contexts.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    format!("{{{}}}", contexts.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const LOG: &str = concat!(
        r#"{"thread":"Copier","level":"INFO","eventType":"stdout","message":"one","contexts":{"serviceName":"A"},"loggerName":"x.y.A","timestamp":1648032804876,"cause":null}"#,
        "\n",
        r#"{"thread":"Copier","level":"WARN","eventType":"stderr","message":"two","contexts":{"serviceName":"B"},"loggerName":"B","timestamp":1648032805000,"cause":null}"#,
        "\nplain\n"
    );

    fn get(arguments: &[&str]) -> Told {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("greengrass.log");
        fs::write(&file, LOG).unwrap();
        let mut arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        arguments.extend(["--no-color".into(), "--log-file".into(), file.to_string_lossy().into_owned()]);
        super::get(&Given::read(&GET, &arguments, 0).unwrap())
    }

    #[test]
    fn entries_are_shortened() {
        fidelity::fidelity!("core-local-10");
        let told = get(&["--filter", "serviceName=A"]);
        assert_eq!(told.out, "2022-03-23 10:53:24 UTC [INFO] y.A: stdout. one. {serviceName=A}\n");
        let told = get(&["--filter", "serviceName=A", "-v"]);
        assert_eq!(told.out, "2022-03-23T10:53:24.876Z [INFO] (Copier) x.y.A: stdout. one. {serviceName=A}\n");
        assert_eq!(get(&["--filter", "plain"]).err, "Unable to parse log message: \nplain\n");
    }

    #[test]
    fn filters() {
        fidelity::fidelity!("core-local-10");
        let count = |arguments: &[&str]| get(arguments).out.lines().count();
        assert_eq!(count(&["--filter", "level=INFO"]), 2);
        assert_eq!(count(&["--filter", "level=WARN"]), 1);
        assert_eq!(count(&["--filter", "one,two"]), 2);
        assert_eq!(count(&["--filter", "one", "--filter", "two"]), 0);
        assert_eq!(count(&["--filter", "two", "--before", "1"]), 2);
        assert_eq!(count(&["--filter", "one", "--after", "1"]), 2);
        assert_eq!(count(&["--time-window", "2022-03-23T10:53:24,2022-03-23T10:53:25", "--filter", "o"]), 1);
        assert_eq!(get(&["--filter", "a=b=c"]).code, 1);
        let nothing = super::get(&Given::default());
        assert!(nothing.err.contains("No valid log input. Please provide a log file or directory."));
    }

    #[test]
    fn times() {
        fidelity::fidelity!("core-local-10");
        let now = datetime!(2022-03-23 10:00:00 UTC);
        let read = |text: &str| read_time(text, now).unwrap();
        assert_eq!(read("-1d2h"), datetime!(2022-03-22 12:00:00 UTC));
        assert_eq!(read("2022-03-23"), datetime!(2022-03-23 0:00:00 UTC));
        assert_eq!(read("2022-03-23T10:53:24Z"), datetime!(2022-03-23 10:53:24 UTC));
        assert_eq!(read("11:12:13"), datetime!(2022-03-23 11:12:13 UTC));
        assert_eq!(read_time("soon", now).unwrap_err(), "Cannot parse: soon");
    }
}
