//! Checks one connection's conversation against the AsyncAPI document, frame by frame.
//!
//! The document must describe every message of the hub, and the message must be a reply to a request or an event for this client's
//! role. The document must also describe every message of a client, or the hub must refuse it; and the hub must not call a described
//! message malformed. A test that sends wrong messages on purpose needs no special call if they have an `id`, which identifies the
//! refusal; otherwise it uses `send_wrong`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::coverage::Seen;
use super::document::{Side, document};

/// The longest text that is rendered from a template.
const RENDERED_BYTES_MAX: usize = 1024;

/// The request with one id.
#[derive(Default)]
struct Asked {
    replies: BTreeSet<String>,
    described: bool,
    undescribed: bool,
}

#[derive(Default)]
pub(super) struct Talk {
    seen: Option<Seen>,
    news: BTreeSet<String>,
    /// By `id`; by nothing what had none.
    asked: BTreeMap<Option<String>, Asked>,
    anything: bool,
}

impl Talk {
    pub(super) fn new(seen: Option<Seen>) -> Self {
        Self { seen, ..Self::default() }
    }

    /// Checks a message that the client sends.
    ///
    /// # Panics
    /// If it is not described and has no id by which its refusal could be recognised.
    pub(super) fn say(&mut self, message: &Value) {
        let found = document().find(Side::Client, message);
        if let Err(fault) = &found {
            assert!(
                id(message).is_some(),
                "sent a message that the document does not describe: {}\n{fault}",
                short(message)
            );
        }
        self.ask(message, found.is_ok());
        if let (Ok(description), Some(seen)) = (found, &self.seen) {
            seen.record(description, message);
        }
    }

    /// Checks a message that the client sends and that is wrong on purpose.
    pub(super) fn say_wrong(&mut self, message: &Value) {
        let described = document().find(Side::Client, message).is_ok();
        assert!(!described || is_beyond_schemas(message), "the document has nothing against {}", short(message));
        self.ask(message, false);
    }

    /// Notes that the client sends text that need not be a message.
    pub(super) fn say_text(&mut self, text: &str) {
        let message = serde_json::from_str(text).unwrap_or_default();
        self.ask(&message, document().find(Side::Client, &message).is_ok());
    }

    /// Notes that the client sends data that is not examined, so any reply may come.
    pub(super) fn say_bytes(&mut self) {
        self.anything = true;
    }

    fn ask(&mut self, message: &Value, described: bool) {
        if described && message["type"] == "hello" && self.news.is_empty() {
            let operation = match message["role"].as_str() {
                Some("provider") => "tellProviders",
                Some("agent") => "tellAgents",
                _ => "tellObservers",
            };
            self.news = document().told_in(operation);
        }
        let asked = self.asked.entry(id(message).map(str::to_owned)).or_default();
        asked.replies.extend(document().replies_to(message));
        // What words alone forbid may be taken or refused.
        asked.described |= described;
        asked.undescribed |= !described || is_beyond_schemas(message);
    }

    /// Checks a message that the hub sends.
    ///
    /// # Panics
    /// If the document does not describe it, or not here.
    pub(super) fn hear(&self, message: &Value) {
        let description = match document().find(Side::Hub, message) {
            Ok(description) => description,
            Err(fault) => panic!("the hub said what the document does not describe: {}\n{fault}", short(message)),
        };
        let (name, asked) = (&description.name, self.asked.get(&id(message).map(str::to_owned)));
        let reply = asked.is_some_and(|asked| asked.replies.contains(name));
        let expected = reply || self.anything || self.news.contains(name);
        assert!(expected, "neither a reply to what was asked nor news for this role: {}", short(message));
        if let Some(asked) = asked.filter(|_| reply && message["id"].is_string()) {
            asked.judge(message);
        }
        if let Some(seen) = &self.seen {
            seen.record(description, message);
        }
    }
}

impl Asked {
    fn judge(&self, reply: &Value) {
        let malformed = matches!(reply["code"].as_str(), Some("badMessage" | "badParameter"));
        assert!(self.undescribed || !malformed, "the document has nothing against what the hub refused: {reply}");
        assert!(
            self.described || reply["type"] == "error",
            "the document has it otherwise, but the hub took it: {reply}"
        );
    }
}

/// The id that a reply carries back.
fn id(message: &Value) -> Option<&str> {
    let fits =
        |id: &&str| (1..=128).contains(&id.len()) && !id.contains(|c: char| c.is_control() || is_bidirectional(c));
    message["id"].as_str().filter(fits)
}

fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The rules that the document gives in words only: the number of names, each counted once, and the length of a rendered text.
fn is_beyond_schemas(message: &Value) -> bool {
    let names = |list: &Value| -> usize {
        list.as_array().into_iter().flatten().map(Value::to_string).collect::<BTreeSet<_>>().len()
    };
    let to = &message["to"];
    let long = |value: &Value| value.as_str().is_some_and(|text| text.len() > RENDERED_BYTES_MAX);
    names(&to["agents"]) + names(&to["groups"]) > 100
        || names(&message["groups"]) > 64
        || message["templateParameters"].as_object().is_some_and(|parameters| parameters.values().any(long))
}

fn short(message: &Value) -> String {
    message.to_string().chars().take(1_000).collect()
}
