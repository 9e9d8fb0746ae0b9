//! GitHub Apps and fine-grained tokens, as real clients use them: JSON Web Tokens made by openssl, curl, git.

use super::*;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const BAD: &str = "A JSON web token could not be decoded";

/// A server with an App, and its key in a file.
struct Installed {
    hosted: Hosted,
    key: PathBuf,
}

impl Installed {
    async fn raise() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.keep().join("app.pem");
        openssl(&["genrsa", "-traditional", "-out", key.to_str().unwrap(), "2048"], b"").await;
        let public = openssl(&["rsa", "-RSAPublicKey_out", "-outform", "DER", "-in", key.to_str().unwrap()], b"").await;
        let public = BASE64_STANDARD.encode(public);
        Self { hosted: Hosted::with(|hub| hub.apps[0].key = public).await, key }
    }

    /// A token with these claims; absent ones are those of a good one.
    async fn jwt(&self, claims: Value) -> String {
        let now = crate::clock::now().unix_timestamp();
        let mut all = json!({"iat": now - 60, "exp": now + 540, "iss": "1234567"});
        for (name, value) in claims.as_object().unwrap() {
            all[name] =
                if value.is_i64() && name != "iss" { json!(now + value.as_i64().unwrap()) } else { value.clone() };
        }
        let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(&json!({"alg": "RS256", "typ": "JWT"})), encoded(&all));
        let words = ["dgst", "-sha256", "-sign", self.key.to_str().unwrap()];
        let signature = openssl(&words, signed.as_bytes()).await;
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    async fn ask(&self, path: &str, bearer: &str, more: &[&str]) -> (u16, Value) {
        let authorization = format!("Authorization: Bearer {bearer}");
        let (status, body) = self.hosted.curl("api.github.com", path, &authorization, more).await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    async fn create(&self, body: &str) -> (u16, Value) {
        let jwt = self.jwt(json!({})).await;
        self.ask("/app/installations/87654321/access_tokens", &jwt, &["-d", body]).await
    }
}

