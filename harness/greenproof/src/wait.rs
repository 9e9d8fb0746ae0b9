//! The one place that waits: for a condition, never for a time.

use std::time::{Duration, Instant};

/// Asks `condition` again and again until it answers or patience ends, which gives `None`.
///
/// For what can't announce itself, such as a file in a container; events are awaited on the
/// [`Journal`](crate::journal::Journal).
pub(crate) async fn until<T>(patience: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    const PAUSE: Duration = Duration::from_millis(50);
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = condition().await {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "this is the wait module")]
        tokio::time::sleep(PAUSE).await;
    }
}
