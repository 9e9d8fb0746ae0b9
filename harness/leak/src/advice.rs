//! How a leak is closed, by where it stands.

use crate::found::Place;

/// What to do about a secret in this place.
#[must_use]
pub(crate) fn close(place: &Place) -> String {
    match place {
        Place::Arguments { .. } => {
            "keep it out of URLs and options: let GIT_ASKPASS read it from a private file, or use a deploy key"
        }
        Place::Environment { variable, .. } if variable == "SUDO_COMMAND" => {
            "keep it out of the script's text, which sudo hands on: let the script fetch it itself"
        }
        Place::Environment { .. } => {
            "hand it over in a file of mode 0600 that is deleted at once: processes of one user read each other's environment"
        }
        Place::File { path, inside, .. } => in_file(inside.last().unwrap_or(path), !inside.is_empty()),
        Place::Name { .. } => "never make a file's name of it",
        Place::Deleted { .. } => "end the program that has it open, and write it to a private folder in memory",
        Place::Document { .. } => "put its ARN there and fetch it on the device from Secrets Manager",
        Place::Log { .. } => "don't print it: a newer pip masks URLs, `set -x` and GIT_TRACE must be off; then revoke it",
        Place::Bytes { .. } => "find the file that it is of, revoke the secret, and overwrite the free blocks",
    }
    .to_owned()
}

fn in_file(path: &str, packed: bool) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let within = |part: &str| path.contains(part);
    let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
    if path.ends_with(".git/config") && packed {
        "don't pack a checkout: build a wheel, or fetch without a token in the URL"
    } else if within("pip-req-build-") || within("pip-install-") {
        "fetch without a token in the URL (GIT_ASKPASS), and remove what a killed pip left in /tmp"
    } else if path.ends_with(".git/config") {
        "set the remote's URL without the token (git remote set-url), or fetch with GIT_ASKPASS"
    } else if name == ".netrc" || name == ".git-credentials" || name == ".pypirc" {
        "write it for the one call, with mode 0600, and delete it after"
    } else if within("config.tlog") || within("effectiveConfig.yaml") || within("/config/") && within("greengrass") {
        "put its ARN into the configuration and fetch it on the device; a core keeps old values until its log is cut"
    } else if name.ends_with("_history") {
        "type it never; clear the history"
    } else if name.starts_with("core") && kind != "log" {
        "set `ulimit -c 0` for what handles secrets, and remove the dump"
    } else if within("/log/") || within("/logs/") || kind == "log" || name == "syslog" {
        "don't print it: a newer pip masks URLs, `set -x` and GIT_TRACE must be off; then remove the line and revoke it"
    } else if within("/.cache/pip") || kind == "whl" {
        "install with --no-cache-dir, and build the wheel without the checkout's configuration"
    } else if ["pem", "key"].contains(&kind) || name.starts_with("id_") {
        "keep it on the device only if the device needs it, with mode 0600 in a folder of mode 0700"
    } else {
        "remove the file, revoke the secret, and write it to a private folder that is deleted when the step ends"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_of_the_place() {
        let file = |path: &str, inside: &[&str]| {
            let inside = inside.iter().map(|&name| name.to_owned()).collect();
            close(&Place::File { path: path.to_owned(), inside, line: 1 })
        };
        for (advice, word) in [
            (file("/tmp/pip-req-build-x/.git/config", &[]), "killed pip"),
            (file("/src/x/.git/config", &[]), "set-url"),
            (file("/tmp/p.zip", &["x/.git/config"]), "build a wheel"),
            (file("/greengrass/v2/config/config.tlog", &[]), "its ARN"),
            (file("/greengrass/v2/logs/com.example.A.log", &[]), "don't print"),
            (file("/home/ggc_user/.netrc", &[]), "0600"),
            (file("/var/crash/core.1234", &[]), "ulimit"),
            (close(&Place::Arguments { program: "git".into() }), "GIT_ASKPASS"),
            (close(&Place::Environment { program: "git".into(), variable: "SUDO_COMMAND".into() }), "sudo"),
        ] {
            assert!(advice.contains(word), "{advice}");
        }
    }
}