async fn openssl(words: &[&str], input: &[u8]) -> Vec<u8> {
    use tokio::io::AsyncWriteExt;
    let mut command = Command::new("openssl");
    command.args(words).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn json_web_token_is_checked_as_github_does() {
    fidelity::fidelity!("github-12");
    let app = Installed::raise().await;
    let path = "/app/installations/87654321/access_tokens";
    let past = "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the \
                assertion expires";
    let issued = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";
    for (claims, status, message) in [
        (json!({"exp": 700}), 401, "'Expiration time' claim ('exp') is too far in the future"),
        (json!({"exp": -1}), 401, past),
        (json!({"exp": "soon"}), 401, past),
        (json!({"exp": null}), 401, "Missing 'expiration time' claim ('exp') in assertion"),
        (json!({"iat": 30}), 401, issued),
        (json!({"iat": null}), 401, "Missing 'issued at' claim ('iat') in assertion"),
        (json!({"iss": null}), 401, "Missing 'issuer' claim ('iss') in assertion"),
        (json!({"iss": "7654321"}), 404, "Integration not found"),
    ] {
        let (answered, body) = app.ask(path, &app.jwt(claims.clone()).await, &["-X", "POST"]).await;
        assert_eq!((answered, body["message"].as_str()), (status, Some(message)), "{claims}");
        assert_eq!(body["documentation_url"], "https://docs.github.com/rest");
    }
    for issuer in [json!("1234567"), json!(1_234_567), json!("Iv23liAbCdEfGhIjKlMn")] {
        let (status, _) = app.ask(path, &app.jwt(json!({"iss": issuer})).await, &["-X", "POST"]).await;
        assert_eq!(status, 201, "{issuer}");
    }
    let good = app.jwt(json!({})).await;
    let (signed, _) = good.rsplit_once('.').unwrap();
    let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let other = format!("{header}.{}", good.split_once('.').unwrap().1);
    for bad in [TOKEN, "a.b.c", signed, &format!("{signed}.AAAA"), &other, "", &good[1..]] {
        let (status, body) = app.ask(path, bad, &["-X", "POST"]).await;
        assert_eq!((status, body["message"].as_str()), (401, Some(BAD)), "{bad}");
    }
    app.hosted.faults.begin("github.app-key-revoked app=fetcher".parse().unwrap());
    assert_eq!(app.ask("/app", &good, &[]).await.1["message"], BAD);
    app.hosted.faults.end("github.app-key-revoked");
    assert_eq!(app.ask("/app", &good, &[]).await.1["slug"], "fetcher");
}

#[tokio::test(flavor = "multi_thread")]
async fn installation_token_clones_what_it_was_narrowed_to() {
    fidelity::fidelity!("github-13", "github-16");
    let app = Installed::raise().await;
    let (status, all) = app.create("").await;
    assert_eq!((status, &all["repositories"], &all["repository_selection"]), (201, &Value::Null, &json!("selected")));
    assert_eq!(all["permissions"], json!({"contents": "read", "issues": "write", "metadata": "read"}));
    let token = all["token"].as_str().unwrap();
    assert!(token.starts_with("ghs_1234567_") && token.len() > 500, "{token}");
    for (user, repository) in [("x-access-token", PRIVATE), ("x", "cm-ichida/other.git"), ("x", PUBLIC)] {
        let (output, _) = app.hosted.clone(&format!("{user}:{token}@"), repository).await;
        assert!(output.status.success(), "{repository}: {}", stderr(&output));
    }

    let id = app.ask("/repos/cm-ichida/other", token, &[]).await.1["id"].to_string();
    for body in [r#"{"repositories":["other"]}"#.to_owned(), format!(r#"{{"repository_ids":[{id}]}}"#)] {
        let (status, narrow) = app.create(&body).await;
        assert_eq!((status, &narrow["repositories"][0]["name"]), (201, &json!("other")), "{narrow}");
        let user = format!("x-access-token:{}@", narrow["token"].as_str().unwrap());
        let (output, _) = app.hosted.clone(&user, PRIVATE).await;
        assert!(stderr(&output).starts_with("remote: Repository not found.\n"), "{}", stderr(&output));
        assert!(app.hosted.clone(&user, "cm-ichida/other.git").await.0.status.success());
    }
    let (_, blind) = app.create(r#"{"permissions":{"issues":"read"}}"#).await;
    assert_eq!(blind["permissions"], json!({"issues": "read", "metadata": "read"}));
    let (output, _) = app.hosted.clone(&format!("x:{}@", blind["token"].as_str().unwrap()), PRIVATE).await;
    assert!(stderr(&output).starts_with("remote: Write access to repository not granted.\n"), "{}", stderr(&output));

    let repositories = "There is at least one repository that does not exist or is not accessible to the parent \
                        installation.";
    let permissions = "The permissions requested are not granted to this installation.";
    for (body, status, message) in [
        (r#"{"repositories":["open"]}"#, 422, repositories),
        (r#"{"repositories":["cm-ichida/other"]}"#, 422, repositories),
        (r#"{"repository_ids":[1]}"#, 422, repositories),
        (r#"{"permissions":{"contents":"write"}}"#, 422, permissions),
        (r#"{"permissions":{"actions":"read"}}"#, 422, permissions),
        ("{", 400, "Problems parsing JSON"),
    ] {
        let (answered, said) = app.create(body).await;
        assert_eq!((answered, said["message"].as_str()), (status, Some(message)), "{body}");
    }
    let jwt = app.jwt(json!({})).await;
    let more = ["-d", "", "-H", "X-GitHub-Stateless-S2S-Token: disabled"];
    let (_, short) = app.ask("/app/installations/87654321/access_tokens", &jwt, &more).await;
    assert_eq!(short["token"].as_str().unwrap().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn installation_token_ends_after_an_hour_or_when_it_is_taken_back() {
    fidelity::fidelity!("github-14");
    let app = Installed::raise().await;
    let begin = |fault: &str| app.hosted.faults.begin(fault.parse().unwrap());
    let token = async || app.create("").await.1["token"].as_str().unwrap().to_owned();
    let status = async |token: &str| app.ask("/installation/repositories", token, &[]).await.0;
    let first = token().await;
    assert_eq!(app.ask("/installation/repositories", &first, &[]).await.1["total_count"], 2);
    begin("github.clock shift=3590");
    assert_eq!(status(&first).await, 200);
    begin("github.clock shift=3601");
    assert_eq!(
        app.ask("/user", &first, &[]).await,
        (
            401,
            json!({"message": "Bad credentials",
        "documentation_url": "https://docs.github.com/rest", "status": "401"})
        )
    );
    let (output, _) = app.hosted.clone(&format!("x:{first}@"), PRIVATE).await;
    assert!(stderr(&output).starts_with("remote: Invalid username or token."), "{}", stderr(&output));
    app.hosted.faults.end("github.clock");

    let second = token().await;
    assert_eq!(app.ask("/user", &second, &[]).await.1["message"], "Resource not accessible by integration");
    assert_eq!(app.ask("/installation/token", &second, &["-X", "DELETE"]).await.0, 204);
    assert_eq!((status(&second).await, status(&first).await), (401, 200));
    begin("github.user-deleted login=cm-ichida");
    assert_eq!((status(&first).await, app.create("").await.0), (401, 404));
    app.hosted.faults.end("github.user-deleted");
    assert_eq!(status(&first).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn app_finds_its_installation() {
    fidelity::fidelity!("github-15", "github-20");
    let app = Installed::raise().await;
    let jwt = app.jwt(json!({})).await;
    for path in [
        "/app/installations/87654321",
        "/repos/cm-ichida/myawsname/installation",
        "/orgs/cm-ichida/installation",
        "/users/CM-Ichida/installation",
    ] {
        let (status, body) = app.ask(path, &jwt, &[]).await;
        assert_eq!(
            (status, &body["id"], &body["account"]["login"]),
            (200, &json!(87_654_321), &json!("cm-ichida")),
            "{path}"
        );
    }
    assert_eq!(app.ask("/app/installations", &jwt, &[]).await.1.as_array().unwrap().len(), 1);
    for path in ["/repos/cm-ichida/open/installation", "/orgs/other/installation", "/app/installations/1"] {
        assert_eq!(app.ask(path, &jwt, &[]).await.0, 404, "{path}");
    }
    assert_eq!(app.ask("/app", TOKEN, &[]).await.1["message"], BAD);
    let (status, body) = app.ask("/installation/repositories", TOKEN, &[]).await;
    assert_eq!((status, body["message"].as_str().unwrap().starts_with("You must authenticate")), (403, true));
    let (_, meta) = app.hosted.get("api.github.com", "/meta", "Accept: */*").await;
    assert!(meta.contains(r#""ssh_keys":["ssh-ed25519 AAAAC3Nza"]"#), "{meta}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fine_grained_token_is_for_what_it_was_made_for() {
    fidelity::fidelity!("github-17", "github-18");
    let hosted = Hosted::raise().await;
    assert!(hosted.clone(&format!("x:{FINE}@"), PRIVATE).await.0.status.success());
    let said = async |token: &str, repository: &str| stderr(&hosted.clone(&format!("x:{token}@"), repository).await.0);
    assert!(said(FINE, "cm-ichida/other.git").await.starts_with("remote: Repository not found."));
    // Its owner sees the repository and did not choose it.
    assert!(said(WITHHELD, PRIVATE).await.starts_with("remote: Write access to repository not granted."));
    assert!(said(OVER, PRIVATE).await.starts_with("remote: Invalid username or token."));
    let more = ["-o", "/dev/null", "-D", "-"];
    let bearer = format!("Authorization: Bearer {FINE}");
    let (_, head) = hosted.curl("api.github.com", "/user", &bearer, &more).await;
    assert!(head.contains("github-authentication-token-expiration: 20"), "{head}");

    hosted.faults.begin("github.clock shift=3700".parse().unwrap());
    assert!(said(FINE, PRIVATE).await.starts_with("remote: Invalid username or token."));
    assert!(hosted.clone(&format!("x:{TOKEN}@"), PRIVATE).await.0.status.success());
    hosted.faults.end("github.clock");
    hosted.faults.begin(format!("github.token-revoked token={}", &TOKEN[..9]).parse().unwrap());
    assert!(said(TOKEN, PRIVATE).await.starts_with("remote: Invalid username or token."));
    assert!(hosted.clone(&format!("x:{FINE}@"), PRIVATE).await.0.status.success());
    hosted.faults.begin("github.user-deleted login=cm-ichida".parse().unwrap());
    assert!(said(FINE, PRIVATE).await.starts_with("remote: Repository not found."));
    hosted.faults.begin("github.user-deleted login=cm-hanako".parse().unwrap());
    assert!(said(FINE, PRIVATE).await.starts_with("remote: Invalid username or token."));
}
