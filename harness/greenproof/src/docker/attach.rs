//! A command in a container with all its streams: what goes in, what comes out as it comes, and how it ended.

use super::{Container, Engine, ExecOutput, error::Error};
use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, StartExecOptions, StartExecResults},
    query_parameters::ResizeExecOptionsBuilder,
};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use std::{fmt, pin::Pin};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// A command to run.
#[derive(Clone, Debug, Default)]
pub struct Errand<'a> {
    /// A name or `uid:gid`; empty for the image's.
    pub user: &'a str,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Environment variables beyond the container's.
    pub env: Vec<(&'a str, String)>,
    /// Whether it gets a terminal.
    pub tty: bool,
}

/// A piece of what a command prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Printed {
    /// To standard output, or to its terminal.
    Out(Vec<u8>),
    /// To standard error.
    Err(Vec<u8>),
}

/// A command that runs, with its streams. It goes on in the container when this is dropped.
pub struct Attached {
    id: String,
    /// What it reads; shutting it down is the end of its input.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// What it prints.
    pub output: BoxStream<'static, Result<Printed, Error>>,
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attached({})", self.id)
    }
}

impl Engine {
    /// Starts a command in a container and stays connected to it.
    ///
    /// # Errors
    /// [`Error::Engine`] if the command can't be started.
    pub async fn attach(&self, container: &Container, errand: Errand<'_>) -> Result<Attached, Error> {
        let program = errand.argv.first().cloned().unwrap_or_default();
        let doing = || format!("running `{program}` in container `{}`", container.name);
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(errand.tty),
            user: (!errand.user.is_empty()).then(|| errand.user.to_owned()),
            cmd: Some(errand.argv),
            env: Some(errand.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            ..CreateExecOptions::default()
        };
        let id = self.docker.create_exec(&container.id, options).await.map_err(Error::engine(doing()))?.id;
        let start = StartExecOptions { tty: errand.tty, ..StartExecOptions::default() };
        let started = self.docker.start_exec(&id, Some(start)).await.map_err(Error::engine(doing()))?;
        let (output, input) = match started {
            StartExecResults::Attached { output, input } => (output, input),
            StartExecResults::Detached => (futures_util::stream::empty().boxed(), Box::pin(tokio::io::sink()) as _),
        };
        let doing = doing();
        let output = output.map(move |part| match part.map_err(Error::engine(doing.clone()))? {
            LogOutput::StdErr { message } => Ok(Printed::Err(message.to_vec())),
            other => Ok(Printed::Out(other.into_bytes().to_vec())),
        });
        Ok(Attached { id, input, output: output.boxed() })
    }

    /// Gives a line to a command that answers each by a line, and waits for the answer; of one that ends instead, its end. No
    /// other process can read the line, as it could an argument.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine loses the command.
    pub async fn hand(&self, attached: &mut Attached, line: &str) -> Result<Result<String, ExecOutput>, Error> {
        let asked = async {
            attached.input.write_all(format!("{line}\n").as_bytes()).await?;
            attached.input.flush().await
        };
        if let Err(error) = asked.await {
            // Its exit code and its words say why it did not read the line.
            tracing::debug!(%error, "giving a line to a command");
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(printed) = attached.output.try_next().await? {
            match printed {
                Printed::Out(bytes) => stdout.extend(bytes),
                Printed::Err(bytes) => stderr.extend(bytes),
            }
            if stdout.ends_with(b"\n") {
                return Ok(Ok(text(stdout)));
            }
        }
        Ok(Err(ExecOutput { exit_code: self.ended(attached).await?, stdout: text(stdout), stderr: text(stderr) }))
    }

    /// The exit code of a command whose output has ended.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine does not say.
    pub async fn ended(&self, attached: &Attached) -> Result<i64, Error> {
        self.exit_code(&attached.id).await.map_err(Error::engine("asking how a command ended"))
    }

    /// Gives a command's terminal another size. One that has ended has none.
    pub async fn resize(&self, attached: &Attached, (rows, columns): (u16, u16)) {
        let options = ResizeExecOptionsBuilder::new().h(rows.into()).w(columns.into()).build();
        if let Err(error) = self.docker.resize_exec(&attached.id, options).await {
            tracing::debug!(%error, "resizing a terminal");
        }
    }
}
