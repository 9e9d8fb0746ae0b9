//! Values that conditions compare by meaning and not by text: numbers, dates, networks, truth.

use std::net::IpAddr;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A decimal number.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && !text.contains(['e', 'E']))
}

/// A date as nanoseconds since 1970: epoch seconds, a month, a day, or an ISO 8601 time; without a zone it is UTC.
pub(super) fn date(text: &str) -> Option<i128> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(i128::from(seconds) * 1_000_000_000);
    }
    let at =
        OffsetDateTime::parse(text, &Rfc3339).ok().or_else(|| OffsetDateTime::parse(&full(text)?, &Rfc3339).ok())?;
    Some(at.unix_timestamp_nanos())
}

/// Completes what W3C's profile of ISO 8601 lets out.
fn full(text: &str) -> Option<String> {
    let Some((day, clock)) = text.split_once(['T', 't']) else {
        let month = text.len() == "2025-03".len();
        return Some(format!("{text}{}T00:00:00Z", if month { "-01" } else { "" }));
    };
    let (minutes, rest) = clock.split_at_checked(5)?;
    let (seconds, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len()));
    let seconds = if seconds.is_empty() { ":00" } else { seconds };
    let zone = if zone.is_empty() { "Z" } else { zone };
    Some(format!("{day}T{minutes}{seconds}{zone}"))
}

/// `true` or `false` in any letter case.
pub(crate) fn truth(text: &str) -> Option<bool> {
    [("true", true), ("false", false)]
        .into_iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name))
        .map(|(_, truth)| truth)
}

/// An address or a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        (prefix <= longest).then_some(Self { address, prefix })
    }

    /// Whether the address is of the same family and within the range.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
            _ => return false,
        };
        self.prefix == 0 || (ours ^ theirs) >> (width - self.prefix) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[iam-7]`
    #[test]
    fn compares_by_meaning() {
        assert_eq!(date("2025-03-14T00:00:00Z"), date("1741910400"));
        assert_eq!(date("2025-03-14"), date("2025-03-14T01:00:00+01:00"));
        assert_eq!(date("2025-03-14T00:00Z"), date("2025-03-14"));
        assert_eq!(date("2025-03-14T05:00:00.500Z"), Some(1_741_928_400_500_000_000));
        assert_eq!(date("2025-03-14T05:00:00"), date("2025-03-14T05:00:00Z"));
        assert_eq!(date("2025-03-14T05:00"), date("2025-03-14t05:00:00Z"));
        assert_eq!(date("2025-03"), date("2025-03-01"));
        assert_eq!(date("2025-03-14T"), None);
        assert_eq!(date("2025-13-14"), None);
        assert_eq!(truth("TRUE"), Some(true));
        assert_eq!(truth("yes"), None);
        assert_eq!(date("soon"), None);
        assert_eq!(number("007"), number("7.0"));
        assert_eq!(number("10abc"), None);
        let network = Network::parse("10.1.0.0/15").unwrap();
        assert!(network.contains("10.0.255.1".parse().unwrap()));
        assert!(!network.contains("10.2.0.1".parse().unwrap()));
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("203.0.113.9".parse().unwrap()));
        assert!(!Network::parse("0.0.0.0/0").unwrap().contains("2001:db8::1".parse().unwrap()));
    }
}
