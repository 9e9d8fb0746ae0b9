//! The nucleus's log files: what is written where, filtered and configured as the real one does.
//!
//! A [`Line`] is told to [`Logs`], which drops it below the configured level, renders it as text or JSON and appends it
//! to the file of the nucleus or of the component; files are rotated by hour and size. A disk that refuses a line costs
//! that line and nothing else. Settings are those of `logging` in the nucleus's configuration and may change at any
//! time.
//!
//! With `outputType: CONSOLE` everything goes to `loader.log`, where a nucleus that runs as a service has its output.

mod appender;
mod context;
mod line;
mod settings;

pub(crate) use context::{hash_order, java_order};
pub(crate) use line::{Cause, Line, command, instant};

use crate::{clock::Clock, tree};
use appender::{Appender, Limits};
use serde_json::Value;
use settings::{Format, Output, Settings};
use std::{
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use time::OffsetDateTime;

/// Logger of what is said about the logging configuration.
const LOGGER: &str = "com.aws.greengrass.deployment.DeviceConfiguration";
/// How often the size of a file is looked at.
const CHECK: Duration = Duration::from_secs(2);
/// The nucleus's own file.
const NUCLEUS: &str = "greengrass";
/// The file that takes a service's standard output.
const LOADER: &str = "loader";
/// Size of the thread pool whose names script lines carry.
const POOL: u32 = 25;

/// The log files.
#[derive(Debug)]
pub(crate) struct Logs {
    /// Where they are unless the configuration says otherwise.
    folder: PathBuf,
    /// How often the size of a file is looked at, in the world's time.
    check: Duration,
    state: Mutex<State>,
    pool: AtomicU32,
    /// Who is told each line besides.
    told: Option<Mutex<Told>>,
}

/// Who is told each line besides.
struct Told(Box<dyn io::Write + Send>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl Told {
    /// Tells what a file has more, below its name, as `tail --verbose` tells of several files.
    fn tell(&mut self, file: &str, text: &str) -> io::Result<()> {
        write!(self.0, "\n==> {file}.log <==\n{text}")?;
        self.0.flush()
    }
}

#[derive(Debug, Default)]
struct State {
    /// The section that was applied last.
    section: Option<Value>,
    settings: Settings,
    appenders: HashMap<String, Appender>,
}

impl Logs {
    /// Uses `folder`, which must exist, with the default settings.
    pub(crate) fn at(folder: &Path, clock: Clock) -> Self {
        let (state, pool) = (Mutex::default(), AtomicU32::new(0));
        Self { folder: folder.into(), check: clock.real(CHECK), state, pool, told: None }
    }

    /// The same, which also tells somebody each line.
    pub(crate) fn telling(self, whom: Box<dyn io::Write + Send>) -> Self {
        Self { told: Some(Mutex::new(Told(whom))), ..self }
    }

    #[cfg(test)]
    pub(crate) fn new(folder: &Path) -> Self {
        Self::at(folder, Clock::default())
    }

    /// Follows the `logging` section of the nucleus's configuration, at the start and whenever it changes; one that isn't
    /// valid is told and changes nothing.
    pub(crate) fn configure(&self, nucleus: &Value) {
        let section = tree::get(nucleus, "logging");
        if std::mem::replace(&mut self.state().section, section.cloned()).as_ref() == section {
            return;
        }
        let settings = match Settings::read(section) {
            Ok(settings) => settings,
            Err(cause) => {
                let line = Line::error(LOGGER).message("Unable to parse logging config.").cause(cause);
                let section = section.map(Value::to_string).unwrap_or_default();
                return self.nucleus(&line.with("logging-config", section));
            }
        };
        let made = settings.directory.as_deref().map_or(Ok(()), |folder| fs::create_dir_all(self.folder_of(folder)));
        let mut state = self.state();
        if !state.settings.same_files(&settings) {
            state.appenders.clear();
        }
        state.settings = settings;
        drop(state);
        if let Err(error) = made {
            let line = Line::error(LOGGER).message("Unable to initialize logger output directory path");
            self.nucleus(&line.cause(Cause::io(&error)));
        }
    }

    /// Name of the next thread of the executor that runs scripts and callbacks.
    pub(crate) fn pool_thread(&self) -> String {
        format!("pool-2-thread-{}", self.pool.fetch_add(1, Ordering::Relaxed) % POOL + 1)
    }

    /// Makes a component's log file, empty until its scripts say something.
    pub(crate) fn open(&self, component: &str) {
        let mut state = self.state();
        if state.settings.output == Output::File
            && let Err(error) = self.appender(&mut state, component).open()
        {
            tracing::error!(%error, component, "opening a log");
        }
    }

    /// Writes to `greengrass.log`.
    pub(crate) fn nucleus(&self, line: &Line) {
        self.write(NUCLEUS, line);
    }

    /// Writes to the component's own log.
    pub(crate) fn component(&self, name: &str, line: &Line) {
        self.write(name, line);
    }

    fn write(&self, name: &str, line: &Line) {
        let now = OffsetDateTime::now_utc();
        let mut state = self.state();
        if line.level() < state.settings.level {
            return;
        }
        let text = match state.settings.format {
            Format::Text => line.text(now),
            Format::Json => line.json(now),
        };
        let name = if state.settings.output == Output::Console { LOADER } else { name };
        if let Err(error) = self.appender(&mut state, name).write(now, text.as_bytes()) {
            tracing::error!(%error, name, "writing a log line");
        }
        // Told while the files are held, so that nobody is told in another order. Who no longer listens misses it.
        if let Some(told) = &self.told {
            _ = told.lock().unwrap_or_else(PoisonError::into_inner).tell(name, &text);
        }
    }

    fn appender<'a>(&self, state: &'a mut State, name: &str) -> &'a mut Appender {
        let State { settings, appenders, .. } = state;
        if !appenders.contains_key(name) {
            let folder = settings.directory.as_deref().map_or(self.folder.clone(), |folder| self.folder_of(folder));
            let limits = Limits { file: settings.file_size, total: settings.total_size, check: self.check };
            appenders.insert(name.into(), Appender::new(folder, name, limits));
        }
        appenders.get_mut(name).expect("it was inserted above")
    }

    /// A configured folder; a relative one starts at the nucleus's root.
    fn folder_of(&self, configured: &Path) -> PathBuf {
        self.folder.parent().unwrap_or(&self.folder).join(configured)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fidelity::fidelity;
    use serde_json::json;

    fn logs() -> (tempfile::TempDir, Logs) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("logs")).unwrap();
        let logs = Logs::new(&root.path().join("logs"));
        (root, logs)
    }

    fn read(root: &tempfile::TempDir, file: &str) -> String {
        fs::read_to_string(root.path().join(file)).unwrap_or_default()
    }

    #[test]
    fn the_level_silences_stdout_and_keeps_stderr() {
        fidelity!("core-log-6");
        let (root, logs) = logs();
        logs.configure(&json!({"logging": {"level": "WARN"}}));
        logs.component("A", &Line::info("A").event("stdout").message("out"));
        logs.component("A", &Line::warn("A").event("stderr").message("err"));
        let text = read(&root, "logs/A.log");
        assert!(text.contains("stderr. err. {}") && !text.contains("stdout"), "{text}");
    }

    #[test]
    fn settings_change_while_the_core_runs() {
        fidelity!("core-log-6");
        let (root, logs) = logs();
        logs.nucleus(&Line::info("x").message("one"));
        logs.configure(&json!({"logging": {"format": "JSON", "outputDirectory": "elsewhere"}}));
        logs.nucleus(&Line::info("x").message("two"));
        logs.configure(&json!({}));
        logs.nucleus(&Line::info("x").message("three"));
        let (first, second) = (read(&root, "logs/greengrass.log"), read(&root, "elsewhere/greengrass.log"));
        assert!(first.contains("x: one. {}\n") && first.ends_with("x: three. {}\n"), "{first}");
        assert!(second.starts_with('{') && second.contains(r#""message":"two""#), "{second}");
    }

    #[test]
    fn an_invalid_section_is_told_and_changes_nothing() {
        fidelity!("core-log-6");
        for (section, cause) in [
            (json!({"level": "warn"}), "No enum constant org.slf4j.event.Level.warn"),
            (json!({"colour": "red"}), "Unexpected value: colour"),
            (json!({"format": "XML"}), "No enum constant com.aws.greengrass.logging.impl.config.LogFormat.XML"),
        ] {
            let (root, logs) = logs();
            logs.configure(&json!({"logging": section}));
            let text = read(&root, "logs/greengrass.log");
            assert!(text.contains(" [ERROR] "), "{text}");
            assert!(text.contains(&format!("{LOGGER}: Unable to parse logging config.. {{logging-config=")), "{text}");
            assert!(text.ends_with(&format!("\njava.lang.IllegalArgumentException: {cause}\n")), "{text}");
        }
    }

    #[test]
    fn the_console_is_the_services_output() {
        fidelity!("core-log-6");
        let (root, logs) = logs();
        logs.configure(&json!({"logging": {"outputType": "CONSOLE"}}));
        logs.nucleus(&Line::info("x").message("one"));
        logs.component("A", &Line::info("A").event("stdout").message("two"));
        let text = read(&root, "logs/loader.log");
        assert!(text.contains("x: one. {}") && text.contains("A: stdout. two. {}"), "{text}");
        assert_eq!(read(&root, "logs/A.log"), "");
    }

    #[derive(Clone, Default)]
    struct Heard(std::sync::Arc<Mutex<Vec<u8>>>);

    impl io::Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_line_is_told_below_the_name_of_its_file() {
        fidelity!("fleet-4");
        let (root, logs) = logs();
        let heard = Heard::default();
        let logs = logs.telling(Box::new(heard.clone()));
        logs.nucleus(&Line::info("x").message("one"));
        logs.component("A", &Line::info("A").event("stdout").message("two"));
        let (core, component) = (read(&root, "logs/greengrass.log"), read(&root, "logs/A.log"));
        let told = String::from_utf8(heard.0.lock().unwrap().clone()).unwrap();
        assert_eq!(told, format!("\n==> greengrass.log <==\n{core}\n==> A.log <==\n{component}"));
    }

    #[test]
    fn a_disk_that_refuses_lines_costs_only_those_lines() {
        fidelity!("core-log-7");
        let (root, logs) = logs();
        fs::create_dir(root.path().join("logs/greengrass.log")).unwrap();
        logs.nucleus(&Line::info("x").message("lost"));
        fs::remove_dir(root.path().join("logs/greengrass.log")).unwrap();
        logs.nucleus(&Line::info("x").message("kept"));
        assert!(read(&root, "logs/greengrass.log").ends_with("x: kept. {}\n"));
    }
}
