//! `sts:AssumeRole`: a role session or a user makes a session of a role whose trust policy lets it; and
//! `sts:GetSessionToken`.

use super::{Call, Gate, answer, operation::Operation, refusal::Refusal};
use crate::{
    aws::{
        sessions::{Limit, Origin, Session},
        upstream::Answer,
    },
    event::Decision,
    policies,
};
use iam::Kind;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

/// What may be asked for in seconds, and what is given without asking.
const SECONDS: RangeInclusive<u32> = 900..=43_200;
const DEFAULT_SECONDS: u32 = 3600;

/// The longest session that another session makes, whatever the role allows.
const CHAINED_SECONDS: u32 = 3600;

/// The longest session policy in characters, and session policies and tags together as AWS packs them.
const MAX_POLICY: usize = 2048;

/// What `AssumeRole` was asked for.
struct Wanted {
    name: String,
    seconds: u32,
    limits: Vec<Limit>,
    tags: BTreeMap<String, String>,
    transitive: BTreeSet<String>,
    source_identity: Option<String>,
    external_id: Option<String>,
}

impl Wanted {
    /// Reads the fields of the form, and refuses what STS's model does.
    fn read(operation: &Operation) -> Result<Self, Refusal> {
        let text = |name: &str| operation.text(name).map(str::to_owned);
        required("roleArn", operation.text("RoleArn"))?;
        let name = required("roleSessionName", operation.text("RoleSessionName"))?;
        of_pattern("roleSessionName", name, 64)?;
        let seconds = match operation.text("DurationSeconds") {
            None => DEFAULT_SECONDS,
            Some(text) => text.parse().map_err(|_| Refusal::malformed_input())?,
        };
        let (least, most) = (*SECONDS.start(), *SECONDS.end());
        let bound = match seconds {
            less if less < least => Some(format!("greater than or equal to {least}")),
            more if more > most => Some(format!("less than or equal to {most}")),
            _ => None,
        };
        if let Some(bound) = bound {
            let broken = format!("Member must have value {bound}");
            return Err(Refusal::constraint(&seconds.to_string(), "durationSeconds", &broken));
        }
        let source_identity = text("SourceIdentity");
        if let Some(identity) = &source_identity {
            of_pattern("sourceIdentity", identity, 64)?;
        }
        Ok(Self {
            name: name.to_owned(),
            seconds,
            limits: limit(operation.text("Policy"))?.into_iter().collect(),
            tags: numbered(|at| {
                Some((text(&format!("Tags.member.{at}.Key"))?, text(&format!("Tags.member.{at}.Value"))?))
            }),
            transitive: numbered(|at| text(&format!("TransitiveTagKeys.member.{at}"))),
            source_identity,
            external_id: text("ExternalId"),
        })
    }

    /// The condition keys of `sts:AssumeRole`, and of `sts:TagSession` and `sts:SetSourceIdentity`.
    fn put(&self, mut asked: Decision) -> Decision {
        asked = asked.with("sts:RoleSessionName", self.name.as_str());
        if let Some(id) = &self.external_id {
            asked = asked.with("sts:ExternalId", id.as_str());
        }
        if let Some(identity) = &self.source_identity {
            asked = asked.with("sts:SourceIdentity", identity.as_str());
        }
        if !self.tags.is_empty() {
            asked = asked.with("aws:TagKeys", json!(self.tags.keys().collect::<Vec<_>>()));
        }
        if !self.transitive.is_empty() {
            asked = asked.with("sts:TransitiveTagKeys", json!(self.transitive));
        }
        let tags = self.tags.iter();
        tags.fold(asked, |asked, (name, value)| asked.with(format!("aws:RequestTag/{name}"), value.as_str()))
    }
}

impl Operation {
    /// Puts the keys into the question that `AssumeRole` needs; what STS's model refuses has none.
    pub(super) fn assuming(&self, asked: Decision) -> Decision {
        match Wanted::read(self) {
            Ok(wanted) if self.name == "AssumeRole" => wanted.put(asked),
            _ => asked,
        }
    }
}

impl Gate {
    /// Refuses what STS refuses before it asks any policy.
    pub(super) fn may_be_assumed(operation: &Operation) -> Result<(), Refusal> {
        if operation.name == "AssumeRole" { Wanted::read(operation).map(drop) } else { Ok(()) }
    }

