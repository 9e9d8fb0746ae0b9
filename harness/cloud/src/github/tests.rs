//! The role as real clients meet it: git, and requests made by hand, against a server on a port of this machine.

mod apps;
mod faults;

use super::{Shelves, directory::Directory, server::Server};
use crate::{
    event::Credential,
    faults::Faults,
    minted::TokenForm,
    world::{
        AUTHORITY_NAME, App, Authority, Hub, Installation, Level, Permissions, PrivateIndex, Repository, Sensitive,
        Token, TokenKind,
    },
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command};

const TOKEN: &str = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
const BLIND: &str = "ghp_blindblindblindblindblindblindblind1";
const EMPTY_HANDED: &str = "ghp_emptyemptyemptyemptyemptyemptyempty1";
const FINE: &str = "github_pat_11AAAAAAA0abcdefghijkl_mnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghi";
const OVER: &str = "github_pat_22AAAAAAA0abcdefghijkl_mnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghi";
const WITHHELD: &str = "github_pat_33AAAAAAA0abcdefghijkl_mnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghi";
const PRIVATE: &str = "cm-ichida/myawsname.git";
const PUBLIC: &str = "cm-ichida/open.git";
const INDEX: &str = "pypi.example.com";

/// Values that are almost the token.
const NEAR_MISSES: [&str; 8] = [
    "ghp_abcdefghijklmnopqrstuvwxyz0123456788",
    "ghp_abcdefghijklmnopqrstuvwxyz012345678",
    "ghp_abcdefghijklmnopqrstuvwxyz01234567899",
    "ghp_Abcdefghijklmnopqrstuvwxyz0123456789",
    " ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789\n",
    "gho_abcdefghijklmnopqrstuvwxyz0123456789",
    "",
];

/// A server with two repositories and three tokens, and a folder for what its clients write.
struct Hosted {
    folder: TempDir,
    port: u16,
    /// Where plain HTTP is answered.
    plain: u16,
    faults: Arc<Faults>,
}

impl Hosted {
    async fn raise() -> Self {
        Self::with(|_| {}).await
    }

    /// The same after a change of what there is.
    async fn with(change: impl FnOnce(&mut Hub)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (authority, issuer) = authority();
        fs::write(folder.path().join("ca.pem"), &authority.certificate).unwrap();
        let names = ["github.com", "api.github.com", crate::world::INDEX_HOST, INDEX].map(str::to_owned);
        let (params, key) = (CertificateParams::new(names).unwrap(), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        let packages = folder.path().join("packages");
        fs::create_dir(&packages).unwrap();
        fs::write(packages.join("flit_core-3.12.0-py3-none-any.whl"), "wheel").unwrap();
        let private = folder.path().join("private");
        fs::create_dir(&private).unwrap();
        fs::write(private.join("secret_tool-1.0.zip"), "archive").unwrap();

        let mut hub = hub(certificate, key.serialize_pem(), authority);
        change(&mut hub);
        let repositories = folder.path().join("git");
        let faults = Arc::new(Faults::default());
        let hosted = Self { port: 0, plain: 0, folder, faults: Arc::clone(&faults) };
        for repository in &hub.repositories {
            hosted.fill(&repositories.join(format!("{}.git", repository.name))).await;
        }
        let directory = Arc::new(Directory::new(hub, Arc::clone(&faults)));
        let shelves = Shelves { repositories, packages, private };
        let server = Server::new(Arc::clone(&directory), shelves, faults).unwrap();
        let listen = async || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            (listener.local_addr().unwrap().port(), listener)
        };
        let ((port, listener), (plain, plainly)) = (listen().await, listen().await);
        tokio::spawn(async move { match server.serve(listener).await {} });
        tokio::spawn(async move { match super::plain::serve(directory, plainly).await {} });
        Self { port, plain, ..hosted }
    }

