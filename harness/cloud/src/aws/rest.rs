//! Services of the control plane that speak rest-json, such as `greengrass` and `iot`: what they offer, how a call of
//! theirs is found by method and path, and what they answer.
//!
//! A service is a table of [`Route`]s and a [`Service`] that carries them out. The gate does what is the same for all:
//! it verifies the signature, finds the route, decides [`Route::on`] and [`Route::needs`] by the caller's policies, writes
//! the call down, and only then hands it over. Names, paths and statuses are those of botocore's service models; resources
//! are those of AWS's service authorization reference.

use futures_util::future::BoxFuture;
use hyper::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    sync::Arc,
};

/// An operation of a service.
#[derive(Debug)]
pub(super) struct Route {
    /// The operation, which is also the IAM action's name.
    pub(super) name: &'static str,
    /// The HTTP method.
    pub(super) method: &'static str,
    /// The path, with labels: `/things/{thingName}`; `{name+}` takes the rest of it.
    pub(super) path: &'static str,
    /// The status of a success.
    pub(super) status: u16,
    /// The resource that IAM authorises it on, or `*`.
    pub(super) on: fn(&Call) -> String,
    /// What it needs besides: actions and their resources, which the service asks for in the caller's name.
    pub(super) needs: fn(&Call) -> Vec<(&'static str, String)>,
}

impl Route {
    /// An operation that needs nothing besides.
    pub(super) const fn new(
        name: &'static str,
        method: &'static str,
        path: &'static str,
        status: u16,
        on: fn(&Call) -> String,
    ) -> Self {
        Self { name, method, path, status, on, needs: |_| Vec::new() }
    }

    /// The same, which needs these actions besides.
    pub(super) const fn needing(self, needs: fn(&Call) -> Vec<(&'static str, String)>) -> Self {
        Self { needs, ..self }
    }
}

/// For an action without resource-level permissions.
pub(super) fn anything(_: &Call) -> String {
    "*".to_owned()
}

/// A service of the account in its region.
pub(super) trait Service: Debug + Send + Sync {
    /// What it offers. Where two paths fit, the first one counts.
    fn routes(&self) -> &'static [Route];

    /// The tags of a resource by its ARN, which policies see as `aws:ResourceTag/KEY`.
    fn tags(&self, _arn: &str) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Carries out an operation that the caller may call. Null is an empty body.
    fn call<'c>(&'c self, name: &'c str, call: &'c Call) -> BoxFuture<'c, Result<Value, Fault>>;
}

/// A call, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    /// The account and the region, of which ARNs are made.
    pub(super) account: String,
    pub(super) region: String,
    /// The body's JSON, an object; an empty one where the body is empty.
    pub(super) body: Value,
    /// Asks what the caller may do besides.
    pub(super) rights: Rights,
    pub(super) labels: BTreeMap<&'static str, String>,
    /// Names and values, decoded.
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
}

/// Decides whether a caller may do something, an action on a resource, and writes that down with its call.
type Ask = dyn Fn(&str, &str) -> bool + Send + Sync;

/// What a caller may do besides; nothing, unless the gate tells.
#[derive(Clone, Default)]
pub(super) struct Rights(Option<Arc<Ask>>);

impl Rights {
    pub(super) fn new(ask: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(ask)))
    }
}

impl Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rights")
    }
}

impl Call {
    /// The route that a request takes, and the request as it reads there. The body is no JSON where there is none.
    pub(super) fn find(
        routes: &'static [Route],
        (method, path, query): (&str, &str, &str),
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<(&'static Route, Result<Self, serde_json::Error>)> {
        let mut with_method = routes.iter().filter(|route| route.method == method);
        let (route, labels) = with_method.find_map(|route| Some((route, labels(route.path, path)?)))?;
        let body = match body {
            [] => Ok(Value::Object(Map::new())),
            body => serde_json::from_slice(body),
        };
        let query = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-"));
        let query = query.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let query = query.map(|(name, value)| (decoded(name), decoded(&value.replace('+', "%20")))).collect();
        let call = |body| Self { body, labels, query, headers: headers.clone(), ..Self::default() };
        Some((route, body.map(call)))
    }

    /// Whether the caller may do something else, which a service does in the caller's name where [`Route::needs`] can't
    /// tell beforehand.
    pub(super) fn may(&self, action: &str, resource: &str) -> bool {
        self.rights.0.as_ref().is_some_and(|ask| ask(action, resource))
    }

    /// A label of the path, decoded; empty if the path has none of that name.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The first value of a parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter of the query.
    pub(super) fn queries<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header's value, or nothing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A text of the body.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str()
    }

