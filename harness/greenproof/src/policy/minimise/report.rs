//! The least policies and their proof, for a person and for a machine.

use super::{Least, Which};
use serde_json::{Value, json};
use std::fmt::{self, Write};

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Role => "role",
            Self::Iot => "iot",
        })
    }
}

impl Least {
    /// The policies that were sought, each a document.
    #[must_use]
    pub fn documents(&self) -> Vec<(Which, Value)> {
        let sought = self.policies.sought.iter();
        sought.filter_map(|which| Some((*which, self.policies.document(*which)?))).collect()
    }

    /// The policies ready to be pasted, and what proves them.
    #[must_use]
    pub fn human(&self) -> String {
        let mut text = String::new();
        for (which, document) in self.documents() {
            _ = writeln!(text, "{which}:\n{document:#}\n");
        }
        for removal in &self.removals {
            let seen = removal.red.as_ref().map_or("green, so it is left out".to_owned(), |red| format!("red: {red}"));
            _ = writeln!(text, "without {} ({}): {seen}", removal.sid, removal.policy);
        }
        _ = writeln!(
            text,
            "\ngreen with these policies; {} runs; {} actions and resources more are needed by what was recorded",
            self.runs, self.decided
        );
        text
    }

    /// The same as one object.
    #[must_use]
    pub fn json(&self) -> Value {
        let policies: serde_json::Map<_, _> =
            self.documents().into_iter().map(|(which, document)| (which.to_string(), document)).collect();
        json!({"policies": policies, "removals": self.removals, "decided": self.decided, "runs": self.runs})
    }
}
