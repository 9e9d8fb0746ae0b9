//! The socket on which the role takes orders.

use super::{Error, inventory::Inventory, iot::Iot};
use crate::control::{Answer, Control};
use std::{io, path::Path, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

/// The longest order in bytes.
const MAX_ORDER: u64 = 4 * 1024 * 1024;

/// Takes orders on a socket, one a connection.
///
/// # Errors
/// When the socket can't be made.
pub(super) fn serve(iot: Arc<Iot>, inventory: Arc<Inventory>, socket: &Path) -> Result<(), Error> {
    let listener = listen(socket).map_err(Error::io("listening for orders"))?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(take(Arc::clone(&iot), Arc::clone(&inventory), stream));
                }
                Err(error) => tracing::warn!(%error, "an order could not be taken"),
            }
            tokio::task::yield_now().await;
        }
    });
    Ok(())
}

/// The socket, in place of one that an earlier process of a restarted container left.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = socket.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket)
}

async fn take(iot: Arc<Iot>, inventory: Arc<Inventory>, stream: UnixStream) {
    let (reading, mut writing) = stream.into_split();
    let mut line = Vec::new();
    let read = BufReader::new(reading.take(MAX_ORDER)).read_until(b'\n', &mut line).await;
    let answer = match read {
        Ok(_) => carry_out(&iot, &inventory, &line).await,
        Err(error) => Err(error.to_string()),
    };
    let Ok(answer) = serde_json::to_vec(&answer) else { return };
    if let Err(error) = writing.write_all(&answer).await {
        tracing::warn!(%error, "nobody waited for the answer to an order");
    }
}

async fn carry_out(iot: &Iot, inventory: &Inventory, order: &[u8]) -> Result<Answer, String> {
    let order: Control = serde_json::from_slice(order).map_err(|error| format!("this is no order: {error}"))?;
    match order {
        Control::Policies(change) => {
            let attached = change.thing_policies.clone();
            inventory.change(change).await?;
            attached.map_or(Ok(()), |policies| iot.give(&policies)).map(|()| Answer::Changed)
        }
        other => iot.control(other),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            iot::tests::{everything, iot, world},
            upstream::LocalStack,
        },
        *,
    };
    use crate::control::{self, ask};
    use serde_json::{Value, json};

    fn order(value: Value) -> Control {
        serde_json::from_value(value).unwrap()
    }

    #[tokio::test]
    async fn orders_are_carried_out_or_refused_with_a_reason() {
        fidelity::fidelity!("iot-26", "iot-28");
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("run/control.sock");
        for _ in 0..2 {
            // A restarted container finds the socket of the process before.
            let world = world(&everything(), &[]);
            let inventory = Arc::new(Inventory::new(&world, LocalStack::new(&world)).unwrap());
            serve(iot(&everything(), &[]), inventory, &socket).unwrap();
        }
        let deploy = order(json!({"deploy": {"id": "t", "target": "thing", "components": {}}}));
        let configuration_arn = "arn:aws:greengrass:ap-northeast-1:123456789012:configuration:thing/Core:1".to_owned();
        let deployed = Answer::Deployed { deployment: "t".to_owned(), configuration_arn };
        assert_eq!(ask(&socket, &deploy).await.unwrap(), deployed);
        let refused = ask(&socket, &deploy).await.unwrap_err();
        assert_eq!(refused.to_string(), "deployment `t`: its id is empty or taken by another deployment");
        let cancel = order(json!({"cancel": {"deployment": "d-1"}}));
        assert_eq!(ask(&socket, &cancel).await.unwrap(), Answer::Canceled { deployment: "d-1".to_owned() });
        let refused = ask(&socket, &order(json!({"cancel": {"deployment": "none"}}))).await.unwrap_err();
        assert_eq!(refused.to_string(), "there is no deployment `none`");
        let refused = ask(&socket, &order(json!({"policies": {"role": "none"}}))).await.unwrap_err();
        assert_eq!(refused.to_string(), "there is no role `none`");
        let missing = ask(&folder.path().join("none.sock"), &cancel).await.unwrap_err();
        assert!(matches!(missing, control::Error::Io(_)), "{missing}");
    }
}
