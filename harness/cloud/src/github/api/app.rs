//! What a GitHub App asks: as itself with a JSON Web Token, and with a token of its installation.

use super::{Answered, account, describe, error, id_of};
use crate::{
    clock,
    event::Credential,
    fault::Special,
    github::{
        access::{Caller, Kind},
        directory::{Directory, bearer, owner_of},
        jwt::{self, Refusal},
        server::{Reply, json},
    },
    minted::TokenForm,
    world::{App, Permissions, Repository},
};
use bytes::Bytes;
use hyper::{Method, Request, StatusCode, header::HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

/// Asks for the long form of installation tokens or the short one, whichever is usual.
const FORM: &str = "x-github-stateless-s2s-token";
/// Where the documentation tells how tokens are created.
const CREATE: &str = "/apps/apps#create-an-installation-access-token-for-an-app";

/// How a token is to be narrowed; absent is all that the installation has.
#[derive(Debug, Default, Deserialize)]
struct Narrowed {
    repositories: Option<Vec<String>>,
    repository_ids: Option<Vec<u32>>,
    permissions: Option<Permissions>,
}

/// The answer to what only an App as itself may ask; nothing for any other path.
pub(super) fn of_app(
    request: &Request<Bytes>,
    parts: &[&str],
    authorization: Option<&[u8]>,
    directory: &Directory,
) -> Option<Answered> {
    let asked = match (request.method(), parts) {
        (&Method::GET, ["app"]) => Asked::Itself,
        (&Method::GET, ["app", "installations"]) => Asked::Installations,
        (&Method::GET, ["app", "installations", id]) => Asked::Installation(id),
        (&Method::POST, ["app", "installations", id, "access_tokens"]) => Asked::Token(id),
        (&Method::GET, ["repos", owner, name, "installation"]) => Asked::OfRepository(owner, name),
        (&Method::GET, ["orgs" | "users", login, "installation"]) => Asked::OfAccount(login),
        _ => return None,
    };
    Some(match authenticate(authorization, directory) {
        Err(Refusal(status, message)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
            Answered { reply: error(status, message, ""), credential: Credential::Unknown }
        }
        Ok(app) => Answered { reply: asked.answer(app, request, directory), credential: Credential::AppJwt },
    })
}

fn authenticate<'d>(authorization: Option<&[u8]>, directory: &'d Directory) -> Result<&'d App, Refusal> {
    let now = directory.now().unix_timestamp();
    #[expect(clippy::cast_precision_loss, reason = "seconds of this age fit")]
    jwt::signer(authorization.and_then(bearer), now as f64, |issuer| {
        let app = directory.hub().apps.iter().find(|app| app.client_id == issuer || app.id.to_string() == issuer)?;
        let key = if directory.has_key(app) { app.key.as_str() } else { "" };
        Some((key, app))
    })
}

