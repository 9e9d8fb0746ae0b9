//! `github.com`: git over smart HTTP.
//!
//! The protocol itself is git's own: an admitted request is handed to `git http-backend` as a CGI program. What is
//! ours is the address, who is admitted ([`access`]) and GitHub's answers to those who are not.

use super::{
    access::{self, Caller, Refusal, Service},
    directory::Directory,
    server::{Reply, text},
};
use crate::world::Repository;
use bytes::Bytes;
use hyper::{Method, Request, Response, StatusCode, header, http::HeaderName};
use std::{io, path::Path, process::Stdio};
use tokio::{
    io::AsyncWriteExt as _,
    process::{ChildStdin, Command},
};

/// What is to be known of git on GitHub beyond its defaults, as configuration of one process.
///
/// GitHub serves partial clones (pip asks for one) and any commit by its hash. The repositories were put here by
/// another user than the one that serves them, which git takes for an attack.
pub(super) const CONFIGURATION: [(&str, &str); 3] =
    [("uploadpack.allowFilter", "true"), ("uploadpack.allowAnySHA1InWant", "true"), ("safe.directory", "*")];

/// What a path of `github.com` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'p> {
    owner: &'p str,
    name: &'p str,
    service: Service,
    /// What follows the repository in the path.
    tail: &'static str,
}

impl<'p> Target<'p> {
    /// Reads `/OWNER/NAME[.git]/info/refs?service=…` and `/OWNER/NAME[.git]/git-…-pack`; anything else is no git.
    pub(super) fn parse(method: &Method, path: &'p str, query: Option<&str>) -> Option<Self> {
        let (owner, rest) = path.strip_prefix('/')?.split_once('/')?;
        let (name, tail) = rest.split_once('/')?;
        let (service, tail) = match (method.as_str(), tail) {
            ("GET", "info/refs") => {
                let service = query?.split('&').find_map(|pair| pair.strip_prefix("service="))?;
                (Service::parse(service)?, "info/refs")
            }
            ("POST", "git-upload-pack") => (Service::UploadPack, "git-upload-pack"),
            ("POST", "git-receive-pack") => (Service::ReceivePack, "git-receive-pack"),
            _ => return None,
        };
        Some(Self { owner, name: name.strip_suffix(".git").unwrap_or(name), service, tail })
    }

    /// What a fault calls the operation.
    pub(super) fn operation(self) -> &'static str {
        if self.is_pack() { "pack" } else { "refs" }
    }

    /// Whether it comes after the references were told.
    pub(super) fn is_pack(self) -> bool {
        self.tail != "info/refs"
    }

    /// The owner, as asked.
    pub(super) fn owner(self) -> &'p str {
        self.owner
    }

    /// `OWNER/NAME`, as asked.
    pub(super) fn repository(self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The repository of that name; GitHub does not tell upper from lower case.
    fn find(self, directory: &Directory) -> Option<&Repository> {
        directory.repository(self.owner, self.name)
    }
}

impl Service {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "git-upload-pack" => Some(Self::UploadPack),
            "git-receive-pack" => Some(Self::ReceivePack),
            _ => None,
        }
    }
}

/// The bare repositories, and which of their references nobody sees.
#[derive(Clone, Debug)]
pub(super) struct Shown<'s> {
    pub(super) repositories: &'s Path,
    pub(super) hidden: Option<String>,
}

/// Answers a git request.
pub(super) async fn answer(
    target: Target<'_>,
    caller: &Caller,
    directory: &Directory,
    shown: Shown<'_>,
    request: &Request<Bytes>,
) -> Reply {
    match access::admit(caller, target.find(directory), target.service) {
        Err(refusal) => refuse(refusal),
        Ok(repository) => {
            let path = format!("/{}.git/{}", repository.name, target.tail);
            backend(&path, caller, &shown, request).await.unwrap_or_else(|error| {
                tracing::error!(%error, "git http-backend");
                text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            })
        }
    }
}

