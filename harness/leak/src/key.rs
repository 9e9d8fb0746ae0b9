//! What of a private key is secret: its public half is in its file, too, and everybody may have that.

use base64::{Engine, engine::general_purpose::STANDARD};
use std::ops::Range;

/// The secret in the text of a key's PEM.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Secret {
    /// The private number, or the seed.
    pub(crate) bytes: Vec<u8>,
    /// Where in the text it stands.
    pub(crate) place: Range<usize>,
}

/// The secret of a private key in PEM: EC, Ed25519 and RSA, as PKCS #8, as SEC 1 or PKCS #1, and as OpenSSH writes it.
/// Nothing for any other text, or a key with a passphrase.
pub(crate) fn secret(text: &str) -> Option<Secret> {
    let begin = text.find("-----BEGIN ")?;
    let label = &text[begin + 11..begin + text[begin..].find("KEY-----")?];
    let body_start = begin + 11 + label.len() + "KEY-----".len();
    let body_end = body_start + text[body_start..].find("-----END ")?;
    let body = &text[body_start..body_end];
    let letters: Vec<(usize, char)> = body.char_indices().filter(|(_, letter)| !letter.is_whitespace()).collect();
    let packed: String = letters.iter().map(|(_, letter)| *letter).collect();
    let der = STANDARD.decode(packed.trim_end_matches('=')).or_else(|_| STANDARD.decode(&packed)).ok()?;
    let range = match label.trim() {
        "PRIVATE" => pkcs8(&der)?,
        "EC PRIVATE" | "RSA PRIVATE" => plain(&der, 0..der.len())?,
        "OPENSSH PRIVATE" => openssh(&der)?,
        _ => return None,
    };
    let first = letters.get((range.start * 8).div_ceil(6))?.0;
    let last = letters.get(range.end * 8 / 6 - 1)?.0;
    Some(Secret { bytes: der[range].to_vec(), place: body_start + first..body_start + last + 1 })
}

/// `SEQUENCE { version, algorithm, OCTET STRING { key } }`.
fn pkcs8(der: &[u8]) -> Option<Range<usize>> {
    let mut fields = inside(der, 0..der.len(), 0x30)?;
    fields = item(der, fields)?.after(fields_end(der)?);
    fields = item(der, fields)?.after(fields_end(der)?);
    let key = inside(der, fields, 0x04)?;
    match der.get(key.start)? {
        // Ed25519: the seed, alone.
        0x04 => inside(der, key, 0x04),
        _ => plain(der, key),
    }
}

/// SEC 1: `SEQUENCE { 1, OCTET STRING }`; PKCS #1: `SEQUENCE { 0, n, e, d, … }`.
fn plain(der: &[u8], key: Range<usize>) -> Option<Range<usize>> {
    let fields = inside(der, key, 0x30)?;
    let version = item(der, fields.clone())?;
    let rest = version.content.end..fields.end;
    if *der.get(rest.start)? == 0x04 {
        return inside(der, rest, 0x04);
    }
    let modulus = item(der, rest.clone())?;
    let exponent = item(der, modulus.content.end..rest.end)?;
    let private = item(der, exponent.content.end..rest.end)?.content;
    Some(private.start + usize::from(der[private.start] == 0)..private.end)
}

struct Item {
    tag: u8,
    content: Range<usize>,
}

impl Item {
    fn after(&self, end: usize) -> Range<usize> {
        self.content.end..end
    }
}

fn fields_end(der: &[u8]) -> Option<usize> {
    Some(inside(der, 0..der.len(), 0x30)?.end)
}

/// The content of the first thing in a part of DER, which has to be of this kind.
fn inside(der: &[u8], part: Range<usize>, tag: u8) -> Option<Range<usize>> {
    item(der, part).filter(|item| item.tag == tag).map(|item| item.content)
}

fn item(der: &[u8], part: Range<usize>) -> Option<Item> {
    let bytes = der.get(part.clone())?;
    let (&tag, &length) = (bytes.first()?, bytes.get(1)?);
    let (length, head) = match length {
        0..=0x7f => (usize::from(length), 2),
        0x81..=0x84 => {
            let digits = bytes.get(2..2 + usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |value, digit| value << 8 | usize::from(*digit)), 2 + digits.len())
        }
        _ => return None,
    };
    let content = part.start + head..(part.start + head).checked_add(length)?;
    (content.end <= part.end && length > 0).then_some(Item { tag, content })
}

