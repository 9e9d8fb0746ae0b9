//! `api.github.com`: the two questions that tell a good token from a bad one.
//!
//! `GET /user` and `GET /repos/OWNER/NAME`; anything else is not found, as an unknown path is on GitHub.

use super::{
    access::Caller,
    git,
    server::{Reply, json},
};
use crate::world::{Hub, Repository};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

/// Answers a REST request.
pub(super) fn answer(method: &Method, path: &str, caller: Caller<'_>, hub: &Hub) -> Reply {
    if matches!(caller, Caller::Refused) {
        return error(StatusCode::UNAUTHORIZED, "Bad credentials", "");
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice(), caller) {
        (&Method::GET, ["user"], Caller::Known(token, _)) => {
            json(StatusCode::OK, &json!({"login": token.login, "type": "User"}))
        }
        (&Method::GET, ["user"], _) => {
            error(StatusCode::UNAUTHORIZED, "Requires authentication", "/users/users#get-the-authenticated-user")
        }
        (&Method::GET, ["repos", owner, name], _) => {
            git::find(hub, owner, name).filter(|it| caller.sees(it)).map_or_else(
                || error(StatusCode::NOT_FOUND, "Not Found", "/repos/repos#get-a-repository"),
                |it| json(StatusCode::OK, &describe(it)),
            )
        }
        _ => error(StatusCode::NOT_FOUND, "Not Found", ""),
    }
}

/// `OWNER/NAME` of a path under `/repos`.
pub(super) fn repository(path: &str) -> Option<String> {
    let mut parts = path.strip_prefix("/repos/")?.split('/');
    Some(format!("{}/{}", parts.next()?, parts.next()?))
}

fn describe(repository: &Repository) -> Value {
    let full = &repository.name;
    let (owner, name) = full.split_once('/').unwrap_or(("", full));
    json!({
        "name": name,
        "full_name": full,
        "private": repository.private,
        "owner": {"login": owner},
        "html_url": format!("https://github.com/{full}"),
        "clone_url": format!("https://github.com/{full}.git"),
        "visibility": if repository.private { "private" } else { "public" },
    })
}

fn error(status: StatusCode, message: &str, page: &str) -> Reply {
    let documentation = format!("https://docs.github.com/rest{page}");
    json(
        status,
        &json!({"message": message, "documentation_url": documentation, "status": status.as_u16().to_string()}),
    )
}
