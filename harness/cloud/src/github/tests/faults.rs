//! What real clients print when something goes wrong on purpose.

use super::*;
use crate::control::{Answer, Control, ask};
use serde_json::json;

impl Hosted {
    fn begin(&self, faults: &[&str]) {
        for fault in faults {
            self.faults.begin(fault.parse().unwrap());
        }
    }

    /// What git prints of a clone of the private repository with a good token.
    async fn cloned(&self) -> (Option<i32>, String) {
        let (output, _) = self.clone(&format!("x:{TOKEN}@"), PRIVATE).await;
        (output.status.code(), stderr(&output).replace(&format!(":{}", self.port), ""))
    }

    /// A clone while faults are on, and another one after they have ended.
    async fn struck(&self, faults: &[&str]) -> (Option<i32>, String) {
        self.begin(faults);
        let said = self.cloned().await;
        for fault in faults {
            self.faults.end(fault.split(' ').next().unwrap());
        }
        assert_eq!(self.cloned().await, (Some(0), String::new()), "{faults:?} has ended");
        said
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn git_prints_what_github_answers_where_a_fault_wants_it() {
    fidelity::fidelity!("fault-6");
    let hosted = Hosted::raise().await;
    let url = "https://github.com/cm-ichida/myawsname.git/";
    let refused = "remote: Invalid username or token. Password authentication is not supported for Git operations.";
    let status = |status: u16| format!("fatal: unable to access '{url}': The requested URL returned error: {status}");
    let sso = "remote: The `cm-ichida' organization has enabled or enforced SAML SSO. To access\n\
               remote: this repository, visit https://github.com/orgs/cm-ichida/sso?authorization_request=";
    for (fault, parts) in [
        ("git.401", vec![refused.to_owned(), format!("fatal: Authentication failed for '{url}'")]),
        ("git.403", vec!["remote: Write access to repository not granted.".to_owned(), status(403)]),
        ("git.404", vec!["remote: Repository not found.".to_owned(), format!("fatal: repository '{url}' not found")]),
        ("git.429", vec!["remote: Too many requests.".to_owned(), status(429)]),
        ("git.503", vec![status(503)]),
        ("git.refs.503 body=We are down.", vec!["remote: We are down.".to_owned(), status(503)]),
        ("git.sso", vec![sso.to_owned(), "remote: and try your request again.".to_owned(), status(403)]),
        ("git.token-expired", vec![refused.to_owned(), format!("fatal: Authentication failed for '{url}'")]),
        ("git.token-expired-mid-clone", vec!["401".to_owned()]),
        ("git.truncated", vec!["fatal: early EOF".to_owned()]),
        ("git.reset", vec!["fatal: unable to access".to_owned()]),
    ] {
        let (code, said) = hosted.struck(&[fault]).await;
        assert_eq!(code, Some(128), "{fault}: {said}");
        for part in parts {
            assert!(said.contains(&part), "{fault}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn git_takes_a_portals_page_for_an_empty_repository() {
    fidelity::fidelity!("fault-6");
    let hosted = Hosted::raise().await;
    let (code, said) = hosted.struck(&["git.portal"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("warning: You appear to have cloned an empty repository.\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_tag_is_not_found() {
    fidelity::fidelity!("fault-6");
    let hosted = Hosted::raise().await;
    let bare = hosted.folder.path().join("git/cm-ichida/myawsname.git");
    for tag in ["v1", "v2"] {
        assert!(hosted.git(&["-C", bare.to_str().unwrap(), "tag", tag]).await.status.success());
    }
    hosted.begin(&["git.tag-missing tag=v1"]);
    let address = format!("https://x:{TOKEN}@github.com:{}/{PRIVATE}", hosted.port);
    let listed = async || {
        let output = hosted.git(&["ls-remote", "--tags", &address]).await;
        String::from_utf8(output.stdout).unwrap()
    };
    let seen = listed().await;
    assert!(!seen.contains("refs/tags/v1") && seen.contains("refs/tags/v2"), "{seen}");
    hosted.faults.end("git.tag-missing");
    assert!(listed().await.contains("refs/tags/v1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_say_what_is_wrong_with_a_certificate() {
    fidelity::fidelity!("fault-9");
    let hosted = Hosted::raise().await;
    for (fault, says) in [
        ("tls.untrusted host=github.com", "server certificate verification failed"),
        ("tls.expired host=github.com", "server certificate verification failed"),
        ("tls.not-yet-valid host=github.com", "server certificate verification failed"),
        ("tls.wrong-name host=github.com", "does not match target host name 'github.com'"),
        ("tls.intercepted host=github.com", "server certificate verification failed"),
    ] {
        let (code, said) = hosted.struck(&[fault]).await;
        assert!(code == Some(128) && said.contains(says), "{fault}: {said}");
    }
    hosted.begin(&["tls.expired host=packages.greenproof.internal"]);
    assert_eq!(hosted.cloned().await.0, Some(0), "another host is as ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_is_down_or_lacks_wheels_where_a_fault_wants_it() {
    fidelity::fidelity!("fault-7");
    let hosted = Hosted::raise().await;
    let get = |path: &'static str| hosted.get(crate::world::INDEX_HOST, path, "Accept: */*");
    let page = "/simple/flit-core/";
    hosted.begin(&["index.503 times=1"]);
    assert_eq!([get(page).await.0, get(page).await.0], [503, 200]);
    hosted.begin(&["index.no-wheel package=other", "index.no-wheel package=flit-core times=1"]);
    assert!(!get(page).await.1.contains(".whl"));
    assert!(get(page).await.1.contains(".whl"));
    hosted.begin(&["index.down"]);
    assert_eq!(get(page).await.0, 0, "curl has no status of a connection that was reset");
    assert_eq!(hosted.cloned().await.0, Some(0), "another host is as ever");
    hosted.faults.end("index.down");
    assert_eq!(get(page).await.0, 200);
}

/// As the harness asks the role in its container.
#[tokio::test(flavor = "multi_thread")]
async fn faults_begin_and_end_by_order() {
    fidelity::fidelity!("fault-14");
    let hosted = Hosted::raise().await;
    let socket = hosted.folder.path().join("run/control.sock");
    super::super::take_orders(Arc::clone(&hosted.faults), &socket).unwrap();
    let order = |value: serde_json::Value| serde_json::from_value::<Control>(value).unwrap();
    let begun = ask(&socket, &order(json!({"fault": "git.503"}))).await.unwrap();
    assert_eq!(begun, Answer::Faulty { name: "git.503".into() });
    assert_eq!(hosted.cloned().await.0, Some(128));
    let ended = ask(&socket, &order(json!({"fault_end": "git.503"}))).await.unwrap();
    assert_eq!(ended, Answer::Sound { name: "git.503".into() });
    assert_eq!(hosted.cloned().await.0, Some(0));
    let refused = ask(&socket, &order(json!({"cancel": {"deployment": "d"}}))).await.unwrap_err();
    assert_eq!(refused.to_string(), "GitHub takes no such order");
}
