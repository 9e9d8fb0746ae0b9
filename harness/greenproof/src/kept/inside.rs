//! On the device of a kept environment: a command or a shell, in the place of a component's scripts.
//!
//! What such a script gets (user, folder, environment) the core says itself: `greenproof enter` asks it in the device's
//! container and becomes the command. A command that its person gives up is ended, so that nothing of it stays there.

mod terminal;

use crate::{
    core::Core,
    docker::{Attached, Engine, Errand, Printed},
    environment::{ROOT, Standing},
    mint,
    stage::Error,
};
use futures_util::StreamExt;
use std::io::{Read, Write};
use terminal::Raw;
use tokio::{
    io::AsyncWriteExt,
    signal::unix::{Signal, SignalKind, signal},
};

/// Where a command's process is noted; a folder in memory that every container has, and that no fault takes away.
const NOTES: &str = "/dev/shm";

/// A shell that adds nothing to its environment: no profile, no start file.
const SHELL: &str = "command -v bash > /dev/null && exec bash --noprofile --norc -i; exec sh -i";

/// Follows a file. The end of its input, which the engine gives it when whoever reads is gone, ends it. By events tail misses a
/// file that is made right after another was renamed, so it has to look.
const FOLLOW: &str = "tail --quiet --bytes=+0 --sleep-interval=0.1 ---disable-inotify --follow=name --retry -- \"$0\" \
2> /dev/null & cat > /dev/null; kill $!; wait";

/// In whose place somebody works on the device.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The component; without one, the components' user in its home.
    pub component: Option<String>,
    /// As root.
    pub root: bool,
}

/// How work on the device ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Code(i64),
    /// Its person gave it up.
    Interrupted,
}

/// Runs a command: it reads standard input, and prints as it goes.
///
/// # Errors
/// When it can't be started; its own failure is an exit code.
pub async fn exec(engine: &Engine, standing: &Standing, place: &Place, command: &[String]) -> Result<Ended, Error> {
    let work = Work::begin(engine, standing, place, command, None).await?;
    work.follow().await
}

/// Opens a shell on this process's terminal.
///
/// # Errors
/// When there is no terminal, or the shell can't be started.
pub async fn shell(engine: &Engine, standing: &Standing, place: &Place, kind: &str) -> Result<Ended, Error> {
    let failed = |error: std::io::Error| {
        Error::surrounding("opening a shell", error, "run it in a terminal, or use `greenproof exec`")
    };
    let size = terminal::size().map_err(failed)?;
    let command = ["sh", "-c", SHELL].map(str::to_owned);
    let work = Work::begin(engine, standing, place, &command, Some((kind, size))).await?;
    let _raw = Raw::set().map_err(failed)?;
    work.follow().await
}

/// A log of the device as it is, or as it grows: across rotation, and from its beginning if it is not there yet.
///
/// # Errors
/// When the engine refuses.
pub async fn logs(engine: &Engine, standing: &Standing, name: &str, follow: bool) -> Result<Ended, Error> {
    let file = format!("{ROOT}/logs/{name}.log");
    let command = if follow { vec!["sh", "-c", FOLLOW, &file] } else { vec!["cat", "--", &file] };
    let command: Vec<_> = command.into_iter().map(str::to_owned).collect();
    let errand = Errand { argv: command, ..Errand::default() };
    let attached = engine.attach(&standing.device, errand).await?;
    let note = String::new();
    Work { engine, standing, attached, note }.follow_output().await
}

/// A command that runs on the device.
struct Work<'a> {
    engine: &'a Engine,
    standing: &'a Standing,
    attached: Attached,
    /// The file that says which process it is.
    note: String,
}

/// What a person does while a command runs.
enum Done {
    Typed(Option<Vec<u8>>),
    Resized,
    GaveUp,
}

