//! Every form of a secret, alone and among others.

use super::*;
use crate::{Encoding, Kind, key};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ456789";
const SECRET: &str = "Pa%ss/wo+rd&77\"x\\y~Zq=k";

fn finder() -> Finder {
    Finder::new(vec![Canary::new("token", TOKEN, Kind::Lasting), Canary::new("password", SECRET, Kind::Lasting)])
}

/// The only hit.
fn hit(text: &str) -> Hit {
    let hits = finder().hits(text.as_bytes());
    assert_eq!(hits.len(), 1, "{text}: {hits:?}");
    hits.into_iter().next().unwrap()
}

fn percent(text: &str, upper: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            byte if plain(byte) => char::from(byte).to_string(),
            byte if upper => format!("%{byte:02X}"),
            byte => format!("%{byte:02x}"),
        })
        .collect()
}

#[test]
fn every_encoding_is_found_and_told() {
    for (index, secret) in [TOKEN, SECRET].into_iter().enumerate() {
        let backwards: String = secret.chars().rev().collect();
        let mut forms = vec![
            (secret.to_owned(), Encoding::Raw),
            (hex::encode(secret), Encoding::Hex),
            (hex::encode_upper(secret), Encoding::Hex),
            (backwards, Encoding::Reversed),
        ];
        for user in ["", "x:", "ab:", "user:", "x-access-token:"] {
            forms.push((STANDARD.encode(format!("{user}{secret}")), Encoding::Base64));
            forms.push((STANDARD.encode(format!("{user}{secret}\n")), Encoding::Base64));
        }
        if index == 1 {
            forms.push((serde_json::to_string(secret).unwrap(), Encoding::Escaped));
            forms.push((serde_json::to_string(&serde_json::to_string(secret).unwrap()).unwrap(), Encoding::Escaped));
            forms.push((percent(secret, true), Encoding::Url));
            forms.push((percent(secret, false), Encoding::Url));
            forms.push((percent(&percent(secret, true), true), Encoding::Url));
        }
        for (form, encoding) in forms {
            for (before, after) in [("", ""), ("a line\n  key=", " and more\n"), ("'", "'"), ("https://u:", "@host/")] {
                let hit = hit(&format!("{before}{form}{after}"));
                assert_eq!((hit.canary, hit.whole, hit.split), (index, true, false), "{form}");
                let own = if form == secret { Encoding::Raw } else { encoding };
                let raw_password = index == 1 && form == secret;
                assert!(hit.encoding == own || raw_password, "{form}: {:?}", hit.encoding);
            }
        }
    }
}

#[test]
fn base64_for_urls_is_told_apart() {
    let secret = "\u{fb}\u{ff}\u{fe}~~~???>>>\u{fb}\u{ff}\u{fe}";
    let finder = Finder::new(vec![Canary::new("s", secret, Kind::Lasting)]);
    for user in ["", "x", "xy"] {
        let text = format!("{user}{secret}");
        let [one, other] =
            [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)].map(|text| finder.hits(text.as_bytes()));
        assert_eq!((one.len(), one[0].encoding, one[0].whole), (1, Encoding::Base64, true), "{user}");
        assert_eq!((other.len(), other[0].encoding, other[0].whole), (1, Encoding::Base64Url, true), "{user}");
    }
}

#[test]
fn a_prefix_of_twelve_is_found_and_no_less() {
    for (secret, least) in [(TOKEN, 12), (SECRET, 12)] {
        for length in 1..secret.len() {
            let hits = finder().hits(format!("x {} y", &secret[..length]).as_bytes());
            assert_eq!(hits.len(), usize::from(length >= least), "{length} of {secret}: {hits:?}");
            assert!(hits.iter().all(|hit| !hit.whole), "{length} of {secret}");
            let encoded = STANDARD.encode(&secret[..length]);
            assert_eq!(finder().hits(encoded.as_bytes()).len(), usize::from(length >= least), "base64, {length}");
        }
    }
}

#[test]
fn what_is_left_of_a_masked_beginning_is_found() {
    let long = "ghs_aB3dE6gH9jK2mN5pq0W1e2R3t4Y5u6I7zZyYxXwWvVuUtTsSrRqQpP0918273645".to_owned();
    let finder = Finder::new(vec![Canary::new("long", &long, Kind::Session)]);
    let hits = finder.hits(format!("***{}", &long[40..]).as_bytes());
    assert_eq!((hits.len(), hits[0].whole), (1, false));
    assert_eq!(finder.hits(long.as_bytes()).len(), 1, "a whole one is one hit");
}

