//! Lines of both formats, as the nucleus writes them.

use super::*;

const C: &str = "com.example.GithubCustomPack";

fn only(log: &str) -> Printed {
    let mut printed = printed(log, Span::ALWAYS);
    let line = printed.next().expect("the line is a printed one");
    assert_eq!(printed.next(), None);
    line
}

#[test]
fn reads_the_line_that_a_run_prints() {
    let line = format!(
        "2022-03-23T10:53:25.020Z [INFO] (Copier) {C}: stdout. s3: Amazon S3. \
         {{scriptName=services.{C}.lifecycle.Run.Script, serviceName={C}, currentState=RUNNING}}"
    );
    let json = format!(
        r#"{{"thread":"Copier","level":"INFO","eventType":"stdout","message":"s3: Amazon S3","contexts":{{"scriptName":"services.{C}.lifecycle.Run.Script","serviceName":"{C}","currentState":"RUNNING"}},"loggerName":"{C}","timestamp":1648032805020,"cause":null}}"#
    );
    let text = "s3: Amazon S3".to_owned();
    let expected = Printed { stream: Some(Stream::Stdout), component: C.into(), step: "Run".into(), text };
    assert_eq!((only(&line), only(&json)), (expected.clone(), expected));
    assert_eq!(as_text(&json), line);
    assert_eq!((time_of(&line), time_of(&json)), (Some(1_648_032_805_020), Some(1_648_032_805_020)));
}

#[test]
fn the_echo_of_a_command_is_not_a_printed_line() {
    let line = format!(
        "2022-03-23T10:53:24Z [INFO] (pool-2-thread-19) {C}: shell-runner-start. \
         {{scriptName=services.{C}.lifecycle.Run.Script, serviceName={C}, currentState=STARTING, \
         command=[\"echo s3: Amazon S3\"]}}"
    );
    assert_eq!(printed(&line, Span::ALWAYS).count(), 0);
}

#[test]
fn a_line_may_hold_what_looks_like_a_context() {
    let line = format!(
        "2022-03-23T10:53:25Z [WARN] (Copier) {C}: stderr. a. {{x=1}}. b. \
         {{scriptName=services.{C}.lifecycle.run, serviceName={C}, currentState=RUNNING}}"
    );
    let seen = only(&line);
    assert_eq!((seen.text.as_str(), seen.step.as_str(), seen.stream), ("a. {x=1}. b", "run", Some(Stream::Stderr)));
}

#[test]
fn a_line_without_a_time_belongs_to_the_one_before() {
    let log = "2022-03-23T10:53:24.999Z [INFO] (a) b: {}\nfirst\n2022-03-23T10:53:25Z [INFO] (a) b: {}\nsecond\n";
    let of_whole_second = Span { from: 1_648_032_805_000, to: 1_648_032_805_000 };
    let lines: Vec<_> = written(log, of_whole_second).collect();
    assert_eq!(lines, ["2022-03-23T10:53:25Z [INFO] (a) b: {}", "second"]);
}

/// A log of the nucleus, a line a second.
fn nucleus(lines: &[&str]) -> String {
    let line = |(second, line): (usize, &&str)| format!("2022-03-23T10:53:{second:02}Z [INFO] (main) x: {line}\n");
    lines.iter().enumerate().map(line).collect()
}

#[test]
fn a_closed_component_is_absent_until_it_comes_anew() {
    let log = nucleus(&[
        "system-start. Launch Nucleus. {}",
        "service-set-state. {serviceName=A, currentState=NEW, newState=INSTALLED}",
        "service-close. Service is now closing. {serviceName=A, currentState=INSTALLED}",
        "service-set-state. {serviceName=A, currentState=STOPPING, newState=FINISHED}",
        "service-set-state. {serviceName=A, currentState=NEW, newState=INSTALLED}",
        "system-start. Launch Nucleus. {}",
        "service-set-state. {serviceName=A, currentState=INSTALLED, newState=UNINSTALLING}",
    ]);
    let at = |second: i64| present(&log, 1_648_032_780_000 + second * 1000).into_values().next();
    let expected = [None, Some("INSTALLED"), None, None, Some("INSTALLED"), None];
    assert_eq!([0, 1, 2, 3, 4, 5].map(at), expected.map(|state| state.map(str::to_owned)));
    assert_eq!(states(&log)["A"], "INSTALLED");
    assert_eq!(started(&log), Some(1_648_032_785_000));
}