/// What an App asks as itself.
#[derive(Clone, Copy, Debug)]
enum Asked<'p> {
    Itself,
    Installations,
    Installation(&'p str),
    Token(&'p str),
    OfRepository(&'p str, &'p str),
    OfAccount(&'p str),
}

impl Asked<'_> {
    fn answer(self, app: &App, request: &Request<Bytes>, directory: &Directory) -> Reply {
        let own = |id: &str| directory.has_user(&app.installation.owner) && id == app.installation.id.to_string();
        let found = match self {
            Self::Itself => return json(StatusCode::OK, &itself(app)),
            Self::Installations => {
                let there = directory.has_user(&app.installation.owner).then(|| installation(app));
                return json(StatusCode::OK, &there.into_iter().collect());
            }
            Self::Token(id) if own(id) => return token(app, request, directory),
            Self::Token(_) => return error(StatusCode::NOT_FOUND, "Not Found", CREATE),
            Self::Installation(id) => own(id),
            Self::OfRepository(owner, name) => {
                directory.repository(owner, name).is_some_and(|it| has(&app.installation.repositories, it))
            }
            Self::OfAccount(login) => {
                app.installation.owner.eq_ignore_ascii_case(login) && directory.has_user(&app.installation.owner)
            }
        };
        if found {
            json(StatusCode::OK, &installation(app))
        } else {
            error(StatusCode::NOT_FOUND, "Not Found", "/apps/apps")
        }
    }
}

/// Creates an installation token.
fn token(app: &App, request: &Request<Bytes>, directory: &Directory) -> Reply {
    let asked = match request.body().as_ref() {
        b"" => Narrowed::default(),
        body => match serde_json::from_slice::<Value>(body) {
            Err(_) => return error(StatusCode::BAD_REQUEST, "Problems parsing JSON", CREATE),
            Ok(body) => match Narrowed::deserialize(body) {
                Ok(asked) => asked,
                Err(_) => return error(StatusCode::UNPROCESSABLE_ENTITY, "Invalid request.", CREATE),
            },
        },
    };
    let narrowed = narrowed(app, &asked, directory);
    let (repositories, permissions) = match narrowed {
        Ok(narrowed) => narrowed,
        Err(message) => return error(StatusCode::UNPROCESSABLE_ENTITY, message, CREATE),
    };
    let form = match request.headers().get(FORM).map(HeaderValue::as_bytes) {
        Some(b"enabled") => TokenForm::Long,
        Some(b"disabled") => TokenForm::Short,
        _ => app.tokens,
    };
    let names = repositories.iter().map(|it| it.name.clone()).collect();
    let (value, grant) = directory.issue(app, names, permissions, form);
    let mut body = json!({
        "token": value,
        "expires_at": grant.expires.map(clock::seconds),
        "permissions": grant.permissions,
        "repository_selection": "selected",
    });
    if asked.repositories.is_some() || asked.repository_ids.is_some() {
        body["repositories"] = repositories.into_iter().map(describe).collect();
    }
    json(StatusCode::CREATED, &body)
}

/// What the token is for: no more than the installation has.
fn narrowed<'d>(
    app: &App,
    asked: &Narrowed,
    directory: &'d Directory,
) -> Result<(Vec<&'d Repository>, Permissions), &'static str> {
    const UNKNOWN: &str = "There is at least one repository that does not exist or is not accessible to the parent \
                           installation.";
    let all = directory.hub().repositories.iter().filter(|it| has(&app.installation.repositories, it));
    let all: Vec<&Repository> = all.collect();
    let named = asked.repositories.iter().flatten().map(|name| {
        let of_name = |it: &&&Repository| it.name.rsplit('/').next().is_some_and(|own| own.eq_ignore_ascii_case(name));
        all.iter().find(of_name).copied()
    });
    let numbered = asked.repository_ids.iter().flatten();
    let numbered = numbered.map(|id| all.iter().find(|it| id_of(&it.name) == *id).copied());
    let repositories = match (&asked.repositories, &asked.repository_ids) {
        (None, None) => all.clone(),
        _ => named.chain(numbered).collect::<Option<_>>().ok_or(UNKNOWN)?,
    };
    let granted = &app.installation.permissions;
    let Some(wanted) = &asked.permissions else { return Ok((repositories, granted.clone())) };
    let within = wanted.iter().all(|(name, level)| granted.get(name).is_some_and(|granted| granted >= level));
    if !within {
        return Err("The permissions requested are not granted to this installation.");
    }
    let mut permissions = wanted.clone();
    // It comes with every token.
    permissions.extend(granted.get_key_value("metadata").map(|(name, level)| (name.clone(), *level)));
    Ok((repositories, permissions))
}

/// The answer to what the holder of an installation token may ask of it.
pub(super) fn of_installation(method: &Method, parts: &[&str], caller: &Caller, directory: &Directory) -> Reply {
    const PAGE: &str = "/apps/installations";
    let Caller::Known(grant, _) = caller else {
        return error(StatusCode::UNAUTHORIZED, "Requires authentication", PAGE);
    };
    if !matches!(grant.kind, Kind::Installation { .. }) {
        let message = "You must authenticate with an installation access token in order to list repositories for an \
                       installation.";
        return error(StatusCode::FORBIDDEN, message, PAGE);
    }
    match (method, parts) {
        (&Method::GET, ["installation", "repositories"]) => {
            let seen = directory.hub().repositories.iter().filter(|it| has(&grant.repositories, it));
            let seen: Vec<Value> = seen.map(describe).collect();
            let body = json!({"total_count": seen.len(), "repository_selection": "selected", "repositories": seen});
            json(StatusCode::OK, &body)
        }
        (&Method::DELETE, ["installation", "token"]) => {
            directory.revoke(grant);
            let mut reply = Reply::default();
            *reply.status_mut() = StatusCode::NO_CONTENT;
            reply
        }
        _ => error(StatusCode::NOT_FOUND, "Not Found", ""),
    }
}

fn has(list: &[String], repository: &Repository) -> bool {
    list.iter().any(|name| name.eq_ignore_ascii_case(&repository.name))
}

fn itself(app: &App) -> Value {
    json!({
        "id": app.id,
        "client_id": app.client_id,
        "slug": app.name,
        "name": app.name,
        "owner": account(&app.installation.owner, "Organization"),
        "html_url": format!("https://github.com/apps/{}", app.name),
        "permissions": app.installation.permissions,
        "events": [],
        "installations_count": 1,
    })
}

fn installation(app: &App) -> Value {
    let id = app.installation.id;
    let owner = owner_of(&app.installation.owner);
    json!({
        "id": id,
        "account": account(owner, "Organization"),
        "repository_selection": "selected",
        "access_tokens_url": format!("https://api.github.com/app/installations/{id}/access_tokens"),
        "repositories_url": "https://api.github.com/installation/repositories",
        "html_url": format!("https://github.com/organizations/{owner}/settings/installations/{id}"),
        "app_id": app.id,
        "client_id": app.client_id,
        "app_slug": app.name,
        "target_id": id_of(owner),
        "target_type": "Organization",
        "permissions": app.installation.permissions,
        "events": [],
        "suspended_at": null,
    })
}

impl Directory {
    /// Whether the App's key is still good.
    fn has_key(&self, app: &App) -> bool {
        self.faults().special(Special::AppKeyRevoked, &app.name).is_none()
    }
}
