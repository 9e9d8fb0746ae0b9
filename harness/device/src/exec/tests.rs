//! Processes for real, as our own user.

use super::*;
use crate::clock::Speed;
use fidelity::fidelity;
use std::{fs, sync::Mutex};
use tempfile::TempDir;

struct World {
    folder: TempDir,
    logs: Logs,
    said: Arc<Mutex<Vec<String>>>,
    ready: watch::Sender<bool>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { logs: Logs::new(folder.path()), folder, said: Arc::default(), ready: watch::Sender::new(false) }
    }

    fn start(&self, script: &str) -> Process {
        let (said, ready) = (self.said.clone(), self.ready.clone());
        let sink: Sink = Arc::new(move |_, line: &str| {
            said.lock().unwrap().push(line.to_owned());
            ready.send_replace(true);
        });
        self.plan(&["sh", "-c", script]).spawn(sink).unwrap()
    }

    fn plan(&self, command: &[&str]) -> Plan {
        Plan {
            sudo: Vec::new(),
            command: command.iter().map(|text| (*text).to_owned()).collect(),
            folder: self.folder.path().into(),
            environment: BTreeMap::new(),
        }
    }

    /// Waits for the first line.
    async fn up(&self) {
        self.ready.subscribe().wait_for(|ready| *ready).await.unwrap();
    }

    fn killer(&self, speed: f64) -> Killer<'_> {
        Killer { clock: Clock::new(Speed::try_from(speed).unwrap()), logs: &self.logs }
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_process_is_ended_with_its_children() {
    fidelity!("core-exec-4");
    let world = World::new();
    let process = world.start("sh -c 'echo up; exec sleep 60' & wait");
    world.up().await;
    assert_eq!(family::descendants(process.pid).len(), 1);
    let mut stubborn = false;
    assert!(process.close(world.killer(1.0), || stubborn = true).await);
    assert!(!stubborn);
    process.finished().await;
    assert!(process.is_finished() && family::descendants(process.pid).is_empty());
    assert_eq!(world.said(), ["up"]);
    let log = fs::read_to_string(world.folder.path().join("greengrass.log")).unwrap();
    assert!(log.contains(&format!("Killing child processes of pid {}, force is false. {{}}", process.pid)), "{log}");
    assert!(!log.contains("force is true"), "{log}");
}

#[tokio::test]
async fn a_process_that_minds_no_sigterm_is_killed() {
    fidelity!("core-exec-4");
    let world = World::new();
    let process = world.start("trap '' TERM; echo up; while :; do sleep 60; done");
    world.up().await;
    let mut stubborn = false;
    assert!(process.close(world.killer(10.0), || stubborn = true).await);
    assert!(stubborn);
    assert_eq!(process.exited().await, 137);
}

#[tokio::test]
async fn a_process_may_answer_sigterm() {
    fidelity!("core-exec-4");
    let world = World::new();
    let process = world.start("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done");
    world.up().await;
    assert!(process.close(world.killer(1.0), || {}).await);
    assert_eq!(process.finished().await, 3);
    assert_eq!(world.said().last().map(String::as_str), Some("bye"));
}

#[tokio::test]
async fn a_child_in_the_background_holds_the_end_back() {
    fidelity!("core-exec-5");
    let world = World::new();
    let process = world.start("sleep 60 & echo $!; exit 4");
    world.up().await;
    assert_eq!(process.exited().await, 4);
    assert!(!process.is_alive() && !process.is_finished());
    // A foreground step waits for each of the two pipes for five seconds.
    let clock = world.killer(1000.0).clock;
    let began = clock.now();
    assert_eq!(process.waited_for(clock).await, 4);
    assert!(clock.since(began) >= GRACE * 2);
    let child = world.said()[0].clone();
    Command::new("kill").arg(child).output().await.unwrap();
    assert_eq!(process.finished().await, 4);
    assert!(process.is_finished());
}

#[tokio::test]
async fn what_cannot_be_started_says_what_java_says() {
    fidelity!("core-exec-6");
    let world = World::new();
    let folder = world.folder.path().display().to_string();
    let nothing: Sink = Arc::new(|_, _| {});
    let mut plan = world.plan(&["sh", "-c", "true"]);
    plan.sudo = vec!["no-such-sudo".into()];
    let error = plan.spawn(nothing.clone()).unwrap_err();
    let missing = "error=2, No such file or directory";
    assert_eq!(
        plan.failure(&error),
        (format!("Cannot run program \"no-such-sudo\" (in directory \"{folder}\"): {missing}"), missing.into())
    );
    let plan = world.plan(&["sh", "-c", &"#".repeat(1 << 20)]);
    let error = plan.spawn(nothing).unwrap_err();
    assert_eq!(plan.failure(&error).1, "error=7, Argument list too long");
}
