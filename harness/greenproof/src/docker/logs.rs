//! A container's output as lines.

use super::{Container, Engine, error::Error};
use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, StartExecResults},
    query_parameters::LogsOptionsBuilder,
};
use futures_util::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// Lines of a container's standard output, from its start until it stops. A line may be as long as it likes: the
/// engine's own limit of 16 KiB is mended here.
pub struct LogLines {
    source: Option<BoxStream<'static, Result<LogOutput, bollard::errors::Error>>>,
    container: String,
    rest: Vec<u8>,
    ready: VecDeque<String>,
}

impl fmt::Debug for LogLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogLines({})", self.container)
    }
}

impl LogLines {
    fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        self.ready.extend(whole[..end].split(|byte| *byte == b'\n').map(line));
    }

    fn finish(&mut self) {
        self.source = None;
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.ready.push_back(line(&rest));
        }
    }
}

fn line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Stream for LogLines {
    type Item = Result<String, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(line)));
            }
            let Some(source) = &mut self.source else { return Poll::Ready(None) };
            match std::task::ready!(source.poll_next_unpin(context)) {
                Some(Ok(output)) => self.push(output.as_ref()),
                None => self.finish(),
                Some(Err(error)) => {
                    self.finish();
                    let doing = format!("following the log of container `{}`", self.container);
                    return Poll::Ready(Some(Err(Error::engine(doing)(error))));
                }
            }
        }
    }
}

impl Engine {
    /// The lines of a container's standard output so far.
    ///
    /// # Errors
    /// [`Error::Engine`] if there is no such container.
    pub async fn read_logs(&self, container: &Container) -> Result<Vec<String>, Error> {
        self.read(container, LogsOptionsBuilder::new().follow(false).stdout(true)).await
    }

    /// The lines of all that a container has written so far.
    ///
    /// # Errors
    /// [`Error::Engine`] if there is no such container.
    pub async fn read_output(&self, container: &Container) -> Result<Vec<String>, Error> {
        self.read(container, LogsOptionsBuilder::new().follow(false).stdout(true).stderr(true)).await
    }

    /// The lines of all that a container, by its name, has written since a time, in whole seconds since 1970.
    ///
    /// # Errors
    /// [`Error::Engine`] if there is no such container.
    pub async fn read_output_since(&self, name: &str, time: i32) -> Result<Vec<String>, Error> {
        let container = Container { id: name.to_owned(), name: name.to_owned() };
        self.read(&container, LogsOptionsBuilder::new().follow(false).stdout(true).stderr(true).since(time)).await
    }

    async fn read(&self, container: &Container, options: LogsOptionsBuilder) -> Result<Vec<String>, Error> {
        let options = options.build();
        let source = Some(self.docker.logs(&container.id, Some(options)).boxed());
        LogLines { source, container: container.name.clone(), rest: Vec::new(), ready: VecDeque::new() }
            .try_collect()
            .await
    }

    /// Follows a container's standard output from its first line; ends when the container stops.
    #[must_use]
    pub fn follow_logs(&self, container: &Container) -> LogLines {
        let options = LogsOptionsBuilder::new().follow(true).stdout(true).build();
        LogLines {
            source: Some(self.docker.logs(&container.id, Some(options)).boxed()),
            container: container.name.clone(),
            rest: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// Runs a command in a container, as its user; gives what it prints to standard output as it prints it.
    ///
    /// # Errors
    /// [`Error::Engine`] if the command can't be started.
    pub async fn follow_command(&self, container: &Container, argv: &[&str]) -> Result<LogLines, Error> {
        let doing =
            || format!("running `{}` in container `{}`", argv.first().copied().unwrap_or_default(), container.name);
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            cmd: Some(argv.iter().map(|&word| word.to_owned()).collect()),
            ..CreateExecOptions::default()
        };
        let id = self.docker.create_exec(&container.id, options).await.map_err(Error::engine(doing()))?.id;
        let source = match self.docker.start_exec(&id, None).await.map_err(Error::engine(doing()))? {
            StartExecResults::Attached { output, .. } => Some(output.boxed()),
            StartExecResults::Detached => None,
        };
        Ok(LogLines { source, container: container.name.clone(), rest: Vec::new(), ready: VecDeque::new() })
    }

    /// The last lines that a container wrote to either output, for a message. Empty if there is no such container.
    pub async fn last_lines(&self, container: &str, count: u32) -> String {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&count.to_string()).build();
        let mut output = self.docker.logs(container, Some(options)).boxed();
        let mut text = Vec::new();
        while let Some(Ok(part)) = output.next().await {
            text.extend_from_slice(part.as_ref());
        }
        String::from_utf8_lossy(&text).trim_end().to_owned()
    }
}

/// The last lines of a program's output.
#[derive(Debug)]
pub(crate) struct Tail(VecDeque<String>);

impl Tail {
    const LINES: usize = 40;

    pub(crate) fn new() -> Self {
        Self(VecDeque::with_capacity(Self::LINES))
    }

    pub(crate) fn push(&mut self, line: &str) {
        if self.0.len() == Self::LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }

    pub(crate) fn text(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_over_chunks() {
        let mut lines = LogLines { source: None, container: String::new(), rest: Vec::new(), ready: VecDeque::new() };
        lines.push(b"one\ntw");
        lines.push(b"o");
        lines.push("\n\nthr\u{e9}e".as_bytes());
        lines.finish();
        assert_eq!(lines.ready, ["one", "two", "", "thr\u{e9}e"]);
    }
}
