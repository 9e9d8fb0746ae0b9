//! The orders that the role takes.

use super::{Error, inventory::Inventory, iot::Iot};
use crate::control::{self, Answer, Control};
use std::{path::Path, sync::Arc};

/// Takes orders on a socket.
///
/// # Errors
/// When the socket can't be made.
pub(super) fn serve(iot: Arc<Iot>, inventory: Arc<Inventory>, socket: &Path) -> Result<(), Error> {
    let carry_out = move |order| {
        let (iot, inventory) = (Arc::clone(&iot), Arc::clone(&inventory));
        async move { carry_out(&iot, &inventory, order).await }
    };
    control::serve(socket, carry_out).map_err(Error::io("listening for orders"))
}

async fn carry_out(iot: &Iot, inventory: &Inventory, order: Control) -> Result<Answer, String> {
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
    use crate::control::ask;
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