/// GitHub's answer to who is not admitted.
pub(super) fn refuse(refusal: Refusal) -> Reply {
    let status = StatusCode::from_u16(refusal.status()).expect("a refusal has a status of HTTP");
    // git shows a body to its user only when it is plain text.
    let mut reply = text(status, refusal.text());
    if status == StatusCode::UNAUTHORIZED {
        let challenge = header::HeaderValue::from_static("Basic realm=\"GitHub\"");
        reply.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    reply
}

/// Runs `git http-backend` for one request.
async fn backend(path: &str, caller: &Caller, shown: &Shown<'_>, request: &Request<Bytes>) -> io::Result<Reply> {
    let mut child = command(path, caller, shown, request).spawn()?;
    let stdin = child.stdin.take().expect("standard input is piped");
    // Fed and drained at once: either pipe may fill up before the other is done.
    let (fed, drained) = tokio::join!(feed(stdin, request.body()), child.wait_with_output());
    let output = drained?;
    if !output.status.success() {
        tracing::warn!(status = %output.status, "git http-backend");
    }
    fed?;
    parse(&output.stdout).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no header of CGI in its answer"))
}

fn command(path: &str, caller: &Caller, shown: &Shown<'_>, request: &Request<Bytes>) -> Command {
    let hidden = shown.hidden.as_deref().map(|references| ("uploadpack.hideRefs", references));
    let configuration: Vec<_> = CONFIGURATION.into_iter().chain(hidden).collect();
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .env("GIT_PROJECT_ROOT", shown.repositories)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", request.uri().query().unwrap_or_default())
        .env("REQUEST_METHOD", request.method().as_str())
        .env("CONTENT_LENGTH", request.body().len().to_string())
        .env("GIT_CONFIG_COUNT", configuration.len().to_string());
    for (index, (key, value)) in configuration.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{index}"), key).env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    let passed = [
        ("CONTENT_TYPE", header::CONTENT_TYPE),
        ("HTTP_CONTENT_ENCODING", header::CONTENT_ENCODING),
        ("GIT_PROTOCOL", HeaderName::from_static("git-protocol")),
    ];
    for (variable, name) in passed {
        if let Some(value) = request.headers().get(name).and_then(|it| it.to_str().ok()) {
            command.env(variable, value);
        }
    }
    if let Caller::Known(grant, _) = caller {
        command.env("REMOTE_USER", &grant.login);
    }
    command
}

async fn feed(mut stdin: ChildStdin, body: &[u8]) -> io::Result<()> {
    let written = async {
        stdin.write_all(body).await?;
        stdin.shutdown().await
    };
    match written.await {
        // git may answer without having read everything.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Reads a CGI program's answer: header lines (`Status:` is HTTP's status, 200 without it), an empty line, the body.
fn parse(output: &[u8]) -> Option<Reply> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut builder = Response::builder();
    for line in std::str::from_utf8(&output[..end]).ok()?.split("\r\n") {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        builder = if name.eq_ignore_ascii_case("status") {
            builder.status(value.split(' ').next()?)
        } else {
            builder.header(name, value)
        };
    }
    builder.body(Bytes::copy_from_slice(&output[end + 4..]).into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_smart_http_names_a_repository() {
        fidelity::fidelity!("github-2");
        let get = |path, query| Target::parse(&Method::GET, path, query).map(Target::repository);
        let query = Some("service=git-upload-pack");
        assert_eq!(get("/o/r.git/info/refs", query).as_deref(), Some("o/r"));
        assert_eq!(get("/o/r/info/refs", query).as_deref(), Some("o/r"));
        assert_eq!(get("/o/r.git/info/refs", None), None);
        assert_eq!(get("/o/r.git/HEAD", query), None);
        assert_eq!(get("/o/r.git/../s.git/info/refs", query), None);
        assert_eq!(Target::parse(&Method::GET, "/o/r.git/git-upload-pack", None), None);
        let post = Target::parse(&Method::POST, "/o/r.git/git-receive-pack", None).expect("it is a push");
        assert_eq!(post.service, Service::ReceivePack);
    }

    #[test]
    fn cgi_header_becomes_http() {
        let reply = parse(b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\na\r\n\r\nb").expect("it is CGI");
        assert_eq!(reply.status(), StatusCode::NOT_FOUND);
        assert_eq!(reply.headers()[header::CONTENT_TYPE], "text/plain");
        assert_eq!(parse(b"Expires: x\r\n\r\n").expect("it is CGI").status(), StatusCode::OK);
        assert!(parse(b"fatal: no header").is_none());
    }
}
