//! The parts of a fleet status message, and how a long one is cut.

use crate::service::{State, Trouble};
use serde_json::{Value, json};

/// The longest message in bytes.
const LONGEST: usize = 128_000;

/// A component in a message.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) arns: Vec<String>,
    /// Why it is in trouble.
    pub(super) details: Option<Trouble>,
    pub(super) root: bool,
    pub(super) status: State,
}

impl Component {
    pub(super) fn value(&self) -> Value {
        json!({
            "componentName": self.name,
            "version": self.version,
            "fleetConfigArns": self.arns,
            "componentStatusDetails": self.details.as_ref().map(|trouble| {
                json!({"statusCodes": [trouble.code], "statusReason": trouble.reason})
            }),
            "isRoot": self.root,
            "status": self.status.to_string(),
        })
    }
}

/// The messages that carry `components`: one, or several that are numbered, each below the limit. A component that
/// alone is too long is left out.
pub(super) fn chunks(common: &Value, components: Vec<Value>) -> Vec<Value> {
    let whole = with(common, &components, None);
    if length(&whole) < LONGEST {
        return vec![whole];
    }
    let fits = |components: &[Value]| length(&with(common, components, Some((usize::MAX, usize::MAX)))) < LONGEST;
    let mut chunks: Vec<Vec<Value>> = vec![Vec::new()];
    for component in components.into_iter().filter(|component| fits(std::slice::from_ref(component))) {
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(component);
            if let Some(component) = (!fits(chunk)).then(|| chunk.pop()).flatten() {
                chunks.push(vec![component]);
            }
        }
    }
    let total = chunks.len();
    let number = |(index, chunk): (usize, Vec<Value>)| with(common, &chunk, (total > 1).then_some((index + 1, total)));
    chunks.into_iter().enumerate().map(number).collect()
}

fn with(common: &Value, components: &[Value], chunk: Option<(usize, usize)>) -> Value {
    let mut message = common.clone();
    if let Some((id, total)) = chunk {
        message["chunkInfo"] = json!({"chunkId": id, "totalChunks": total});
    }
    message["components"] = components.into();
    message
}

fn length(message: &Value) -> usize {
    message.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(count: usize, size: usize) -> Vec<Value> {
        (0..count).map(|number| json!({"componentName": format!("{number}-{}", "x".repeat(size))})).collect()
    }

    #[test]
    fn a_short_message_has_no_chunk() {
        fidelity::fidelity!("core-fleet-7");
        let messages = chunks(&json!({"sequenceNumber": 1}), components(3, 10));
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].get("chunkInfo"), None);
        assert_eq!(messages[0]["components"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_long_one_is_cut_and_loses_nothing() {
        fidelity::fidelity!("core-fleet-7");
        let messages = chunks(&json!({"sequenceNumber": 1}), components(300, 1000));
        assert_eq!(messages.len(), 3);
        for (index, message) in messages.iter().enumerate() {
            assert!(message.to_string().len() < LONGEST);
            assert_eq!(message["chunkInfo"], json!({"chunkId": index + 1, "totalChunks": 3}));
            assert_eq!(message["sequenceNumber"], 1);
        }
        let told: usize = messages.iter().map(|message| message["components"].as_array().unwrap().len()).sum();
        assert_eq!(told, 300);
    }

    #[test]
    fn a_component_that_never_fits_is_left_out() {
        fidelity::fidelity!("core-fleet-7");
        let mut all = components(1, 200_000);
        all.extend(components(1, 10));
        let messages = chunks(&json!({}), all);
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0]["components"].as_array().unwrap().len(), 1);
    }
}
