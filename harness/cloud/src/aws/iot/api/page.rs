//! Long lists in pages.

use super::{
    super::super::{
        place,
        rest::{Call, Fault},
    },
    input, invalid,
};
use serde_json::{Map, Value};

/// The largest page, and the one of a call that asks for none.
const LARGEST: usize = 250;
const USUAL: usize = 25;

/// How an operation calls the parts of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    size: &'static str,
    token: &'static str,
    next: &'static str,
}

/// That of things, groups and jobs.
pub(super) const TOKEN: Style = Style { size: "maxResults", token: "nextToken", next: "nextToken" };

/// That of certificates, policies and role aliases.
pub(super) const MARKER: Style = Style { size: "pageSize", token: "marker", next: "nextMarker" };

/// The page of a list that a call asks for, as the member `name` of the answer.
pub(super) fn of(call: &Call, style: Style, name: &str, list: Vec<Value>) -> Result<Value, Fault> {
    let size = input::number(call, style.size, 1, LARGEST)?.unwrap_or(USUAL);
    let token = call.query(style.token).filter(|token| !token.is_empty());
    let page = place::page(name, token, list, size);
    let (page, next) = page.ok_or_else(|| invalid(format!("Invalid {}", style.token)))?;
    let mut answer = Map::new();
    answer.insert(name.to_owned(), page);
    answer.extend(next.map(|next| (style.next.to_owned(), next.into())));
    Ok(answer.into())
}
