//! The AsyncAPI document as a judge: which of its messages one is, or which of its rules it breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The fields that distinguish the messages of one direction.
const TELLING: [&str; 4] = ["type", "role", "event", "msdyn_name"];

/// The document, read once.
pub(crate) struct Document {
    pub(crate) root: Value,
    from_hub: Vec<Description>,
    from_clients: Vec<Description>,
    replies: BTreeMap<String, BTreeSet<String>>,
}

/// One message of the document.
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) schema: Value,
    validator: Validator,
}

/// The sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Hub,
    Client,
}

pub(crate) fn document() -> &'static Document {
    static DOCUMENT: OnceLock<Document> = OnceLock::new();
    DOCUMENT.get_or_init(|| Document::read(include_str!("../../../client-demo/asyncapi.yaml")))
}

impl Document {
    fn read(yaml: &str) -> Self {
        let root: Value = yaml_serde::from_str(yaml).expect("the document is YAML");
        let (mut hub, mut clients, mut replies) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        for operation in root["operations"].as_object().unwrap().values() {
            let (messages, answers) = (names(&operation["messages"]), names(&operation["reply"]["messages"]));
            if operation["action"] == "send" {
                hub.extend(messages);
                continue;
            }
            for message in messages {
                replies.insert(message.clone(), answers.clone());
                clients.insert(message);
            }
            hub.extend(answers);
        }
        let describe = |names: BTreeSet<String>| names.into_iter().map(|name| Description::of(&root, name)).collect();
        let (from_hub, from_clients) = (describe(hub), describe(clients));
        Self { root, from_hub, from_clients, replies }
    }

    /// All messages of one side.
    pub(crate) fn descriptions(&self, side: Side) -> &[Description] {
        match side {
            Side::Hub => &self.from_hub,
            Side::Client => &self.from_clients,
        }
    }

    /// The one description that a message fits.
    ///
    /// # Errors
    /// The rules that it breaks, of every description that it could have been meant for.
    pub(crate) fn find(&self, side: Side, message: &Value) -> Result<&Description, String> {
        let meant: Vec<&Description> = self.descriptions(side).iter().filter(|one| one.is_meant_by(message)).collect();
        let mut fits = meant.iter().filter(|one| one.takes(side, message));
        match (fits.next(), fits.next()) {
            (Some(one), None) => Ok(one),
            (Some(one), Some(other)) => Err(format!("it is both {} and {}", one.name, other.name)),
            (None, _) => {
                Err(meant.iter().fold("no description fits:".into(), |so_far, one| so_far + &one.faults(message)))
            }
        }
    }

    /// What the hub may reply to this message of a client; to one that is not described, an error.
    pub(crate) fn replies_to(&self, message: &Value) -> BTreeSet<String> {
        let meant = self.from_clients.iter().filter(|one| one.is_meant_by(message));
        let replies = meant.flat_map(|one| self.replies[&one.name].iter().cloned());
        replies.chain(["error".to_owned()]).collect()
    }

    /// The hub's unsolicited messages, by the names of the operations.
    pub(crate) fn told_in(&self, operation: &str) -> BTreeSet<String> {
        names(&self.root["operations"][operation]["messages"])
    }

    /// Whether a schema's validator takes a client's value; sizes count bytes.
    pub(crate) fn takes(&self, validator: &Validator, value: &Value) -> bool {
        validator.is_valid(value) && validator.is_valid(&a_character_per_byte(value))
    }

    /// A schema, with its reference resolved.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(pointer) => self.resolve(self.root.pointer(&pointer[1..]).unwrap_or_else(|| panic!("no {pointer}"))),
            None => schema,
        }
    }
}

impl Description {
    fn of(root: &Value, name: String) -> Self {
        let payload = &root["components"]["messages"][&name]["payload"];
        let schema = root.pointer(&payload["$ref"].as_str().unwrap_or_else(|| panic!("a payload of {name}"))[1..]);
        // Draft 7, as AsyncAPI has it: nothing beside a `$ref` counts, so the reference is inside an `allOf`.
        let whole = json!({"components": {"schemas": root["components"]["schemas"]}, "allOf": [payload]});
        let validator = jsonschema::draft7::new(&whole).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        Self { schema: schema.unwrap_or_else(|| panic!("a schema of {name}")).clone(), name, validator }
    }

    /// Whether the distinguishing fields match one of these messages.
    fn is_meant_by(&self, message: &Value) -> bool {
        TELLING.iter().all(|field| {
            let (rule, value) = (&self.schema["properties"][field], &message[field]);
            match (&rule["const"], &rule["enum"]) {
                (Value::Null, Value::Null) => value.is_null() || self.schema["additionalProperties"] != false,
                (Value::Null, values) => {
                    values.as_array().unwrap().contains(value) || value.is_null() && *field != "type"
                }
                (only, _) => only == value,
            }
        })
    }

    fn takes(&self, side: Side, message: &Value) -> bool {
        // Clients' sizes are counted in bytes, which JSON Schema cannot say: each byte is made a character.
        self.validator.is_valid(message)
            && (side == Side::Hub || self.validator.is_valid(&a_character_per_byte(message)))
    }

    fn faults(&self, message: &Value) -> String {
        let mut said = String::new();
        for of in [message, &a_character_per_byte(message)] {
            for fault in self.validator.iter_errors(of) {
                let fault_text: String = fault.to_string().chars().take(300).collect();
                let _ =
                    write!(said, "\n  {} {}: {fault_text} ({})", self.name, fault.instance_path(), fault.schema_path());
            }
            if !said.is_empty() {
                break;
            }
        }
        said
    }
}

/// The last names of references to messages.
fn names(references: &Value) -> BTreeSet<String> {
    let names = references.as_array().into_iter().flatten().map(|one| one["$ref"].as_str().unwrap());
    names.map(|pointer| pointer.rsplit('/').next().unwrap().to_owned()).collect()
}

fn a_character_per_byte(value: &Value) -> Value {
    match value {
        Value::String(text) if !text.is_ascii() => {
            let bytes = |c: char| std::iter::repeat_n(if c.is_ascii() { c } else { 'x' }, c.len_utf8());
            Value::String(text.chars().flat_map(bytes).collect())
        }
        Value::Array(items) => items.iter().map(a_character_per_byte).collect(),
        Value::Object(fields) => {
            let name = |name: &str| a_character_per_byte(&json!(name)).as_str().unwrap_or_default().to_owned();
            fields.iter().map(|(key, value)| (name(key), a_character_per_byte(value))).collect()
        }
        other => other.clone(),
    }
}
