//! Values that conditions compare by meaning and not by text: numbers, dates, networks, truth.

use std::net::IpAddr;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A decimal number.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && !text.contains(['e', 'E']))
}

/// A date as nanoseconds since 1970: epoch seconds, a day, or a W3C ISO 8601 time with a zone.
pub(super) fn date(text: &str) -> Option<i128> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(i128::from(seconds) * 1_000_000_000);
    }
    let full = match text.split_once('T') {
        None => format!("{text}T00:00:00Z"),
        // W3C's form may leave the seconds out.
        Some((day, clock)) => match clock.split_at_checked(5) {
            Some((minutes, zone)) if zone.starts_with(['Z', '+', '-']) => format!("{day}T{minutes}:00{zone}"),
            _ => text.to_owned(),
        },
    };
    OffsetDateTime::parse(&full, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp_nanos)
}

/// `true` or `false` in any letter case.
pub(super) fn truth(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

/// An address or a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`.
    pub(super) fn parse(text: &str) -> Option<Self> {
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
        assert_eq!(date("2025-03-14T05:00:00"), None);
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
