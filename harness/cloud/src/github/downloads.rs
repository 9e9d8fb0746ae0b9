//! Downloads: what GitHub gives of a repository besides git, and this role does not.
//!
//! Archives, releases, single files and Git LFS come from further hosts of GitHub's, to which `github.com` and
//! `api.github.com` lead. Who asks for one is told that it is not emulated, and so is whoever judges the run: a 404 would
//! say that the repository is missing.

use super::api::API;
use crate::event::What;
use hyper::StatusCode;

/// The host of git and of pages.
pub(super) const SITE: &str = "github.com";

/// What follows a repository in the address of a download of the site, and of the REST interface.
const OF_SITE: [&str; 6] = ["archive", "blob", "raw", "releases", "tarball", "zipball"];
const OF_API: [&str; 4] = ["contents", "releases", "tarball", "zipball"];

/// What an event tells was wanted of GitHub that is not emulated, for a person: an answer of [`of`], or the question for
/// the name of a host that has nothing but downloads.
pub(crate) fn unsupported(what: &What) -> Option<String> {
    match what {
        What::Git { path, status, .. } if *status == StatusCode::NOT_IMPLEMENTED.as_u16() => {
            match path.split_at_checked(API.len()) {
                Some((API, path)) => of(API, path),
                _ => of(SITE, path),
            }
        }
        What::Dns { name, record, answer: None } if record == "A" && has_downloads(name) => Some(not_emulated(name)),
        _ => None,
    }
}

/// What is said to who asks a host for a download; nothing for any other path.
pub(super) fn of(host: &str, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or(path);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (host, parts.as_slice()) {
        (SITE, [_, _, "info", "lfs", ..]) => Some(format!("{host}{path}: Git LFS is not emulated")),
        (SITE, [_, _, part, ..]) if OF_SITE.contains(part) => Some(not_emulated(&format!("{host}{path}"))),
        (API, ["repos", _, _, part, ..]) if OF_API.contains(part) => Some(not_emulated(&format!("{host}{path}"))),
        _ => None,
    }
}

/// Whether a host is one to which GitHub leads for downloads.
fn has_downloads(host: &str) -> bool {
    host == "codeload.github.com" || host.ends_with(".githubusercontent.com")
}

fn not_emulated(address: &str) -> String {
    format!("{address}: downloads are not emulated, use git+https")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Credential;

    fn git(path: &str, status: u16) -> What {
        let (method, credential) = ("GET".to_owned(), Credential::None);
        What::Git { method, path: path.to_owned(), repository: None, credential, status }
    }

    fn asked(name: &str, record: &str, answer: Option<&str>) -> What {
        What::Dns { name: name.to_owned(), record: record.to_owned(), answer: answer.map(str::to_owned) }
    }

    #[test]
    fn downloads_are_known_by_their_address() {
        fidelity::fidelity!("github-23");
        let wanted = "github.com/o/r/archive/main.zip: downloads are not emulated, use git+https";
        assert_eq!(of(SITE, "/o/r/archive/main.zip?token=t").as_deref(), Some(wanted));
        for path in [
            "/o/r/releases/download/v1/a.whl",
            "/o/r/tarball/v1",
            "/o/r/raw/main/a.py",
            "/o/r.git/info/lfs/objects/batch",
        ] {
            assert!(of(SITE, path).is_some(), "{path}");
        }
        for path in ["/repos/o/r/tarball/v1", "/repos/o/r/releases/latest", "/repos/o/r/contents/a.py"] {
            assert!(of(API, path).is_some() && of(SITE, path).is_none(), "{path}");
        }
        for path in ["/", "/o/r", "/o/archive", "/o/r.git/info/refs", "/o/r.git/HEAD", "/archive/r.git/git-upload-pack"]
        {
            assert_eq!(of(SITE, path), None, "{path}");
        }
        assert_eq!((of(API, "/repos/o/r"), of(API, "/repos/o/tarball")), (None, None));
    }

    #[test]
    fn only_what_was_not_given_is_unsupported() {
        fidelity::fidelity!("github-23");
        let wanted = "api.github.com/repos/o/r/tarball/v1: downloads are not emulated, use git+https";
        assert_eq!(unsupported(&git("api.github.com/repos/o/r/tarball/v1", 501)).as_deref(), Some(wanted));
        assert!(unsupported(&git("/o/r/archive/main.zip", 501)).is_some());
        assert_eq!(unsupported(&git("/o/r/archive/main.zip", 503)), None, "a fault struck");
        assert_eq!(unsupported(&git("/o/r.git/info/refs?service=git-upload-pack", 501)), None, "a fault struck");
        for host in ["codeload.github.com", "raw.githubusercontent.com", "objects.githubusercontent.com"] {
            assert!(unsupported(&asked(host, "A", None)).is_some(), "{host}");
            assert_eq!(unsupported(&asked(host, "AAAA", None)), None, "it is asked for once more");
        }
        assert_eq!(unsupported(&asked("example.com", "A", None)), None);
        assert_eq!(unsupported(&asked("github.com", "A", Some("10.0.0.3"))), None);
    }
}