    /// The ARN of something of the account in its region: `arn:aws:SERVICE:REGION:ACCOUNT:REST`.
    pub(super) fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.region, self.account)
    }

    /// The tags that the call brings: an object, or a list of `Key` and `Value`.
    pub(super) fn tags(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match &self.body["tags"] {
            Value::Object(tags) => tags.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
            Value::Array(tags) => {
                let pair = |tag: &Value| Some((text(&tag["Key"])?, text(&tag["Value"]).unwrap_or_default()));
                tags.iter().filter_map(pair).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What of the call is written down: labels, query, and the short texts and numbers of the body.
    pub(super) fn summary(&self) -> Value {
        const LONGEST: usize = 256;
        let short = |value: &Value| match value {
            Value::String(text) => text.len() <= LONGEST,
            Value::Number(_) | Value::Bool(_) => true,
            _ => false,
        };
        let body = self.body.as_object().into_iter().flatten();
        let body = body.filter(|(_, value)| short(value)).map(|(name, value)| (name.clone(), value.clone()));
        let query = self.query.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        let labels = self.labels.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
        Value::Object(body.chain(query).chain(labels).collect())
    }
}

/// An error that a service answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) status: u16,
    /// The name of the exception.
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Further members of the exception.
    pub(super) members: Map<String, Value>,
}

impl Fault {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), members: Map::new() }
    }

    /// The same with a further member of the exception.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}

/// The labels of a path, if it is one of the template's.
fn labels(template: &'static str, path: &str) -> Option<BTreeMap<&'static str, String>> {
    let mut labels = BTreeMap::new();
    let (mut template, mut path) = (template.strip_prefix('/')?, path.strip_prefix('/')?);
    loop {
        let (wanted, wanted_rest) = split(template);
        let label = wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        if let Some(greedy) = label.and_then(|name| name.strip_suffix('+')) {
            labels.insert(greedy, decoded(path));
            return (!path.is_empty()).then_some(labels);
        }
        let (found, found_rest) = split(path);
        match label {
            Some(name) if !found.is_empty() => _ = labels.insert(name, decoded(found)),
            None if wanted == found => {}
            _ => return None,
        }
        match (wanted_rest, found_rest) {
            (None, None) => return Some(labels),
            (Some(wanted), Some(found)) => (template, path) = (wanted, found),
            _ => return None,
        }
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static ROUTES: [Route; 3] = [
        Route::new("List", "GET", "/things", 200, anything),
        Route::new("Create", "POST", "/things/{name}", 201, |call| {
            call.arn("iot", &format!("thing/{}", call.label("name")))
        }),
        Route::new("Artifact", "GET", "/components/{arn}/artifacts/{name+}", 200, anything),
    ];

    fn find(method: &str, target: &str, body: &str) -> Option<(&'static str, Result<Call, serde_json::Error>)> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let found = Call::find(&ROUTES, (method, path, query), &HeaderMap::new(), body.as_bytes());
        found.map(|(route, call)| (route.name, call))
    }

    #[test]
    fn a_route_is_found_by_method_and_path_and_its_labels_are_decoded() {
        fidelity::fidelity!("endpoint-3");
        let (name, call) = find("POST", "/things/a%2Fb%3Ac", r#"{"tags": {"k": "v"}, "n": 1}"#).unwrap();
        let call = Call { account: "1".into(), region: "r".into(), ..call.unwrap() };
        assert_eq!((name, (ROUTES[1].on)(&call).as_str()), ("Create", "arn:aws:iot:r:1:thing/a/b:c"));
        assert_eq!(call.tags(), [("k".to_owned(), "v".to_owned())]);
        assert_eq!(call.summary(), json!({"name": "a/b:c", "n": 1}));
        let (name, call) = find("GET", "/components/arn%3Aaws/artifacts/lib/a%20b.py?x=1+2&x=3", "").unwrap();
        let call = call.unwrap();
        assert_eq!((name, call.label("arn"), call.label("name")), ("Artifact", "arn:aws", "lib/a b.py"));
        assert_eq!((call.query("x"), call.queries("x").count(), call.query("y")), (Some("1 2"), 2, None));
        for (method, path) in
            [("PUT", "/things"), ("GET", "/things/"), ("GET", "/thing"), ("GET", "/components/a/artifacts/")]
        {
            assert!(find(method, path, "").is_none(), "{method} {path}");
        }
        assert!(find("POST", "/things/a", "{").unwrap().1.is_err());
    }
}
