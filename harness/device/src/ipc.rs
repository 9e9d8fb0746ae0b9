//! The Greengrass IPC socket: there, but whoever connects is told nothing.
//!
//! A component that connects needs what isn't emulated, and the log says so.

use crate::{kernel::Kernel, log::Line};
use std::{fs, io, os::unix::fs::PermissionsExt, sync::Arc};
use tokio::net::UnixListener;

/// Listens on `ipc.socket` and notes every connection.
///
/// # Errors
/// If the socket can't be made.
pub(crate) fn watch(kernel: Arc<Kernel>) -> io::Result<()> {
    let path = kernel.config.root.join("ipc.socket");
    _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            drop(connection);
            let line = Line::error("com.aws.greengrass.ipc.IPCEventStreamService").event("greenproof-unsupported");
            kernel.logs.nucleus(&line.message("a component connected to Greengrass IPC, which is not emulated"));
        }
    });
    Ok(())
}