    /// Makes the session, once `sts:AssumeRole` is allowed.
    pub(super) fn assume(&self, call: &mut Call<'_>, allowed: &Decision) -> Result<Answer, Refusal> {
        let Call { operation, caller, request_id, .. } = *call;
        let Wanted { name, seconds, limits, mut tags, mut transitive, mut source_identity, .. } =
            Wanted::read(operation)?;
        // Session policies by ARN are policies of IAM that this world doesn't have.
        if operation.text("PolicyArns.member.1.arn").is_some() {
            return Err(Refusal::unknown_operation(operation));
        }
        if let Some(session) = &caller.session {
            if session.transitive.iter().any(|inherited| tags.keys().any(|name| name.eq_ignore_ascii_case(inherited))) {
                return Err(Refusal::tag_conflict());
            }
            let inherited = session.tags.iter().filter(|(name, _)| session.transitive.contains(*name));
            tags.extend(inherited.map(|(name, value)| (name.clone(), value.clone())));
            transitive.extend(session.transitive.iter().cloned());
            source_identity = source_identity.or_else(|| session.source_identity.clone());
        }
        for (action, needed) in
            [("sts:TagSession", !tags.is_empty()), ("sts:SetSourceIdentity", source_identity.is_some())]
        {
            if needed {
                let asked = Decision { action: action.to_owned(), ..allowed.clone() };
                let decided = self.further(call, asked);
                if !decided.decision.may_go_on() {
                    return Err(Refusal::denied(operation, &decided));
                }
            }
        }
        let role = operation.resource.rsplit('/').next().unwrap_or_default();
        let most = self.account().role_named(role).map_or(0, |role| role.max_session_seconds);
        if operation.text("DurationSeconds").is_some() && seconds > most {
            return Err(Refusal::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let chained = caller.session.as_ref().is_some_and(|session| session.origin != Origin::User);
        if chained && seconds > CHAINED_SECONDS {
            let message =
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
            return Err(Refusal::validation(message));
        }
        let packed = packed(&limits, &tags);
        let made =
            Session { limits, tags, transitive, source_identity, ..Session::new(role, &name, Origin::Role, seconds) };
        let made = self.sessions.issue(made);
        let identity = self.identity(&made);
        Ok(answer::assumed(&made, &identity, packed, request_id))
    }
}

/// How long `GetSessionToken` gives credentials for: by itself, and what may be asked for.
const TOKEN_SECONDS: u32 = 43_200;
const TOKEN_LIMITS: RangeInclusive<u32> = 900..=129_600;

impl Gate {
    /// Temporary credentials of a user, which only its access key gets.
    pub(super) fn session_token(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let Call { operation, caller, request_id, .. } = *call;
        let lasting = |session: &&Session| session.origin == Origin::User && session.token.is_empty();
        let Some(user) = caller.session.as_ref().filter(lasting) else {
            return Err(Refusal::only_for_users(&operation.name));
        };
        let seconds = match operation.text("DurationSeconds") {
            None => TOKEN_SECONDS,
            Some(text) => text.parse().map_err(|_| Refusal::malformed_input())?,
        };
        if !TOKEN_LIMITS.contains(&seconds) {
            let (least, most) = (TOKEN_LIMITS.start(), TOKEN_LIMITS.end());
            let bound = if seconds < *least {
                format!("greater than or equal to {least}")
            } else {
                format!("less than or equal to {most}")
            };
            return Err(Refusal::constraint(
                &seconds.to_string(),
                "durationSeconds",
                &format!("Member must have value {bound}"),
            ));
        }
        let made = self.sessions.issue(Session::new("", &user.name, Origin::User, seconds));
        Ok(answer::session_token(&made, request_id))
    }
}

/// A session policy as it was sent.
fn limit(text: Option<&str>) -> Result<Option<Limit>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    if text.chars().count() > MAX_POLICY {
        let must = format!("Member must have length less than or equal to {MAX_POLICY}");
        return Err(Refusal::constraint(text, "policy", &must));
    }
    let policy = policies::compiled("session", text, Kind::Session).map_err(|error| {
        tracing::debug!(%error, "a session policy is refused");
        Refusal::malformed_policy(error.aws_message().unwrap_or("Syntax errors in policy."))
    })?;
    Ok(Some(Limit { text: text.to_owned(), policy }))
}

/// How much of what a session may carry it carries, in per cent.
fn packed(limits: &[Limit], tags: &BTreeMap<String, String>) -> Option<usize> {
    let length = limits.iter().map(|limit| limit.text.len()).sum::<usize>()
        + tags.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    (length > 0).then(|| (length * 100).div_ceil(MAX_POLICY))
}

/// The members of a list in a form.
fn numbered<T, C: FromIterator<T>>(member: impl Fn(usize) -> Option<T>) -> C {
    (1..).map_while(member).collect()
}

fn required<'t>(name: &str, value: Option<&'t str>) -> Result<&'t str, Refusal> {
    value.ok_or_else(|| Refusal::missing(name))
}

/// Holds a name against `[\w+=,.@-]*` with at least two characters.
fn of_pattern(name: &str, value: &str, most: usize) -> Result<(), Refusal> {
    let length = value.chars().count();
    let broken = if length < 2 {
        "Member must have length greater than or equal to 2".to_owned()
    } else if length > most {
        format!("Member must have length less than or equal to {most}")
    } else if value.chars().all(|character| character.is_ascii_alphanumeric() || "_+=,.@-".contains(character)) {
        return Ok(());
    } else {
        r"Member must satisfy regular expression pattern: [\w+=,.@-]*".to_owned()
    };
    Err(Refusal::constraint(value, name, &broken))
}
