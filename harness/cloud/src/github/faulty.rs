//! What faults make of a request and of its answer.

use super::{
    access::{Caller, Refusal},
    git::{self, Target},
    server::{Reply, page_of, text},
};
use crate::{
    fault::{Service, Special},
    faults::{Faults, PAGE, Strike},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{Request, Response, StatusCode, body::Frame};
use std::io;

/// An answer as it is sent, perhaps not to its end.
pub(super) type Sent = Response<BoxBody<Bytes, io::Error>>;

/// The connection shall be reset in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reset by a fault")]
pub(super) struct Reset;

/// What GitHub's error page says.
const OUT_OF_ORDER: &str = "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head>\n\
                            <body><p><strong>This page is taking too long to load.</strong></p></body></html>\n";

/// What a git request is answered in place of GitHub's own answer, and what the git server then does otherwise.
pub(super) async fn of_git(
    faults: &Faults,
    target: Option<Target<'_>>,
    caller: &Caller,
) -> Result<Option<Reply>, Reset> {
    if !faults.any() {
        return Ok(None);
    }
    match faults.strike(Service::Git, target.map_or("", Target::operation)).await {
        Some(Strike::Status(status, body)) => return Ok(Some(of_status(status, body))),
        Some(Strike::Reset) => return Err(Reset),
        _ => {}
    }
    if faults.special_late(Special::GitPortal, "").await.is_some() {
        return Ok(Some(page_of(StatusCode::OK, PAGE)));
    }
    let (Caller::Known(..), Some(target)) = (caller, target) else { return Ok(None) };
    if faults.special_late(Special::GitTokenExpired, "").await.is_some()
        || target.is_pack() && faults.special_late(Special::GitTokenExpiredMidClone, "").await.is_some()
    {
        return Ok(Some(git::refuse(Refusal::BadCredential)));
    }
    let sso = faults.special_late(Special::GitSso, "").await;
    Ok(sso.map(|_| text(StatusCode::FORBIDDEN, sso_required(target.owner()))))
}

/// What the package index answers in place of its own answer.
pub(super) async fn of_index(faults: &Faults) -> Result<Option<Reply>, Reset> {
    match faults.strike(Service::Index, "").await {
        Some(Strike::Status(status, body)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Ok(Some(text(status, body.unwrap_or_else(|| status.canonical_reason().unwrap_or("Error").to_owned()))))
        }
        Some(Strike::Reset) => Err(Reset),
        _ => Ok(None),
    }
}

/// The references that nobody shall see.
pub(super) fn hidden(faults: &Faults) -> Option<String> {
    // Which tag is asked for stands in no request of its own: whichever the fault is about is hidden.
    let fault = faults.special_of(Special::GitTagMissing)?;
    Some(fault.about.map_or_else(|| "refs/tags".to_owned(), |tag| format!("refs/tags/{tag}")))
}

/// The answer as it is sent: a pack is cut off, where a fault wants it.
pub(super) async fn sent(faults: &Faults, target: Option<Target<'_>>, request: &Request<Bytes>, reply: Reply) -> Sent {
    let fetches = |request: &Request<Bytes>| {
        let body = request.body();
        !body.windows(8).any(|window| window == b"command=")
            || body.windows(13).any(|window| window == b"command=fetch")
    };
    let is_pack =
        faults.any() && reply.status().is_success() && target.is_some_and(Target::is_pack) && fetches(request);
    if is_pack && faults.special_late(Special::GitTruncated, "").await.is_some() {
        return cut(reply).await;
    }
    whole(reply)
}

/// The whole answer.
pub(super) fn whole(reply: Reply) -> Sent {
    reply.map(|body| body.map_err(|never| match never {}).boxed())
}

/// The first half of an answer of which nobody says how long it is, as git's is on GitHub.
async fn cut(reply: Reply) -> Sent {
    let (head, body) = reply.into_parts();
    let Ok(whole) = body.collect().await;
    let whole = whole.to_bytes();
    let half = Frame::data(whole.slice(..whole.len() / 2));
    let end = stream::once(async {
        // So that the half is on its way before the connection ends.
        tokio::task::yield_now().await;
        Err(io::Error::new(io::ErrorKind::BrokenPipe, Reset))
    });
    let body = BodyExt::boxed(StreamBody::new(stream::iter([Ok(half)]).chain(end)));
    let mut sent = Response::from_parts(head, body);
    sent.headers_mut().remove(hyper::header::CONTENT_LENGTH);
    sent
}

fn of_status(status: u16, body: Option<String>) -> Reply {
    let of = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match (status, body) {
        (401, None) => git::refuse(Refusal::BadCredential),
        (403, None) => git::refuse(Refusal::NotGranted),
        (404, None) => git::refuse(Refusal::NotFound),
        (429, None) => text(of, "Too many requests. Please wait a few minutes before you try again."),
        (400..500, None) => text(of, of.canonical_reason().unwrap_or("Error")),
        (_, None) => page_of(of, OUT_OF_ORDER),
        (_, Some(body)) => text(of, body),
    }
}

/// What GitHub says to a token that was not authorised for the organisation's SAML single sign-on.
fn sso_required(organization: &str) -> String {
    /// Long and unguessable at GitHub.
    const REQUEST: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    format!(
        "The `{organization}' organization has enabled or enforced SAML SSO. To access\n\
         this repository, visit https://github.com/orgs/{organization}/sso?authorization_request={REQUEST}\n\
         and try your request again."
    )
}
