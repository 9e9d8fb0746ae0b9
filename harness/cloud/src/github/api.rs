//! `api.github.com`: what tells a good token from a bad one, what a GitHub App needs, and the keys of SSH.
//!
//! `GET /user`, `GET /repos/OWNER/NAME`, `GET /meta`, and of Apps what [`app`] answers; [`downloads`] say that they are not
//! emulated, and anything else is not found, as an unknown path is on GitHub. Who does not say what program it is is
//! answered nothing else.

mod app;

use super::{
    access::{Caller, Kind},
    directory::{Directory, owner_of},
    downloads,
    server::{Reply, json, of_type},
};
use crate::world::Repository;
use bytes::Bytes;
use hyper::{
    Method, Request, StatusCode,
    header::{self, HeaderValue},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::macros::format_description;

/// The host of the REST interface.
pub(super) const API: &str = "api.github.com";

/// What GitHub says to who sends no `User-Agent`, as issue 42308 of `github/docs` quotes it.
const NAMELESS: &str = "\r\nRequest forbidden by administrative rules. Please make sure your request has a User-Agent header \
                        (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). \
                        Check https://developer.github.com for other possible causes.\r\n";

/// What a REST request is answered, and who asked.
#[derive(Debug)]
pub(super) struct Answered {
    /// The answer.
    pub(super) reply: Reply,
    /// How the caller showed who it is.
    pub(super) credential: crate::event::Credential,
}

/// Answers a REST request.
pub(super) fn answer(request: &Request<Bytes>, authorization: Option<&[u8]>, directory: &Directory) -> Answered {
    if !names_its_program(request) {
        return Answered { reply: nameless(), credential: directory.caller_of_api(authorization).credential() };
    }
    let path = request.uri().path().trim_end_matches('/');
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    if let Some(answered) = app::of_app(request, &parts, authorization, directory) {
        return answered;
    }
    let caller = directory.caller_of_api(authorization);
    let mut reply = match downloads::of(API, path) {
        Some(what) if !matches!(caller, Caller::Refused(_)) => {
            json(StatusCode::NOT_IMPLEMENTED, &json!({ "message": what }))
        }
        _ => known(request.method(), &parts, &caller, directory),
    };
    if let Caller::Known(grant, _) = &caller
        && !matches!(grant.kind, Kind::Installation { .. })
        && let Some(expires) = grant.expires
    {
        let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
        if let Some(value) = expires.format(format).ok().and_then(|text| HeaderValue::from_str(&text).ok()) {
            reply.headers_mut().insert("github-authentication-token-expiration", value);
        }
    }
    Answered { reply, credential: caller.credential() }
}

/// Whether a request says what program it is of, as GitHub's documentation of REST wants it.
fn names_its_program(request: &Request<Bytes>) -> bool {
    request.headers().get(header::USER_AGENT).is_some_and(|value| !value.as_bytes().trim_ascii().is_empty())
}

/// The answer to a request of no program: a page's type, and the end of the connection, as GitHub's documentation shows it.
fn nameless() -> Reply {
    let mut reply = of_type(StatusCode::FORBIDDEN, "text/html", NAMELESS.into());
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}

fn known(method: &Method, parts: &[&str], caller: &Caller, directory: &Directory) -> Reply {
    if matches!(caller, Caller::Refused(_)) {
        return error(StatusCode::UNAUTHORIZED, "Bad credentials", "");
    }
    match (method, parts, caller) {
        (&Method::GET, ["user"], Caller::Known(grant, _)) => match grant.kind {
            Kind::Installation { .. } => error(
                StatusCode::FORBIDDEN,
                "Resource not accessible by integration",
                "/users/users#get-the-authenticated-user",
            ),
            _ => json(StatusCode::OK, &account(&grant.login, "User")),
        },
        (&Method::GET, ["user"], _) => {
            error(StatusCode::UNAUTHORIZED, "Requires authentication", "/users/users#get-the-authenticated-user")
        }
        (&Method::GET, ["meta"], _) => json(StatusCode::OK, &meta(&directory.hub().host_key_public)),
        (&Method::GET, ["repos", owner, name], _) => {
            directory.repository(owner, name).filter(|it| caller.sees(it)).map_or_else(
                || error(StatusCode::NOT_FOUND, "Not Found", "/repos/repos#get-a-repository"),
                |it| json(StatusCode::OK, &describe(it)),
            )
        }
        (_, ["installation", ..], _) => app::of_installation(method, parts, caller, directory),
        _ => error(StatusCode::NOT_FOUND, "Not Found", ""),
    }
}

/// `OWNER/NAME` of a path under `/repos`.
pub(super) fn repository(path: &str) -> Option<String> {
    let mut parts = path.strip_prefix("/repos/")?.split('/');
    Some(format!("{}/{}", parts.next()?, parts.next()?))
}

/// What GitHub tells of itself: by which key it is known over SSH.
fn meta(key: &str) -> Value {
    let keys: Vec<&str> = Some(key).filter(|key| !key.is_empty()).into_iter().collect();
    json!({ "verifiable_password_authentication": false, "ssh_keys": keys })
}

fn account(login: &str, kind: &str) -> Value {
    json!({"login": login, "id": id_of(login), "type": kind, "site_admin": false})
}

fn describe(repository: &Repository) -> Value {
    let full = &repository.name;
    let (owner, name) = full.split_once('/').unwrap_or(("", full));
    json!({
        "id": id_of(full),
        "name": name,
        "full_name": full,
        "private": repository.private,
        "owner": {"login": owner_of(full)},
        "html_url": format!("https://github.com/{full}"),
        "clone_url": format!("https://github.com/{full}.git"),
        "ssh_url": format!("git@github.com:{owner}/{name}.git"),
        "visibility": if repository.private { "private" } else { "public" },
    })
}

/// The number by which GitHub knows a thing of that name; always the same one.
fn id_of(name: &str) -> u32 {
    let digest = Sha256::digest(name.to_ascii_lowercase());
    100_000_000 + u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % 900_000_000
}

fn error(status: StatusCode, message: &str, page: &str) -> Reply {
    let documentation = format!("https://docs.github.com/rest{page}");
    json(
        status,
        &json!({"message": message, "documentation_url": documentation, "status": status.as_u16().to_string()}),
    )
}
