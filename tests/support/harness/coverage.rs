//! What of the AsyncAPI document messages have shown: every message, every property, every value of an enumeration, both
//! values of a boolean, every type where there are several.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};

use super::document::{Description, Document, Side, document};

/// What has been seen, as lines such as `error.code = notFound`.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<BTreeSet<String>>>);

impl Seen {
    pub(super) fn record(&self, description: &Description, message: &Value) {
        let mut seen = self.0.lock().unwrap();
        seen.insert(description.name.clone());
        Walk { document: document(), found: &mut seen }.instance(&description.schema, message, &description.name);
    }

    /// The descriptions that no message has shown so far.
    pub(crate) fn unseen(&self) -> BTreeSet<String> {
        let mut described = BTreeSet::new();
        for description in [Side::Hub, Side::Client].iter().flat_map(|side| document().descriptions(*side)) {
            described.insert(description.name.clone());
            Walk { document: document(), found: &mut described }.schema(&description.schema, &description.name);
        }
        described.difference(&self.0.lock().unwrap()).cloned().collect()
    }
}

struct Walk<'a> {
    document: &'a Document,
    found: &'a mut BTreeSet<String>,
}

impl Walk<'_> {
    /// All that a schema describes.
    fn schema(&mut self, schema: &Value, path: &str) {
        let schema = self.document.resolve(schema);
        for part in ["allOf", "oneOf"].iter().flat_map(|list| items(&schema[list])) {
            self.schema(part, path);
        }
        for value in items(&schema["enum"]) {
            self.found.insert(format!("{path} = {value}"));
        }
        self.kinds(schema, path);
        for (name, property) in fields(&schema["properties"]).filter(|(_, property)| property.is_object()) {
            let path = format!("{path}.{name}");
            self.schema(property, &path);
            self.found.insert(path);
        }
        for (part, mark) in [("additionalProperties", ".*"), ("items", "[]")] {
            if schema[part].is_object() {
                let path = format!("{path}{mark}");
                self.schema(&schema[part], &path);
                self.found.insert(path);
            }
        }
    }

    fn kinds(&mut self, schema: &Value, path: &str) {
        let kinds = if schema["type"].is_array() { items(&schema["type"]).collect() } else { vec![&schema["type"]] };
        for kind in &kinds {
            match kind.as_str() {
                Some("boolean") => self.found.extend([format!("{path} = true"), format!("{path} = false")]),
                Some("null") => drop(self.found.insert(format!("{path} = null"))),
                // A JSON value is a number, whole or not.
                Some("integer") if kinds.len() > 1 => drop(self.found.insert(format!("{path} is number"))),
                Some(kind) if kinds.len() > 1 => drop(self.found.insert(format!("{path} is {kind}"))),
                _ => {}
            }
        }
    }

    /// What of a schema an instance, which fits it, shows.
    fn instance(&mut self, schema: &Value, value: &Value, path: &str) {
        let document = self.document;
        let schema = document.resolve(schema);
        for part in items(&schema["allOf"]).chain(items(&schema["oneOf"]).filter(|one| document.is_like(one, value))) {
            self.instance(part, value, path);
        }
        match value {
            Value::Null | Value::Bool(_) => drop(self.found.insert(format!("{path} = {value}"))),
            Value::String(_) if schema["enum"].is_array() => drop(self.found.insert(format!("{path} = {value}"))),
            _ => {}
        }
        if schema["type"].is_array() {
            self.found.insert(format!("{path} is {}", kind(value)));
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            let (property, path) = match &schema["properties"][name] {
                property @ Value::Object(_) => (property, format!("{path}.{name}")),
                _ if schema["additionalProperties"].is_object() => {
                    (&schema["additionalProperties"], format!("{path}.*"))
                }
                _ => continue,
            };
            self.found.insert(path.clone());
            self.instance(property, value, &path);
        }
        for value in items(value).filter(|_| schema["items"].is_object()) {
            let path = format!("{path}[]");
            self.instance(&schema["items"], value, &path);
            self.found.insert(path);
        }
    }
}

impl Document {
    /// Whether a value is of this alternative, as far as types and fixed values tell.
    fn is_like(&self, schema: &Value, value: &Value) -> bool {
        let schema = self.resolve(schema);
        let of_type = |wanted: &Value| wanted == kind(value) || wanted == "integer" && value.is_number();
        let typed = schema["type"].is_null() || of_type(&schema["type"]) || items(&schema["type"]).any(of_type);
        let fixed = schema["const"].is_null() || schema["const"] == *value;
        let listed = schema["enum"].is_null() || items(&schema["enum"]).any(|one| one == value);
        let one_of = schema["oneOf"].is_null() || items(&schema["oneOf"]).any(|one| self.is_like(one, value));
        let inside = fields(&schema["properties"])
            .all(|(name, property)| value[name].is_null() || self.is_like(property, &value[name]));
        typed && fixed && listed && one_of && inside
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flat_map(Map::iter)
}
