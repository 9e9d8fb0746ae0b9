//! What the engine is asked to create is created, even if nobody waits for it any more: an interrupt would else leave a
//! request half-way, and what comes of it after the sweep.

use tokio::sync::RwLock;

/// Held by each creation, to be read; who sweeps waits for all.
static UNDER_WAY: RwLock<()> = RwLock::const_new(());

/// Carries out a creation to its end, whether or not the caller is dropped.
pub(super) async fn carried_out<T: Send + 'static>(creation: impl Future<Output = T> + Send + 'static) -> T {
    let held = UNDER_WAY.read().await;
    let created = tokio::spawn(async move {
        let created = creation.await;
        drop(held);
        created
    });
    created.await.expect("a creation neither panics nor is aborted")
}

/// Waits for every creation of this process that was asked for.
pub(super) async fn all_carried_out() {
    drop(UNDER_WAY.write().await);
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn a_creation_is_carried_out_without_its_caller() {
        static CREATED: AtomicBool = AtomicBool::new(false);
        fidelity::fidelity!("docker-13");
        let (asked, answer) = tokio::sync::oneshot::channel();
        let creation = carried_out(async move {
            answer.await.unwrap();
            CREATED.store(true, Ordering::SeqCst);
        });
        assert!(creation.now_or_never().is_none(), "its caller is dropped");
        assert!(all_carried_out().now_or_never().is_none() && !CREATED.load(Ordering::SeqCst));
        asked.send(()).unwrap();
        all_carried_out().await;
        assert!(CREATED.load(Ordering::SeqCst));
    }
}
