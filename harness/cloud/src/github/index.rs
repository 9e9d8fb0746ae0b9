//! The package index: PEP 503's simple pages over a folder of wheels and source archives.
//!
//! Every file carries its SHA-256, so pip checks what it fetched. There is no upload and no search. A private index wants a
//! user and a password for everything.

use super::{
    directory::{basic, find, scheme},
    server::{Reply, page, text},
};
use crate::{event::Credential, fault::Special, faults::Faults, world::PrivateIndex};
use hyper::{Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::PathBuf,
};

/// What is quoted of a file's name in a link: all but what a URL's path has as it is.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The files of an index by name.
type Files = BTreeMap<String, PathBuf>;

/// How the caller of a private index shows who it is.
pub(super) fn credential(index: &PrivateIndex, authorization: Option<&[u8]>) -> Credential {
    let Some(value) = authorization else { return Credential::None };
    let shown = scheme(value, "basic").and_then(basic);
    let known = shown.and_then(|(user, password)| {
        let of_user = index.users.iter().filter(|(known, _)| known.as_bytes() == user);
        find(&password, of_user.map(|(_, password)| (password.0.as_str(), ())))
    });
    known.map_or(Credential::Unknown, |()| Credential::Password)
}

/// The answer to who has not shown that it may read a private index, as pypiserver gives it.
pub(super) fn unauthorized() -> Reply {
    let mut reply = text(StatusCode::UNAUTHORIZED, "401 Unauthorized\n");
    let challenge = header::HeaderValue::from_static("Basic realm=\"pypi\"");
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    reply
}

/// Answers a request to an index of the files in some folders.
pub(super) async fn answer(method: &Method, path: &str, folders: &[PathBuf], faults: &Faults) -> Reply {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    }
    let files = list(folders).await;
    // pip quotes what links say, such as the `+` of a local version.
    let path = &*percent_decode_str(path).decode_utf8_lossy();
    if let Some(wanted) = path.strip_prefix("/packages/") {
        return match files.get(wanted) {
            Some(file) => content(file).await,
            None => missing(),
        };
    }
    match path.strip_prefix("/simple") {
        Some("/") => page(&links(&files)),
        Some("") => redirect("/simple/"),
        Some(rest) => of_project(rest.trim_start_matches('/'), &files, faults).await,
        None => missing(),
    }
}

async fn of_project(asked: &str, files: &Files, faults: &Faults) -> Reply {
    let bare = asked.strip_suffix('/').unwrap_or(asked);
    let name = normal(bare);
    let own: Vec<_> = files.iter().filter(|(file, _)| project(file) == name).collect();
    if own.is_empty() {
        return missing();
    }
    if asked != format!("{name}/") {
        return redirect(&format!("/simple/{name}/"));
    }
    let mut body = String::new();
    let sources_alone = faults.special(Special::IndexNoWheel, &name).is_some();
    for (file, path) in own.into_iter().filter(|(file, _)| !sources_alone || !has_ending(file, ".whl")) {
        let Ok(content) = tokio::fs::read(path).await else { continue };
        let hash = hex::encode(Sha256::digest(&content));
        let quoted = utf8_percent_encode(file, QUOTED);
        _ = writeln!(body, "<a href=\"/packages/{quoted}#sha256={hash}\">{file}</a><br/>");
    }
    page(&body)
}

/// The wheels and source archives in the folders; one that is not there has none.
async fn list(folders: &[PathBuf]) -> Files {
    let mut files = Files::new();
    for folder in folders {
        let Ok(mut entries) = tokio::fs::read_dir(folder).await else { continue };
        while let Ok(Some(entry)) = entries.next_entry().await {
            let name = entry.file_name().into_string().ok().filter(|name| stem(name).is_some());
            files.extend(name.map(|name| (name, entry.path())));
        }
    }
    files
}

async fn content(file: &PathBuf) -> Reply {
    let Ok(content) = tokio::fs::read(file).await else { return missing() };
    let mut reply = Reply::new(content.into());
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
    reply
}

fn links(files: &Files) -> String {
    let names: BTreeSet<_> = files.keys().map(|name| project(name)).collect();
    names.iter().fold(String::new(), |mut body, name| {
        _ = writeln!(body, "<a href=\"/simple/{name}/\">{name}</a><br/>");
        body
    })
}

fn redirect(to: &str) -> Reply {
    let mut reply = text(StatusCode::MOVED_PERMANENTLY, "Moved Permanently");
    if let Ok(value) = header::HeaderValue::from_str(to) {
        reply.headers_mut().insert(header::LOCATION, value);
    }
    reply
}

fn missing() -> Reply {
    text(StatusCode::NOT_FOUND, "Not Found")
}

/// The normalised project name of a distribution's file name: what precedes the version.
fn project(file: &str) -> String {
    let stem = stem(file).unwrap_or(file);
    // A wheel's name holds no other hyphen; an old source archive's may, and then the last one precedes the version.
    let split = if has_ending(file, ".whl") { stem.split_once('-') } else { stem.rsplit_once('-') };
    normal(split.map_or(stem, |(name, _)| name))
}

/// The file name without its ending, if it is one of a distribution.
fn stem(file: &str) -> Option<&str> {
    [".whl", ".tar.gz", ".zip"].iter().find_map(|ending| file.strip_suffix(ending))
}

fn has_ending(file: &str, ending: &str) -> bool {
    file.strip_suffix(ending).is_some()
}

/// PEP 503's normalised name: lower case, each run of `-`, `_` and `.` one hyphen.
fn normal(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            other => normal.push(other.to_ascii_lowercase()),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn file_names_give_normalised_projects() {
        fidelity::fidelity!("github-9");
        assert_eq!(project("flit_core-3.12.0-py3-none-any.whl"), "flit-core");
        assert_eq!(project("Zope.Interface-5.0.tar.gz"), "zope-interface");
        assert_eq!(project("old-name-1.0.zip"), "old-name");
        assert_eq!(normal("A__b.-C"), "a-b-c");
        assert_eq!(stem("index.html"), None);
    }

    #[tokio::test]
    async fn a_local_version_is_found_by_its_link() {
        fidelity::fidelity!("github-9");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a-1.2.0+g1a2b3c-py3-none-any.whl"), "wheel").unwrap();
        let folders = [folder.path().to_owned()];
        let get = async |path: &str| {
            let reply = answer(&Method::GET, path, &folders, &Faults::default()).await;
            let status = reply.status();
            (status, String::from_utf8(reply.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
        };
        let (_, links) = get("/simple/a/").await;
        let link = links.split(['"', '#']).nth(1).unwrap();
        assert_eq!(link, "/packages/a-1.2.0%2Bg1a2b3c-py3-none-any.whl");
        for path in [link, "/packages/a-1.2.0+g1a2b3c-py3-none-any.whl"] {
            assert_eq!(get(path).await, (StatusCode::OK, "wheel".to_owned()));
        }
        assert_eq!(get("/packages/..%2Fa").await.0, StatusCode::NOT_FOUND);
    }
}