#[test]
fn pieces_on_lines_are_one_secret() {
    let frame = |words: &str| {
        format!(
            "2026-11-28T10:00:00.123Z [INFO] (Copier) com.example.A: stdout. {words}. {{scriptName=services.com.example.A.lifecycle.Install, serviceName=com.example.A, currentState=NEW}}\n"
        )
    };
    let journal = |words: &str| format!("Nov 23 21:09:15 lite1 com.example.A[295]: {words}\n");
    let docker = |words: &str| format!("{{\"log\":\"{words}\\n\",\"stream\":\"stdout\"}}\n");
    let forms = [TOKEN.to_owned(), STANDARD.encode(format!("x-access-token:{TOKEN}")), hex::encode(TOKEN)];
    for form in forms {
        for width in [5, 8, 13, 20, 30] {
            let pieces: Vec<_> = form.as_bytes().chunks(width).map(|piece| String::from_utf8_lossy(piece)).collect();
            for text in [
                pieces.join("\n"),
                pieces.join("\r\n"),
                pieces.join("\n\t  "),
                pieces.join("\\\n"),
                pieces.join("\\n"),
                pieces.join("%0A"),
                pieces.iter().map(|piece| frame(piece)).collect(),
                pieces.iter().map(|piece| journal(piece)).collect(),
                pieces.iter().map(|piece| docker(piece)).collect(),
            ] {
                let hit = hit(&format!("first\n{text}"));
                assert!(hit.whole && hit.split && hit.canary == 0, "{text}: {hit:?}");
                assert!((2..9).contains(&hit.line), "{text}: {hit:?}");
            }
        }
    }
}

#[test]
fn a_beginning_at_a_lines_end_is_told_when_the_log_goes_on() {
    let log = format!(
        "2026-11-28T10:00:00Z [INFO] (Copier) a.B: stdout. {}. {{a=b}}\n2026-11-28T10:00:01Z [INFO] (Copier) a.B: stdout. other. {{a=b}}\n",
        &TOKEN[..30]
    );
    let hit = hit(&log);
    assert_eq!((hit.whole, hit.split, hit.line), (false, false, 1));
    let whole = log.replace(&TOKEN[..30], TOKEN);
    assert_eq!(finder().hits(whole.as_bytes()).len(), 1, "told once");
}

#[test]
fn places_are_those_of_the_source() {
    let text = format!("one\r\n\\\\two %41 %2541\n\n   x:{TOKEN}@\n{}", TOKEN.replace("456789", "\\\n  456789"));
    let hits = finder().hits(text.as_bytes());
    let first = text.find("0123").unwrap() as u64;
    let second = text.rfind("0123").unwrap() as u64;
    let seen: Vec<_> = hits.iter().map(|hit| (hit.offset, hit.end, hit.line, hit.whole)).collect();
    assert_eq!(seen, [(first, first + 36, 4, true), (second, text.len() as u64, 5, true)]);
}

#[test]
fn cuts_between_pieces_change_nothing() {
    let text = format!(
        "a {TOKEN} b\n{}\n{}\nNov 23 21:09:15 h a[1]: {}\nNov 23 21:09:15 h a[1]: {}\nend\n",
        percent(SECRET, true),
        STANDARD.encode(format!("user:{TOKEN}")),
        &TOKEN[..20],
        &TOKEN[20..],
    );
    let told = |hit: &Hit| (hit.canary, hit.encoding, hit.offset, hit.end, hit.line, hit.whole, hit.split);
    let whole: Vec<_> = finder().hits(text.as_bytes()).iter().map(told).collect();
    assert_eq!(whole.len(), 4, "{whole:?}");
    let finder = finder();
    for size in [1, 2, 3, 7, 50] {
        let mut hits = Vec::new();
        let mut stream = finder.stream();
        text.as_bytes().chunks(size).for_each(|piece| stream.feed(piece, &mut |hit| hits.push(told(&hit))));
        stream.finish(&mut |hit| hits.push(told(&hit)));
        hits.sort_by_key(|hit| hit.2);
        assert_eq!(hits, whole, "pieces of {size}");
    }
}

