//! A container's disk, as it comes from the engine, and what its processes were given.

use super::Secrets;
use crate::{
    docker::{Container, Engine},
    stage::Error,
};
use bytes::{Buf, Bytes};
use leak::{Access, Limits, Place, Survey, Surveyed, variables, words};
use std::io::{self, Read};
use tokio::sync::mpsc::{self, Receiver};

/// Prints of each process its number, owner and name, then its arguments and environment in hexadecimal digits.
const PROCESSES: &str = r#"for d in /proc/[0-9]*; do p=${d#/proc/}; [ "$p" = "$$" ] && continue
o=$(stat -c "%u %g" "$d" 2>/dev/null) || continue
echo "P $o $(cat "$d/comm")"; echo A; od -An -v -tx1 "$d/cmdline"; echo E; od -An -v -tx1 "$d/environ"; done 2>/dev/null; echo ."#;

/// Searches all of it, and these texts.
pub(super) async fn survey(
    engine: &Engine,
    name: &str,
    secrets: &Secrets,
    texts: Vec<(Place, String)>,
) -> Result<Surveyed, Error> {
    let (container, mounts) = engine.find(name).await?;
    let processes = processes(engine, &container).await?;
    let (sender, receiver) = mpsc::channel(4);
    let search = secrets.search();
    let work = || {
        let mut survey = Survey::new(search, Limits::default());
        survey.disk(&mut Received { receiver, piece: Bytes::new() })?;
        for (place, text) in texts {
            survey.text(&place, text.as_bytes(), None);
        }
        for folder in &mounts {
            survey.unsearched(folder, "a mounted folder is not of the container's disk".to_owned());
        }
        match processes {
            Ok(processes) => processes.iter().for_each(|process| process.search(&mut survey)),
            Err(why) => survey.unsearched("its processes", why),
        }
        Ok::<_, io::Error>(survey.finish())
    };
    let failed = |error: io::Error| Error::surrounding(&format!("reading the disk of container `{name}`"), error, "");
    // The search waits for the export, so that has a task of its own.
    let exported = tokio::spawn({
        let engine = engine.clone();
        async move { engine.export(&container, sender).await }
    });
    let surveyed = tokio::task::block_in_place(work);
    exported.await.map_err(|error| failed(io::Error::other(error)))??;
    surveyed.map_err(failed)
}

/// What a process was given.
#[derive(Debug, Default)]
struct Process {
    program: String,
    uid: u32,
    gid: u32,
    arguments: Vec<u8>,
    environment: Vec<u8>,
}

impl Process {
    fn search(&self, survey: &mut Survey<'_>) {
        let program = self.program.clone();
        let everyone = Access::new(0o444, self.uid, self.gid);
        survey.text(&Place::Arguments { program: program.clone() }, &words(&self.arguments), Some(everyone));
        for (name, entry) in variables(&self.environment) {
            let place = Place::Environment { program: program.clone(), variable: name.into_owned() };
            survey.text(&place, entry, Some(Access::new(0o400, self.uid, self.gid)));
        }
    }
}

/// The processes of a container, or why they can't be seen.
async fn processes(engine: &Engine, container: &Container) -> Result<Result<Vec<Process>, String>, Error> {
    if !engine.state(&container.id).await?.running {
        return Ok(Ok(Vec::new()));
    }
    Ok(match engine.exec(&container.id, "0", &["sh", "-c", PROCESSES], &[]).await {
        Ok(output) if output.stdout.ends_with(".\n") => Ok(parsed(&output.stdout)),
        Ok(output) => Err(format!("its shell does not list them: exit code {}", output.exit_code)),
        Err(error) => Err(format!("they can't be listed: {error}")),
    })
}

fn parsed(text: &str) -> Vec<Process> {
    let mut processes: Vec<Process> = Vec::new();
    let mut environment = false;
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("P ") {
            let mut words = head.splitn(3, ' ');
            let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
            let (uid, gid) = (number(), number());
            let program = words.next().unwrap_or_default().to_owned();
            processes.push(Process { program, uid, gid, ..Process::default() });
            continue;
        }
        let Some(process) = processes.last_mut() else { continue };
        match line {
            "A" => environment = false,
            "E" => environment = true,
            _ => {
                let bytes = line.split_whitespace().filter_map(|digits| u8::from_str_radix(digits, 16).ok());
                let into = if environment { &mut process.environment } else { &mut process.arguments };
                into.extend(bytes);
            }
        }
    }
    processes
}

/// Reads what comes.
struct Received {
    receiver: Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Received {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(into.len());
        self.piece.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_read() {
        let text = "P 0 0 sh\nA\n 73 68 00\nE\n 41 3d\n 62 00\nP 998 997 git remote-http\nA\nE\n.\n";
        let processes = parsed(text);
        assert_eq!(processes.len(), 2);
        assert_eq!(
            (processes[0].arguments.as_slice(), processes[0].environment.as_slice()),
            (&b"sh\0"[..], &b"A=b\0"[..])
        );
        assert_eq!((processes[1].program.as_str(), processes[1].uid, processes[1].gid), ("git remote-http", 998, 997));
    }
}
