//! What LocalStack said, kept until something is written.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Facts by region and by the name that a caller used.
#[derive(Debug)]
pub(super) struct Cache<T>(Mutex<Kept<T>>);

#[derive(Debug)]
struct Kept<T> {
    facts: HashMap<(String, String), Arc<T>>,
    /// How often it was emptied.
    generation: u64,
}

/// When a question was asked; what was true before a write is not kept after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked(u64);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::new(Kept { facts: HashMap::new(), generation: 0 }))
    }
}

impl<T> Cache<T> {
    /// A fact that is known, or when its question is asked now.
    pub(super) fn find(&self, region: &str, name: &str) -> Result<Arc<T>, Asked> {
        let kept = self.lock();
        kept.facts.get(&(region.to_owned(), name.to_owned())).cloned().ok_or(Asked(kept.generation))
    }

    /// Keeps the answer to a question, unless something was written since it was asked.
    pub(super) fn keep(&self, asked: Asked, region: &str, name: &str, fact: T) -> Arc<T> {
        let fact = Arc::new(fact);
        let mut kept = self.lock();
        if kept.generation == asked.0 {
            kept.facts.insert((region.to_owned(), name.to_owned()), Arc::clone(&fact));
        }
        fact
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut kept = self.lock();
        kept.facts.clear();
        kept.generation += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_true_before_a_write_is_not_kept() {
        let cache = Cache::default();
        let asked = cache.find("r", "n").unwrap_err();
        cache.clear();
        assert_eq!(*cache.keep(asked, "r", "n", 1), 1);
        let asked = cache.find("r", "n").unwrap_err();
        cache.keep(asked, "r", "n", 2);
        assert_eq!(*cache.find("r", "n").unwrap(), 2);
        assert!(cache.find("s", "n").is_err());
    }
}