#[test]
fn keys_are_found_by_their_private_half() {
    let private: [u8; 32] = std::array::from_fn(|index| u8::try_from(index * 7 + 3).unwrap());
    let der = key::tests::ec(&private);
    let pem = key::tests::pem("PRIVATE KEY", &der);
    let finder = Finder::new(vec![Canary::new("key", &pem, Kind::Lasting)]);
    let one_line: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    for (text, encoding) in [
        (pem.clone().into_bytes(), Encoding::Raw),
        (serde_json::to_vec(&pem).unwrap(), Encoding::Escaped),
        (one_line.into_bytes(), Encoding::Raw),
        (der.clone(), Encoding::Der),
        (STANDARD.encode(&pem).into_bytes(), Encoding::Base64),
        (STANDARD.encode(format!("xy{pem}")).into_bytes(), Encoding::Base64),
        (hex::encode(&der).into_bytes(), Encoding::Hex),
    ] {
        let hits = finder.hits(&text);
        let seen: Vec<_> = hits.iter().map(|hit| (hit.encoding, hit.whole)).collect();
        assert_eq!(seen, [(encoding, true)], "{}", String::from_utf8_lossy(&text));
    }
    let other = key::tests::pem("PRIVATE KEY", &key::tests::ec(&[9; 32]));
    assert!(finder.hits(other.as_bytes()).is_empty(), "another key's public parts are none of it");
}

#[test]
fn what_many_secrets_begin_with_tells_nothing() {
    let body = "IQoJb3JpZ2luX2VjEPz//////////wEaCXVzLWVhc3QtMSJHMEUCIQ";
    let tokens =
        ["0123456789abcdefghij", "ABCDEFGHIJKLMNOPQRST", "zyxwvutsrqponmlkjihg"].map(|end| format!("{body}{end}"));
    let canary = |text: &String| Canary::new("session", text, Kind::Session);
    let finder = Finder::new(tokens.iter().map(canary).collect());
    assert!(finder.hits(format!("{body}other-token-0000000").as_bytes()).is_empty());
    for (index, token) in tokens.iter().enumerate() {
        let hits = finder.hits(token.as_bytes());
        assert_eq!(hits.iter().map(|hit| (hit.canary, hit.whole)).collect::<Vec<_>>(), [(index, true)]);
    }
}

#[test]
fn short_secrets_are_not_searched_and_told() {
    let canaries = vec![
        Canary::new("short", "hunter2", Kind::Lasting),
        Canary::new("long", "correct horse battery", Kind::Lasting),
        Canary::new("again", "correct horse battery", Kind::Lasting),
    ];
    let finder = Finder::new(canaries);
    assert_eq!(finder.unsearched().map(|canary| canary.name.as_str()).collect::<Vec<_>>(), ["short"]);
    let hits = finder.hits(b"hunter2 and correct horse battery staple");
    assert_eq!(hits.iter().map(|hit| hit.canary).collect::<Vec<_>>(), [1]);
    assert!(Finder::new(Vec::new()).hits(b"anything").is_empty());
}

#[test]
fn an_excerpt_shows_the_line_and_no_secret() {
    let pad = "word ".repeat(40);
    for (text, expected) in [
        (format!("a\nurl = https://x:{TOKEN}@github.com/o/r\nb"), "url = https://x:***@github.com/o/r"),
        (format!("GITHUB_TOKEN={TOKEN} pip"), "GITHUB_TOKEN=*** pip"),
        (format!("one {TOKEN} two {TOKEN}"), "one *** two ***"),
        (format!("Authorization: Basic {}", STANDARD.encode(format!("x:{TOKEN}"))), "Authorization: Basic ***"),
        (format!("{TOKEN}\0x"), "***"),
    ] {
        let hits = finder().hits(text.as_bytes());
        assert_eq!(hits[0].excerpt, expected, "{text}");
    }
    let hit = hit(&format!("{pad}{TOKEN} {pad}"));
    assert!(hit.excerpt.len() < 160 && hit.excerpt.contains("word *** word"), "{}", hit.excerpt);
    for cut in 0..TOKEN.len() {
        let hits = finder().hits(format!("{}{}{TOKEN}", &TOKEN[cut..], " x".repeat(20)).as_bytes());
        let shown = hits.iter().map(|hit| hit.excerpt.as_str()).collect::<String>();
        assert!((0..TOKEN.len() - 12).all(|start| !shown.contains(&TOKEN[start..start + 12])), "{shown}");
    }
    let masked = finder().masked(&format!("x {TOKEN} y {}", hex::encode(SECRET)));
    assert_eq!(masked, "x *** y ***");
}