impl<'a> Work<'a> {
    async fn begin(
        engine: &'a Engine,
        standing: &'a Standing,
        place: &Place,
        command: &[String],
        terminal: Option<(&str, (u16, u16))>,
    ) -> Result<Self, Error> {
        let note = format!("{NOTES}/greenproof-{}", mint::name(8));
        let core = standing.record.core;
        let (user, home) =
            if place.root || place.component.is_some() { ("", "/root") } else { (core.user(), core.home()) };
        let size =
            terminal.map(|(_, (rows, columns))| format!("stty rows {rows} cols {columns}; ")).unwrap_or_default();
        let script = format!("echo $$ > \"$1\"; shift; {size}exec \"$@\"");
        let mut argv = words(&["sh", "-c", &script, "sh", &note]);
        match &place.component {
            Some(name) if core == Core::Emulated => {
                argv.extend(words(&["greenproof", "enter"]));
                argv.extend(place.root.then(|| "--root".to_owned()));
                if let Some((kind, _)) = terminal {
                    argv.extend(words(&["--terminal", kind]));
                }
                argv.extend([name.clone(), "--".to_owned()]);
            }
            Some(name) => {
                let cause = format!("only the emulated core says what `{name}` gets, and this one is `{core}`");
                return Err(Error::surrounding("entering the component", cause, "leave the component's name out"));
            }
            None => {}
        }
        argv.extend(command.iter().cloned());
        let env = [Some(("HOME", home.to_owned())), terminal.map(|(kind, _)| ("TERM", kind.to_owned()))];
        let errand = Errand { user, argv, env: env.into_iter().flatten().collect(), tty: terminal.is_some() };
        let attached = engine.attach(&standing.device, errand).await?;
        Ok(Self { engine, standing, attached, note })
    }

    /// Passes on what is typed and printed until the command ends or its person gives it up.
    async fn follow(mut self) -> Result<Ended, Error> {
        let mut person = Person::of_this_process()?;
        loop {
            tokio::select! {
                part = self.attached.output.next() => match part {
                    Some(part) => print(&part?)?,
                    None => break,
                },
                done = person.next() => match done {
                    Done::Typed(Some(bytes)) => self.type_in(&bytes).await,
                    // The end of its input: it may go on all the same.
                    Done::Typed(None) => _ = self.attached.input.shutdown().await,
                    Done::Resized => if let Ok(size) = terminal::size() {
                        self.engine.resize(&self.attached, size).await;
                    },
                    Done::GaveUp => {
                        self.end().await?;
                        return Ok(Ended::Interrupted);
                    }
                },
            }
        }
        let code = self.engine.ended(&self.attached).await?;
        self.forget().await?;
        Ok(Ended::Code(code))
    }

    /// Prints what comes.
    async fn follow_output(mut self) -> Result<Ended, Error> {
        while let Some(part) = self.attached.output.next().await {
            print(&part?)?;
        }
        Ok(Ended::Code(self.engine.ended(&self.attached).await?))
    }

    /// A command that has ended reads no more.
    async fn type_in(&mut self, bytes: &[u8]) {
        if self.attached.input.write_all(bytes).await.is_ok() {
            _ = self.attached.input.flush().await;
        }
    }

    /// Ends the command: SIGTERM to its first process, which passes it on if it is sudo.
    async fn end(&self) -> Result<(), Error> {
        let script = "kill -TERM \"$(cat \"$0\")\"; rm -f \"$0\"";
        self.engine.exec(&self.standing.device.id, "", &["sh", "-c", script, &self.note], &[]).await?;
        Ok(())
    }

    async fn forget(&self) -> Result<(), Error> {
        self.engine.exec(&self.standing.device.id, "", &["rm", "-f", &self.note], &[]).await?;
        Ok(())
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn print(part: &Printed) -> Result<(), Error> {
    let written = match part {
        Printed::Out(bytes) => to(&mut std::io::stdout().lock(), bytes),
        Printed::Err(bytes) => to(&mut std::io::stderr().lock(), bytes),
    };
    written.map_err(|error| Error::surrounding("printing what the command says", error, ""))
}

fn to(stream: &mut dyn Write, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// Who types, resizes and gives up.
struct Person {
    typed: tokio::sync::mpsc::Receiver<Vec<u8>>,
    at_end: bool,
    resized: Signal,
    given_up: [Signal; 3],
}

impl Person {
    fn of_this_process() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(|error| Error::surrounding("listening for signals", error, ""));
        let (sender, typed) = tokio::sync::mpsc::channel(16);
        // A thread that nobody waits for: a read from a terminal can't be given up.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = std::io::stdin().read(&mut buffer) {
                if sender.blocking_send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            typed,
            at_end: false,
            resized: listen(SignalKind::window_change())?,
            given_up: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            ],
        })
    }

    async fn next(&mut self) -> Done {
        let [interrupt, terminate, hangup] = &mut self.given_up;
        tokio::select! {
            typed = self.typed.recv(), if !self.at_end => {
                self.at_end = typed.is_none();
                Done::Typed(typed)
            }
            _ = self.resized.recv() => Done::Resized,
            _ = interrupt.recv() => Done::GaveUp,
            _ = terminate.recv() => Done::GaveUp,
            _ = hangup.recv() => Done::GaveUp,
        }
    }
}