    /// A GET by hand of an address as it is for the device: status and body.
    async fn get_as_it_is(&self, address: &str, more: &[&str]) -> (u16, String) {
        let mut command = Command::new("curl");
        command.args(["-q", "-sS", "-w", "\n%{http_code}", "--cacert"]).arg(self.folder.path().join("ca.pem"));
        for (port, here) in [(443, self.port), (80, self.plain)] {
            command.args(["--connect-to", &format!(":{port}:127.0.0.1:{here}")]);
        }
        let path = "/usr/local/bin:/usr/bin:/bin";
        let output = command.arg(address).args(more).env_clear().env("PATH", path).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// Makes a bare repository with one commit.
    async fn fill(&self, bare: &Path) {
        let tree = self.folder.path().join("tree");
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join("README.md"), "hello").unwrap();
        let tree = tree.to_str().unwrap();
        for arguments in [
            vec!["init", "-q", tree],
            vec!["-C", tree, "add", "."],
            vec!["-C", tree, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first", "--allow-empty"],
            vec!["clone", "-q", "--bare", tree, bare.to_str().unwrap()],
        ] {
            let output = self.git(&arguments).await;
            assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        }
    }

    /// Runs git without a terminal and without anyone's configuration.
    async fn git(&self, arguments: &[&str]) -> Output {
        Command::new("setsid")
            .args(["--wait", "git", "-c"])
            .arg(format!("http.curloptResolve=github.com:{}:127.0.0.1", self.port))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_SSL_CAINFO", self.folder.path().join("ca.pem"))
            .output()
            .await
            .unwrap()
    }

    /// Clones with what stands before the `@` of the address, if anything.
    async fn clone(&self, user: &str, repository: &str) -> (Output, PathBuf) {
        let target = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let address = format!("https://{user}github.com:{}/{repository}", self.port);
        (self.git(&["clone", "-q", "--filter=blob:none", &address, target.to_str().unwrap()]).await, target)
    }

    /// A GET by hand: status and body.
    async fn get(&self, host: &str, path: &str, authorization: &str) -> (u16, String) {
        self.curl(host, path, authorization, &[]).await
    }

    /// A request by hand, with further words for curl.
    async fn curl(&self, host: &str, path: &str, authorization: &str, more: &[&str]) -> (u16, String) {
        let output = Command::new("curl")
            .args(["-q", "-sS", "-w", "\n%{http_code}", "--resolve", &format!("{host}:{}:127.0.0.1", self.port)])
            .args(["-H", authorization, "--cacert"])
            .arg(self.folder.path().join("ca.pem"))
            .arg(format!("https://{host}:{}{path}", self.port))
            .args(more)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }
}

/// An authority, and what issues in its name.
fn authority() -> (Authority, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap().pem();
    let authority = Authority { certificate, key: Sensitive(key.serialize_pem()) };
    (authority, Issuer::new(params, key))
}

/// An App whose key is nobody's.
fn app() -> App {
    App {
        name: "fetcher".to_owned(),
        id: 1_234_567,
        client_id: "Iv23liAbCdEfGhIjKlMn".to_owned(),
        key: String::new(),
        tokens: TokenForm::Long,
        installation: Installation {
            id: 87_654_321,
            owner: "cm-ichida".to_owned(),
            repositories: vec!["cm-ichida/myawsname".to_owned(), "cm-ichida/other".to_owned()],
            permissions: Permissions::from([
                ("contents".to_owned(), Level::Read),
                ("metadata".to_owned(), Level::Read),
                ("issues".to_owned(), Level::Write),
            ]),
        },
    }
}

fn hub(certificate: String, key: String, authority: Authority) -> Hub {
    let token = |value: &str, repositories: &[&str], contents: bool| Token {
        name: value[..value.len().min(9)].to_owned(),
        value: Sensitive(value.to_owned()),
        kind: TokenKind::Classic,
        login: "cm-taro".to_owned(),
        repositories: repositories.iter().map(|&name| name.to_owned()).collect(),
        permissions: contents.then(|| ("contents".to_owned(), Level::Read)).into_iter().collect(),
        expires: None,
    };
    let hanako = "cm-hanako".to_owned();
    let (now, fine) = (crate::clock::now().unix_timestamp(), TokenKind::FineGrained);
    Hub {
        environment: "test".to_owned(),
        address: Ipv4Addr::LOCALHOST,
        certificate,
        key: Sensitive(key),
        repositories: vec![
            Repository { name: "cm-ichida/myawsname".to_owned(), private: true },
            Repository { name: "cm-ichida/open".to_owned(), private: false },
            Repository { name: "cm-ichida/other".to_owned(), private: true },
        ],
        tokens: vec![
            token(TOKEN, &["cm-ichida/myawsname"], true),
            token(BLIND, &["cm-ichida/other"], true),
            token(EMPTY_HANDED, &["cm-ichida/myawsname"], false),
            token("", &["cm-ichida/myawsname"], true),
            Token {
                kind: fine,
                login: hanako.clone(),
                expires: Some(now + 3600),
                ..token(FINE, &["cm-ichida/myawsname"], true)
            },
            Token { kind: fine, login: hanako, expires: Some(now - 1), ..token(OVER, &["cm-ichida/myawsname"], true) },
            Token { kind: fine, login: "cm-ichida".to_owned(), ..token(WITHHELD, &[], true) },
        ],
        apps: vec![app()],
        deploy_keys: Vec::new(),
        host_key: Sensitive::default(),
        host_key_public: "ssh-ed25519 AAAAC3Nza".to_owned(),
        indexes: vec![PrivateIndex {
            host: INDEX.to_owned(),
            users: [("device".to_owned(), Sensitive("pass:word".to_owned()))].into(),
        }],
        authority,
        faults: Vec::new(),
        seed: Some(Sensitive("seed".to_owned())),
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn good_token_clones_in_both_forms() {
    fidelity::fidelity!("github-2", "github-3");
    let hosted = Hosted::raise().await;
    for user in [format!("{TOKEN}@"), format!("{TOKEN}:x-oauth-basic@"), format!("x:{TOKEN}@")] {
        for repository in [PRIVATE, "CM-Ichida/MyAwsName", PUBLIC] {
            let (output, target) = hosted.clone(&user, repository).await;
            assert!(output.status.success(), "{repository}: {}", stderr(&output));
            assert_eq!(fs::read_to_string(target.join("README.md")).unwrap(), "hello");
        }
    }
    let (output, _) = hosted.clone("", PUBLIC).await;
    assert!(output.status.success(), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn git_says_what_it_says_of_github() {
    fidelity::fidelity!("github-4", "github-5");
    let hosted = Hosted::raise().await;
    let wrong = NEAR_MISSES[0];
    let at = format!("github.com:{}", hosted.port);
    let unheard = "Invalid username or token. Password authentication is not supported for Git operations.";
    let cases = [
        (
            String::new(),
            PRIVATE,
            format!("fatal: could not read Username for 'https://{at}': No such device or address\n"),
        ),
        (
            format!("{wrong}@"),
            PRIVATE,
            format!("fatal: could not read Password for 'https://{wrong}@{at}': No such device or address\n"),
        ),
        (
            format!("x:{wrong}@"),
            PRIVATE,
            format!("remote: {unheard}\nfatal: Authentication failed for 'https://{at}/{PRIVATE}/'\n"),
        ),
        (
            "@".to_owned(),
            PRIVATE,
            format!("fatal: could not read Password for 'https://{at}': No such device or address\n"),
        ),
        (
            format!("x:{BLIND}@"),
            PRIVATE,
            format!("remote: Repository not found.\nfatal: repository 'https://{at}/{PRIVATE}/' not found\n"),
        ),
        (
            format!("{TOKEN}@"),
            "cm-ichida/none.git",
            format!("remote: Repository not found.\nfatal: repository 'https://{at}/cm-ichida/none.git/' not found\n"),
        ),
        (
            format!("x:{EMPTY_HANDED}@"),
            PRIVATE,
            format!(
                "remote: Write access to repository not granted.\n\
                 fatal: unable to access 'https://{at}/{PRIVATE}/': The requested URL returned error: 403\n"
            ),
        ),
    ];
    for (user, repository, text) in cases {
        let (output, _) = hosted.clone(&user, repository).await;
        assert_eq!(output.status.code(), Some(128), "{user}");
        assert_eq!(stderr(&output), text, "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn near_misses_are_refused_even_where_no_token_is_needed() {
    fidelity::fidelity!("github-4");
    let hosted = Hosted::raise().await;
    for miss in NEAR_MISSES {
        for authorization in [basic(miss, ""), basic(miss, "x-oauth-basic"), basic("x", miss)] {
            for repository in [PRIVATE, PUBLIC] {
                let path = format!("/{repository}/info/refs?service=git-upload-pack");
                let (status, body) = hosted.get("github.com", &path, &format!("Authorization: {authorization}")).await;
                assert_eq!(status, 401, "{miss:?}");
                assert!(body.starts_with("Invalid username or token."), "{body}");
            }
        }
    }
}

/// What REST takes, git does not, whatever the token is worth and also where none is needed.
#[tokio::test(flavor = "multi_thread")]
async fn git_takes_a_token_by_basic_authentication_alone() {
    fidelity::fidelity!("github-24");
    let hosted = Hosted::raise().await;
    let at = format!("github.com:{}", hosted.port);
    for scheme in ["Bearer", "bearer", "token", "Digest"] {
        let header = format!("http.extraHeader=Authorization: {scheme} {TOKEN}");
        for repository in [PRIVATE, PUBLIC] {
            let path = format!("/{repository}/info/refs?service=git-upload-pack");
            let head = ["-D", "-"];
            let shown = format!("Authorization: {scheme} {TOKEN}");
            let (status, said) = hosted.curl("github.com", &path, &shown, &head).await;
            assert_eq!(status, 401, "{scheme} {repository}");
            assert!(said.ends_with("\r\n\r\ninvalid credentials"), "{said}");
            assert!(said.contains("www-authenticate: Basic realm=\"GitHub\""), "{said}");
            let output = hosted.git(&["-c", &header, "ls-remote", &format!("https://{at}/{repository}")]).await;
            let asked = format!("fatal: could not read Username for 'https://{at}': No such device or address\n");
            assert_eq!(stderr(&output), asked, "{scheme} {repository}");
        }
    }
    let basic = format!("http.extraHeader=Authorization: {}", basic("x-access-token", TOKEN));
    let output = hosted.git(&["-c", &basic, "ls-remote", &format!("https://{at}/{PRIVATE}")]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    let (status, _) = hosted.get("api.github.com", "/user", &format!("Authorization: Bearer {TOKEN}")).await;
    assert_eq!(status, 200);
}

#[test]
fn credential_is_read_exactly() {
    fidelity::fidelity!("github-3", "github-4");
    let directory = Directory::new(hub(String::new(), String::new(), authority().0), Arc::default());
    let shown = |value: &str| directory.caller_of_git(Some(value.as_bytes())).credential();
    assert_eq!(shown(&basic(TOKEN, "")), Credential::TokenAsUser);
    assert_eq!(shown(&basic("x-access-token", TOKEN)), Credential::TokenAsPassword);
    assert_eq!(shown(&basic("x", TOKEN).replace("Basic", "basic")), Credential::TokenAsPassword);
    assert_eq!(shown(&basic(TOKEN, "secret")), Credential::Unknown);
    assert_eq!(shown(&format!("Bearer {TOKEN}")), Credential::Unknown);
    assert_eq!(shown(&format!("token {TOKEN}")), Credential::Unknown);
    assert_eq!(shown("Basic !"), Credential::Unknown);
    assert_eq!(shown(&basic("", "")), Credential::Unknown);
    assert_eq!(directory.caller_of_git(None).credential(), Credential::None);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(directory.caller_of_api(Some(bearer.as_bytes())).credential(), Credential::TokenAsPassword);
}

#[tokio::test(flavor = "multi_thread")]
async fn push_is_not_granted() {
    fidelity::fidelity!("github-6");
    let hosted = Hosted::raise().await;
    let tree = hosted.folder.path().join("tree");
    let address = format!("https://x:{TOKEN}@github.com:{}/{PRIVATE}", hosted.port);
    let output = hosted.git(&["-C", tree.to_str().unwrap(), "push", &address, "HEAD:refs/heads/new"]).await;
    assert!(stderr(&output).starts_with("remote: Write access to repository not granted.\n"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_interface_tells_a_good_token_from_a_bad_one() {
    fidelity::fidelity!("github-7", "github-8");
    let hosted = Hosted::raise().await;
    let good = format!("Authorization: token {TOKEN}");
    let bad = format!("Authorization: Bearer {}", NEAR_MISSES[1]);
    let blind = format!("Authorization: {}", basic("x", BLIND));
    let none = "Accept: */*";
    for (path, authorization, status, part) in [
        ("/user", good.as_str(), 200, r#""login":"cm-taro""#),
        (
            "/user",
            &bad,
            401,
            r#"{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest","status":"401"}"#,
        ),
        ("/user", none, 401, "Requires authentication"),
        ("/repos/cm-ichida/myawsname", &good, 200, r#""private":true"#),
        ("/repos/cm-ichida/myawsname", &blind, 404, r#""message":"Not Found""#),
        ("/repos/cm-ichida/myawsname", none, 404, r#""status":"404""#),
        ("/repos/cm-ichida/open", &bad, 401, "Bad credentials"),
        ("/rate_limit", &good, 404, "Not Found"),
    ] {
        let (answered, body) = hosted.get("api.github.com", path, authorization).await;
        assert_eq!(answered, status, "{path}");
        assert!(body.contains(part), "{path}: {body}");
    }
}

/// Before anything else, so that a good token is as good as none.
#[tokio::test(flavor = "multi_thread")]
async fn rest_interface_refuses_who_does_not_name_its_program() {
    fidelity::fidelity!("github-22");
    let hosted = Hosted::raise().await;
    let good = format!("Authorization: token {TOKEN}");
    for path in ["/user", "/meta", "/repos/cm-ichida/open", "/none"] {
        for nameless in ["User-Agent:", "User-Agent;", "User-Agent:  \t"] {
            let (status, said) = hosted.curl("api.github.com", path, &good, &["-D", "-", "-H", nameless]).await;
            assert_eq!(status, 403, "{path} {nameless}");
            let (head, body) = said.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("content-type: text/html\r\n"), "{head}");
            let start = "\r\nRequest forbidden by administrative rules. Please make sure your request has a User-Agent header (";
            assert!(body.starts_with(start) && body.ends_with(" for other possible causes.\r\n"), "{body}");
        }
    }
    for agent in ["x", "Python-urllib/3.11"] {
        assert_eq!(hosted.curl("api.github.com", "/user", &good, &["-A", agent]).await.0, 200, "{agent}");
    }
    let refs = format!("/{PUBLIC}/info/refs?service=git-upload-pack");
    let (status, _) = hosted.curl("github.com", &refs, "Accept: */*", &["-A", "", "-o", "/dev/null"]).await;
    assert_eq!(status, 200, "git is asked for no name");
}

/// A download is told to be what is not emulated; it does not look as if the repository were missing.
#[tokio::test(flavor = "multi_thread")]
async fn downloads_say_that_they_are_not_emulated() {
    fidelity::fidelity!("github-23");
    let hosted = Hosted::raise().await;
    let good = format!("Authorization: token {TOKEN}");
    let (site, api) = ("github.com", "api.github.com");
    for (host, path) in [
        (site, "/cm-ichida/open/archive/refs/heads/main.tar.gz"),
        (site, "/someone/tool/releases/download/v1/tool.whl"),
        (site, "/cm-ichida/open/raw/main/README.md"),
        (api, "/repos/cm-ichida/open/tarball/main"),
        (api, "/repos/someone/tool/releases/latest"),
    ] {
        let (status, body) = hosted.get(host, path, &good).await;
        assert_eq!(status, 501, "{path}");
        assert!(body.contains(&format!("{host}{path}: downloads are not emulated, use git+https")), "{body}");
    }
    let batch = "/cm-ichida/open.git/info/lfs/objects/batch";
    let (status, body) = hosted.curl(site, batch, "Accept: */*", &["-d", "{}"]).await;
    assert_eq!((status, body), (501, format!("{site}{batch}: Git LFS is not emulated")));
    let bad = format!("Authorization: token {}", NEAR_MISSES[0]);
    assert_eq!(hosted.get(api, "/repos/cm-ichida/open/tarball/main", &bad).await.0, 401);
    for (host, path) in [(site, "/cm-ichida/open"), (site, "/cm-ichida/open.git/HEAD"), (api, "/repos/cm-ichida/none")]
    {
        assert_eq!(hosted.get(host, path, &good).await.0, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_leads_to_https() {
    fidelity::fidelity!("github-25");
    let hosted = Hosted::raise().await;
    let refs = format!("{PUBLIC}/info/refs?service=git-upload-pack");
    for address in [&format!("github.com/{refs}"), "api.github.com/meta", "github.com/"] {
        let (status, head) = hosted.get_as_it_is(&format!("http://{address}"), &["-D", "-"]).await;
        assert_eq!(status, 301, "{address}");
        assert!(head.contains(&format!("location: https://{address}\r\n")), "{head}");
        assert!(head.contains("content-length: 0\r\n"), "{head}");
    }
    let (status, refs) = hosted.get_as_it_is(&format!("http://github.com/{refs}"), &["-L", "-A", "git/2"]).await;
    assert!(status == 200 && refs.contains("# service=git-upload-pack"), "{status} {refs}");
    for host in [crate::world::INDEX_HOST, INDEX, "example.com"] {
        let (status, _) = hosted.get_as_it_is(&format!("http://{host}/simple/"), &[]).await;
        assert_eq!(status, 0, "{host}: a connection that was reset");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn index_serves_what_is_on_its_shelf() {
    fidelity::fidelity!("github-9", "github-10");
    let hosted = Hosted::raise().await;
    let get = |path| hosted.get(crate::world::INDEX_HOST, path, "Accept: */*");
    assert!(get("/simple/").await.1.contains("/simple/flit-core/"));
    let (status, page) = get("/simple/flit-core/").await;
    assert_eq!(status, 200);
    let hash = "ba59926159d2aa256eb8739b8da7e2b574b960e1202c6d624cbe981cef996c91";
    assert!(page.contains(&format!("\"/packages/flit_core-3.12.0-py3-none-any.whl#sha256={hash}\"")), "{page}");
    assert_eq!(get("/packages/flit_core-3.12.0-py3-none-any.whl").await, (200, "wheel".to_owned()));
    assert_eq!(get("/simple/Flit_Core/").await.0, 301);
    assert_eq!(get("/simple/flit-core").await.0, 301);
    for path in ["/simple/none/", "/packages/none.whl", "/packages/..%2fca.pem", "/"] {
        assert_eq!(get(path).await.0, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn private_index_wants_its_user_and_password() {
    fidelity::fidelity!("github-21");
    let hosted = Hosted::raise().await;
    let file = "/packages/secret_tool-1.0.zip";
    let right = format!("Authorization: {}", basic("device", "pass:word"));
    for path in ["/simple/secret-tool/", file, "/simple/flit-core/", "/none"] {
        let wrong = [("device", "pass"), ("other", "pass:word"), ("", "pass:word"), ("device", ""), ("device", TOKEN)];
        let wrong = wrong.map(|(user, password)| format!("Authorization: {}", basic(user, password)));
        for authorization in wrong.iter().map(String::as_str).chain(["Accept: */*", "Authorization: Bearer pass:word"])
        {
            let head = ["-o", "/dev/null", "-D", "-"];
            let (status, said) = hosted.curl(INDEX, path, authorization, &head).await;
            assert_eq!(status, 401, "{path} {authorization}");
            assert!(said.contains("www-authenticate: Basic realm=\"pypi\""), "{said}");
        }
    }
    assert!(hosted.get(INDEX, "/simple/secret-tool/", &right).await.1.contains(file));
    assert_eq!(hosted.get(INDEX, file, &right).await, (200, "archive".to_owned()));
    assert_eq!(hosted.get(INDEX, "/simple/flit-core/", &right).await.0, 200);
    for path in ["/simple/secret-tool/", file] {
        assert_eq!(hosted.get(crate::world::INDEX_HOST, path, &right).await.0, 404, "{path}");
    }
}
