//! ARNs and their patterns.

use super::{Pattern, Reading};
use crate::request::Context;

/// The six segments of an ARN; the last one may hold further colons.
pub(crate) type Segments<'a> = [&'a str; 6];

/// Splits an ARN; `None` for a text with fewer segments, such as the resource `*`.
pub(crate) fn segments(arn: &str) -> Option<Segments<'_>> {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next();
    Some([next()?, next()?, next()?, next()?, next()?, next()?])
}

/// The pattern of an ARN: six segments, each with its own wildcards, so that none reaches over the first five colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArnPattern {
    /// `*`: everything, also the resource `*` of actions without resource-level permissions.
    Everything,
    Segments(Box<[Pattern; 6]>),
    /// A variable that may stand for a whole ARN.
    Text(Pattern),
    /// A text that is no ARN.
    Nothing,
}

impl ArnPattern {
    /// Compiles a resource. Variables count only after the fifth colon; missing segments are `*` where AWS completes them.
    pub(crate) fn resource(text: &str, variables: bool, completes: bool) -> Self {
        if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            return Self::Everything;
        }
        let padded;
        let missing = 5_usize.saturating_sub(text.matches(':').count());
        let text = if completes && text.starts_with("arn:") {
            padded = format!("{text}{}", ":*".repeat(missing));
            &padded
        } else {
            text
        };
        segments(text).map_or(Self::Nothing, |parts| Self::compile(parts, |part| variables && part == 5))
    }

    /// Compiles the value of an ARN operator, which takes variables in every segment.
    pub(crate) fn value(text: &str, variables: bool) -> Self {
        let parts = if variables { segments_around_variables(text) } else { segments(text) };
        match parts {
            Some(parts) => Self::compile(parts, |_| variables),
            None if text == "*" => Self::compile(["*"; 6], |_| false),
            None if variables && text.contains("${") => {
                Self::Text(Pattern::parse(text, Reading { variables, wildcards: true }))
            }
            None => Self::Nothing,
        }
    }

    fn compile(parts: Segments<'_>, variables: impl Fn(usize) -> bool) -> Self {
        let mut part = 0;
        Self::Segments(Box::new(parts.map(|text| {
            let reading = Reading { variables: variables(part), wildcards: true };
            part += 1;
            Pattern::parse(text, reading)
        })))
    }

    /// Whether the value of a condition key matches.
    pub(crate) fn matches_value(&self, value: &str, context: &Context) -> bool {
        match self {
            Self::Text(pattern) => pattern.matches(value, context),
            other => other.matches(segments(value).as_ref(), context),
        }
    }

    /// Whether the ARN matches; `None` stands for the resource `*` or a text that is no ARN.
    pub(crate) fn matches(&self, arn: Option<&Segments<'_>>, context: &Context) -> bool {
        match (self, arn) {
            (Self::Everything, _) => true,
            (Self::Segments(patterns), Some(parts)) => {
                // The last segment tells ARNs apart soonest.
                patterns.iter().zip(parts).rev().all(|(pattern, part)| pattern.matches(part, context))
            }
            (Self::Segments(_), None) | (Self::Nothing | Self::Text(_), _) => false,
        }
    }
}

/// Splits an ARN at the colons that are outside of `${…}`.
fn segments_around_variables(text: &str) -> Option<Segments<'_>> {
    let mut parts = [""; 6];
    let (mut start, mut part, mut at) = (0, 0, 0);
    while part < 5 {
        let rest = &text[at..];
        let next = rest.find(':')?;
        let variable = rest[..next].find("${");
        if let Some(close) = variable.and_then(|open| Some(open + rest[open..].find('}')?)) {
            at += close;
        } else {
            parts[part] = &text[start..at + next];
            part += 1;
            at += next + 1;
            start = at;
        }
    }
    parts[5] = &text[start..];
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Values;

    fn account() -> Context {
        let mut context = Context::default();
        context.set("aws:principalaccount", Values::one("1"));
        context
    }

    fn matches(pattern: &ArnPattern, arn: &str) -> bool {
        pattern.matches(segments(arn).as_ref(), &account())
    }

    #[test]
    fn stars_stay_in_their_segment_but_for_the_last() {
        let pattern = ArnPattern::resource("arn:aws:secretsmanager:*:1:secret:a*-??????", true, true);
        assert!(matches(&pattern, "arn:aws:secretsmanager:eu-west-1:1:secret:a/b:c-AbCdEf"));
        assert!(!matches(&pattern, "arn:aws:secretsmanager:eu:west:1:secret:a-AbCdEf"));
        assert!(!matches(&pattern, "*"));
        assert!(matches(&ArnPattern::resource("**", true, true), "*"));
        assert!(!matches(&ArnPattern::resource("", true, true), ""));
    }

    #[test]
    fn an_incomplete_arn_is_completed_where_aws_does_so() {
        let sqs = |completes| ArnPattern::resource("arn:aws:sqs", true, completes);
        assert!(matches(&sqs(true), "arn:aws:sqs:r:1:q"));
        assert!(!matches(&sqs(true), "arn:aws:sns:r:1:q"));
        assert!(!matches(&sqs(true), "*"));
        assert_eq!(sqs(false), ArnPattern::Nothing);
        assert_eq!(ArnPattern::resource("sqs", true, true), ArnPattern::Nothing);
    }

    #[test]
    fn variables_count_after_the_fifth_colon_and_everywhere_in_conditions() {
        let resource = ArnPattern::resource("arn:aws:iot:r:1:thing/${aws:PrincipalAccount}", true, true);
        assert!(matches(&resource, "arn:aws:iot:r:1:thing/1"));
        let early = "arn:aws:iot:r:${aws:PrincipalAccount}:thing/x";
        assert!(!matches(&ArnPattern::resource(early, true, true), "arn:aws:iot:r:1:thing/x"));
        assert!(matches(&ArnPattern::value(early, true), "arn:aws:iot:r:1:thing/x"));
        let within = ArnPattern::value("arn:aws:iot:r:a}${aws:PrincipalAccount}:thing/x", true);
        assert!(matches(&within, "arn:aws:iot:r:a}1:thing/x"));
        assert!(!matches(&ArnPattern::value(early, false), "arn:aws:iot:r:1:thing/x"));
        assert!(!matches(
            &ArnPattern::value("arn:aws:iot:r:${aws:PrincipalAccount:thing/x", true),
            "arn:aws:iot:r:1:thing/x"
        ));
        assert!(matches(&ArnPattern::value("*", true), "arn:aws:iot:r:1:thing/x"));
        assert!(!matches(&ArnPattern::value("*", true), "thing/x"));
        assert_eq!(ArnPattern::value("arn:aws:iot", true), ArnPattern::Nothing);
        let whole = ArnPattern::value("${aws:PrincipalAccount}", true);
        assert!(whole.matches_value("1", &account()) && !whole.matches_value("2", &account()));
    }
}
