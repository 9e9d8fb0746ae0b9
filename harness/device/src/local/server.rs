//! The socket of the command line, the tokens of those who may use it, and the program itself.

use super::{NAME, Refusal, Request, TOKENS};
use crate::{kernel::Kernel, log::Line, service::Service, tree, user::RunAs};
use serde_json::{Value, json};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

const LOGGER: &str = "com.aws.greengrass.cli.CLIService";

/// The open socket; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    task: JoinHandle<()>,
    socket: PathBuf,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
        // It may be gone already.
        _ = fs::remove_file(&self.socket);
    }
}

/// Puts the program into `bin`, writes the token files and listens.
///
/// # Errors
/// If a file or the socket can't be made.
pub(crate) fn start(kernel: &Arc<Kernel>, service: &Service) -> io::Result<Endpoint> {
    let root = kernel.store.root();
    install(root)?;
    let socket = root.join("cli.socket");
    if let Err(error) = fs::remove_file(&socket)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let listener = UnixListener::bind(&socket)?;
    // Who may use it is told by who may read a token.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666))?;
    let tokens = tokens(kernel, service, &socket)?;
    let kernel = kernel.clone();
    let task = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (kernel, tokens) = (kernel.clone(), tokens.clone());
            tokio::spawn(async move {
                if let Err(error) = serve(connection, &kernel, &tokens).await {
                    tracing::debug!(%error, "serving the command line");
                }
            });
        }
    });
    Ok(Endpoint { task, socket })
}

/// The real one links to the artifact's launcher; ours starts this very program.
fn install(root: &Path) -> io::Result<()> {
    let program = std::env::current_exe()?;
    let launcher = root.join("bin/greengrass-cli");
    let text = format!(
        "#!/bin/sh\nGGC_ROOT_PATH=\"${{GGC_ROOT_PATH:-{}}}\"\nexport GGC_ROOT_PATH\nexec '{}' greengrass-cli \"$@\"\n",
        root.display(),
        program.display()
    );
    fs::write(&launcher, text)?;
    fs::set_permissions(&launcher, fs::Permissions::from_mode(0o755))
}

/// Writes a token for each principal: our own user, or the groups that the configuration names.
fn tokens(kernel: &Kernel, service: &Service, socket: &Path) -> io::Result<Vec<String>> {
    let folder = kernel.store.root().join(TOKENS);
    // Tokens of an earlier start are void.
    if let Err(error) = fs::remove_dir_all(&folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
    kernel.logs.nucleus(&Line::info(LOGGER).message("Auth tokens have been revoked"));
    let token = || uuid::Uuid::new_v4().simple().to_string()[..16].to_ascii_uppercase();
    let write = |name: &str, token: &str, mode: u32| {
        let file = folder.join(name);
        let text = json!({"cli_auth_token": token, "domain_socket_path": socket.to_string_lossy()}).to_string();
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        Ok::<_, io::Error>(file)
    };
    let groups = tree::text(&service.spec().configuration, "AuthorizedPosixGroups").unwrap_or_default();
    if groups.is_empty() {
        let token = token();
        write(&format!("user-{}", fs::metadata("/proc/self")?.uid()), &token, 0o600)?;
        return Ok(vec![token]);
    }
    let mut tokens = Vec::new();
    for name in groups.split(',').map(str::trim) {
        let Some(group) = RunAs::resolve(&format!("0:{name}")).ok().and_then(|run| Some(run.ids().ok()?.1)) else {
            kernel.logs.nucleus(&Line::error(LOGGER).message("Failed to get group ID").with("group", name));
            continue;
        };
        let token = token();
        let file = write(&format!("group-{group}"), &token, 0o640)?;
        chown(&file, None, Some(group))?;
        tokens.push(token);
    }
    Ok(tokens)
}

/// Answers one request.
async fn serve(mut connection: UnixStream, kernel: &Kernel, tokens: &[String]) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(&mut connection).read_line(&mut line).await?;
    let answer = match serde_json::from_str::<Value>(&line) {
        Err(error) => Err(Refusal::new("InvalidArgumentsError", error.to_string())),
        Ok(message) => {
            let known = message["token"].as_str().is_some_and(|token| tokens.iter().any(|known| known == token));
            match (known, serde_json::from_value::<Request>(message["request"].clone())) {
                (false, _) => Err(Refusal::new("UnauthorizedError", "Unable to authenticate the client")),
                (true, Err(error)) => Err(Refusal::new("InvalidArgumentsError", error.to_string())),
                (true, Ok(request)) => match kernel.local() {
                    Some(local) => local.answer(kernel, request),
                    None => Err(Refusal::new("ServiceError", format!("{NAME} is not running"))),
                },
            }
        }
    };
    let answer = match answer {
        Ok(result) => json!({"result": result}),
        Err(refusal) => json!({"error": refusal}),
    };
    connection.write_all(format!("{answer}\n").as_bytes()).await
}