/// OpenSSH's own form: public keys first, then the fields of the private one.
fn openssh(bytes: &[u8]) -> Option<Range<usize>> {
    let mut at = b"openssh-key-v1\0".len();
    if !bytes.starts_with(b"openssh-key-v1\0") || &bytes[string(bytes, &mut at)?] != b"none" {
        return None;
    }
    _ = (string(bytes, &mut at)?, string(bytes, &mut at)?);
    at += 4;
    _ = string(bytes, &mut at)?;
    let part = string(bytes, &mut at)?;
    at = part.start + 8;
    let kind = string(bytes, &mut at)?;
    // Public fields stand before the private one: Ed25519's point; the curve's name and point; RSA's n and e.
    let public = if bytes[kind] == *b"ssh-ed25519" { 1 } else { 2 };
    for _ in 0..public {
        string(bytes, &mut at)?;
    }
    let mut private = string(bytes, &mut at)?;
    if public == 1 {
        private.end = private.start + 32;
    } else if bytes.get(private.start) == Some(&0) {
        private.start += 1;
    }
    (private.end <= bytes.len() && private.len() >= 16).then_some(private)
}

/// A text with its length in front.
fn string(bytes: &[u8], at: &mut usize) -> Option<Range<usize>> {
    let length = bytes.get(*at..*at + 4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
    let range = *at + 4..(*at + 4).checked_add(length)?;
    *at = range.end;
    (range.end <= bytes.len()).then_some(range)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The PEM of bytes, wrapped.
    pub(crate) fn pem(label: &str, der: &[u8]) -> String {
        let body = STANDARD.encode(der);
        let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap();
        let head = if length < 0x80 {
            vec![tag, u8::try_from(length).unwrap()]
        } else {
            [&[tag, 0x82][..], &length.to_be_bytes()].concat()
        };
        [head, content.to_vec()].concat()
    }

    fn with_length(text: &[u8]) -> Vec<u8> {
        [&u32::try_from(text.len()).unwrap().to_be_bytes(), text].concat()
    }

    /// An EC key as PKCS #8, of a private number.
    pub(crate) fn ec(private: &[u8; 32]) -> Vec<u8> {
        let algorithm = tagged(0x30, &[tagged(6, &[1; 7]), tagged(6, &[2; 8])].concat());
        let key = tagged(0x30, &[tagged(2, &[1]), tagged(4, private), tagged(0xa1, &[7; 68])].concat());
        tagged(0x30, &[tagged(2, &[0]), algorithm, tagged(4, &key)].concat())
    }

    #[test]
    fn the_private_half_of_every_form_is_found() {
        let private: [u8; 32] = std::array::from_fn(|index| u8::try_from(index * 7 + 1).unwrap());
        let rsa =
            [tagged(2, &[0]), tagged(2, &[9; 257]), tagged(2, &[1, 0, 1]), tagged(2, &[&[0], &private[..]].concat())];
        let rsa = tagged(0x30, &rsa.concat());
        let sec1 = tagged(0x30, &[tagged(2, &[1]), tagged(4, &private)].concat());
        let ed = tagged(0x30, &[tagged(2, &[0]), tagged(0x30, &[6, 1, 1]), tagged(4, &tagged(4, &private))].concat());
        let fields = [&[5; 8][..], &with_length(b"ssh-ed25519"), &with_length(&[8; 32])].concat();
        let fields = [fields, with_length(&[&private[..], &[8; 32]].concat()), with_length(b"me"), vec![1, 2]].concat();
        let head = [&b"openssh-key-v1\0"[..], &with_length(b"none"), &with_length(b"none"), &with_length(b"")].concat();
        let ssh = [head, vec![0, 0, 0, 1], with_length(&[8; 51]), with_length(&fields)].concat();
        for (label, der) in [
            ("PRIVATE KEY", ec(&private)),
            ("PRIVATE KEY", ed),
            ("EC PRIVATE KEY", sec1),
            ("RSA PRIVATE KEY", rsa),
            ("OPENSSH PRIVATE KEY", ssh),
        ] {
            let text = pem(label, &der);
            let secret = secret(&text).unwrap_or_else(|| panic!("{label}"));
            assert_eq!(secret.bytes, private, "{label}");
            let shown: String = text[secret.place].split_whitespace().collect();
            assert!(STANDARD.encode(&der).contains(&shown) && shown.len() >= 41, "{label}: {shown}");
        }
    }

    #[test]
    fn what_is_no_private_key_has_none() {
        for text in ["ghp_0123456789", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "-----BEGIN "]
        {
            assert_eq!(secret(text), None, "{text}");
        }
        for length in 0..120 {
            let whole = ec(&[3; 32]);
            let cut = &whole[..length.min(whole.len() - 80)];
            assert_eq!(secret(&pem("PRIVATE KEY", cut)), None, "{length} bytes");
        }
    }
}
