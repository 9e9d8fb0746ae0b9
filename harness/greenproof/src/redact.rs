//! Keeps secrets out of everything that is stored or shown.
//!
//! A [`Redactor`] knows the run's secrets and replaces each, in every form that tools print it in, by `***`.

use base64::{Engine, engine::general_purpose::STANDARD};

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// The secrets of one run.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<(String, Vec<String>)>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.secrets.iter().map(|(what, _)| what)).finish()
    }
}

impl Redactor {
    /// Adds a secret; `what` names it in reports, such as ``token `mypat` ``. An empty one is ignored.
    ///
    /// # Panics
    /// Never: a text is always JSON.
    #[must_use]
    pub fn with(mut self, what: impl Into<String>, secret: &str) -> Self {
        if !secret.trim().is_empty() {
            let quoted = serde_json::to_string(secret).expect("a text is always JSON");
            let mut forms = vec![secret.to_owned(), STANDARD.encode(secret), quoted.trim_matches('"').to_owned()];
            // The longest form first, so that a form within another can't leave a tail behind.
            forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
            forms.dedup();
            self.secrets.push((what.into(), forms));
            self.secrets.sort_by_key(|(_, forms)| std::cmp::Reverse(forms[0].len()));
        }
        self
    }

    /// The text without secrets.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        self.secrets
            .iter()
            .flat_map(|(_, forms)| forms)
            .fold(text.to_owned(), |text, form| text.replace(form.as_str(), MASK))
    }

    /// The secrets that a text holds, by the name that they were added with.
    #[must_use]
    pub fn leaks(&self, text: &str) -> Vec<&str> {
        self.secrets
            .iter()
            .filter(|(_, forms)| forms.iter().any(|form| text.contains(form.as_str())))
            .map(|(what, _)| what.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_every_form_and_names_the_secret() {
        let redactor = Redactor::default().with("token `mypat`", "ghp_abc\"1");
        let text = "raw ghp_abc\"1, json ghp_abc\\\"1, base64 Z2hwX2FiYyIx";
        assert_eq!(redactor.apply(text), "raw ***, json ***, base64 ***");
        assert_eq!(redactor.leaks("x ghp_abc\"1 y"), ["token `mypat`"]);
        assert!(redactor.leaks("ghp_abc").is_empty());
    }

    #[test]
    fn an_empty_secret_masks_nothing() {
        assert_eq!(Redactor::default().with("nothing", "").apply("text"), "text");
    }
}
