//! The protocol for machines: the AsyncAPI document that the hub serves.

/// AsyncAPI 3.0, YAML: every message in both directions with its schema and examples.
pub const DOCUMENT: &str = include_str!("../../client-demo/asyncapi.yaml");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::error::ERRORS;
    use crate::{Outcome, decode};

    /// The examples' payloads: the document keeps each on one line, as JSON, which is YAML too.
    fn examples() -> Vec<Value> {
        let payloads = DOCUMENT.lines().filter_map(|line| line.trim_start().strip_prefix("- payload: "));
        payloads.map(|json| serde_json::from_str(json).unwrap()).collect()
    }

    #[test]
    fn what_the_document_shows_of_clients_the_hub_takes() {
        let mut taken = BTreeSet::new();
        for example in examples() {
            let text = example.to_string();
            if let Ok(message) = decode(&text) {
                taken.insert(message.body.type_name());
            } else {
                let hubs = "welcome refreshed pong ack result error notification closed session sessionEnded context kpi activity \
                    event stats";
                assert!(hubs.split(' ').any(|kind| example["type"] == kind), "{text}");
            }
        }
        let all = "accept activity cancel endSession getContext hello kpi notify ping presence refresh reject seen";
        assert_eq!(taken.into_iter().collect::<Vec<_>>().join(" "), all);
    }

    #[test]
    fn the_document_names_every_error_and_every_outcome() {
        for row in ERRORS {
            assert!(DOCUMENT.contains(row.name) && DOCUMENT.contains(row.message), "{row:?}");
        }
        for outcome in Outcome::ALL {
            assert!(DOCUMENT.contains(outcome.response_reason()), "{outcome:?}");
        }
    }
}
