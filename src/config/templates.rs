//! `[[templates]]`: how templates are written in the file.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::quoted;
use super::file::{FileFaults, unknown};
use super::setting::shown;
use super::value;
use crate::template::{Definition, DefinitionPart, FieldDefinition, Settle, TEMPLATES_MAX, Template};

const KEYS: [&str; 11] = [
    "name",
    "title",
    "icon",
    "timeout",
    "queueTimeout",
    "showTimeout",
    "autoAccept",
    "autoAcceptOnTimeout",
    "settle",
    "buttons",
    "fields",
];

type Value<'t> = Spanned<DeValue<'t>>;

/// Reads all templates of the file; those with faults are left out.
pub(super) fn read(value: &Value<'_>, faults: &mut FileFaults<'_>) -> Vec<Template> {
    let not_tables = "templates are written as [[templates]], one for each";
    let DeValue::Array(tables) = value.get_ref() else {
        faults.add(&value.span(), not_tables.to_owned());
        return Vec::new();
    };
    if tables.len() > TEMPLATES_MAX {
        faults.add(&value.span(), format!("{} templates; allowed: at most {TEMPLATES_MAX}", tables.len()));
        return Vec::new();
    }
    let mut names = HashMap::new();
    let mut templates = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let DeValue::Table(keys) = table.get_ref() else {
            faults.add(&table.span(), not_tables.to_owned());
            continue;
        };
        let mut reader = Reader::new(index, table.span(), keys, faults);
        let template = reader.template();
        if let Some((name, span)) = name(keys)
            && let Some(first) = names.insert(name, index)
        {
            let what = format!("[[templates]] {}: template {} bears this name already", quoted(name), first + 1);
            faults.add(&span, what);
        }
        templates.extend(template);
    }
    templates
}

fn name<'k>(keys: &'k DeTable<'_>) -> Option<(&'k str, Range<usize>)> {
    let name = keys.get("name")?;
    Some((name.get_ref().as_str()?, name.span()))
}

/// Reads one template.
struct Reader<'k, 'd, 'f, 't> {
    /// As messages name it.
    title: String,
    span: Range<usize>,
    keys: &'k DeTable<'d>,
    faults: &'f mut FileFaults<'t>,
    /// Where the parts stand that the definition has from the file.
    parts: Vec<(DefinitionPart, Range<usize>)>,
    sound: bool,
}

impl<'k, 'd, 'f, 't> Reader<'k, 'd, 'f, 't> {
    fn new(index: usize, span: Range<usize>, keys: &'k DeTable<'d>, faults: &'f mut FileFaults<'t>) -> Self {
        let title = match name(keys) {
            Some((name, _)) => format!("[[templates]] {}", quoted(name)),
            None => format!("[[templates]] number {}", index + 1),
        };
        Self { title, span, keys, faults, parts: Vec::new(), sound: true }
    }

    fn template(&mut self) -> Option<Template> {
        self.refuse_unknown("", self.keys, &KEYS);
        for required in ["name", "title"] {
            if !self.keys.contains_key(required) {
                self.fault(&self.span.clone(), "", &format!("{required} is missing"));
            }
        }
        let definition = self.definition();
        match Template::check(definition) {
            Ok(template) => self.sound.then_some(template),
            Err(faults) => {
                for fault in faults {
                    // What the file does not say was replaced by something sound, or is reported already.
                    let part = self.parts.iter().find(|(part, _)| *part == fault.part).cloned();
                    if let Some((part, span)) = part {
                        self.fault(&span, &name_of(part), &fault.what);
                    }
                }
                None
            }
        }
    }

    fn definition(&mut self) -> Definition {
        let unset = Definition::default();
        Definition {
            name: self.string("name", DefinitionPart::Name).unwrap_or_else(|| "unset".to_owned()),
            title: self.string("title", DefinitionPart::Title).unwrap_or_default(),
            icon: self.string("icon", DefinitionPart::Icon),
            timeout: self.time("timeout", DefinitionPart::Timeout).unwrap_or(unset.timeout),
            queue_timeout: self.time("queueTimeout", DefinitionPart::QueueTimeout),
            show_timeout: self.switch("showTimeout").unwrap_or(unset.show_timeout),
            auto_accept: self.switch("autoAccept").unwrap_or(unset.auto_accept),
            auto_accept_on_timeout: self.switch("autoAcceptOnTimeout").unwrap_or(unset.auto_accept_on_timeout),
            settle: self.settle(),
            accept_label: self.button("accept", DefinitionPart::AcceptLabel).unwrap_or(unset.accept_label),
            reject_label: self.button("reject", DefinitionPart::RejectLabel).unwrap_or(unset.reject_label),
            fields: self.fields(),
        }
    }

    fn string(&mut self, key: &str, part: DefinitionPart) -> Option<String> {
        let value = self.keys.get(key)?;
        self.string_of(value, part)
    }

    fn string_of(&mut self, value: &Value<'_>, part: DefinitionPart) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => {
                self.parts.push((part, value.span()));
                Some(text.clone().into_owned())
            }
            other => {
                self.fault(&value.span(), &name_of(part), &format!("{} is no string", shown(other)));
                None
            }
        }
    }

    fn time(&mut self, key: &str, part: DefinitionPart) -> Option<Duration> {
        let value = self.keys.get(key)?;
        let time = value.get_ref().as_str().and_then(value::duration);
        if time.is_some() {
            self.parts.push((part, value.span()));
        } else {
            let what = format!("{} is no duration; allowed: \"100ms\" to \"1h\"", shown(value.get_ref()));
            self.fault(&value.span(), key, &what);
        }
        time
    }

    fn switch(&mut self, key: &str) -> Option<bool> {
        let value = self.keys.get(key)?;
        let on = value.get_ref().as_bool();
        if on.is_none() {
            let what = format!("{} is neither true nor false", shown(value.get_ref()));
            self.fault(&value.span(), key, &what);
        }
        on
    }

    fn settle(&mut self) -> Settle {
        let Some(value) = self.keys.get("settle") else { return Settle::FirstResponse };
        match value.get_ref().as_str() {
            Some("firstResponse") => Settle::FirstResponse,
            Some("firstAccept") => Settle::FirstAccept,
            _ => {
                let what = format!("{}; allowed: \"firstResponse\", \"firstAccept\"", shown(value.get_ref()));
                self.fault(&value.span(), "settle", &what);
                Settle::FirstResponse
            }
        }
    }

    fn button(&mut self, key: &str, part: DefinitionPart) -> Option<String> {
        let buttons = self.keys.get("buttons")?;
        let DeValue::Table(labels) = buttons.get_ref() else {
            // Once for both buttons.
            if part == DefinitionPart::AcceptLabel {
                let what = format!("{}; allowed: {{ accept = \"…\", reject = \"…\" }}", shown(buttons.get_ref()));
                self.fault(&buttons.span(), "buttons", &what);
            }
            return None;
        };
        if part == DefinitionPart::AcceptLabel {
            self.refuse_unknown("buttons", labels, &["accept", "reject"]);
        }
        self.string_of(labels.get(key)?, part)
    }

    fn fields(&mut self) -> Vec<FieldDefinition> {
        let Some(value) = self.keys.get("fields") else { return Vec::new() };
        let DeValue::Array(fields) = value.get_ref() else {
            let what = format!("{}; allowed: [ {{ label = \"…\", value = \"…\" }}, … ]", shown(value.get_ref()));
            self.fault(&value.span(), "fields", &what);
            return Vec::new();
        };
        self.parts.push((DefinitionPart::Fields, value.span()));
        fields.iter().enumerate().map(|(index, field)| self.field(index, field)).collect()
    }

    /// One field; where a part is missing or wrong, something sound, so that the other fields' numbers stay.
    fn field(&mut self, index: usize, field: &Value<'_>) -> FieldDefinition {
        let name = format!("fields, number {}", index + 1);
        let mut definition = FieldDefinition { label: "unset".to_owned(), value: String::new() };
        let DeValue::Table(keys) = field.get_ref() else {
            let what = format!("{}; allowed: {{ label = \"…\", value = \"…\" }}", shown(field.get_ref()));
            self.fault(&field.span(), &name, &what);
            return definition;
        };
        self.refuse_unknown(&name, keys, &["label", "value"]);
        for (key, part, text) in [
            ("label", DefinitionPart::FieldLabel(index), &mut definition.label),
            ("value", DefinitionPart::FieldValue(index), &mut definition.value),
        ] {
            match keys.get(key) {
                Some(value) => *text = self.string_of(value, part).unwrap_or_else(|| text.clone()),
                None => self.fault(&field.span(), &name, &format!("{key} is missing")),
            }
        }
        definition
    }

    fn refuse_unknown(&mut self, place: &str, keys: &DeTable<'_>, known: &[&str]) {
        for (key, _) in keys.iter() {
            if !known.contains(&key.get_ref().as_ref()) {
                let what = unknown(&format!("unknown key {}", quoted(key.get_ref())), key.get_ref(), known);
                self.fault(&key.span(), place, &what);
            }
        }
    }

    /// `what` is wrong with the part called `name` (empty: the template as a whole).
    fn fault(&mut self, span: &Range<usize>, name: &str, what: &str) {
        self.sound = false;
        let place = if name.is_empty() { String::new() } else { format!(" {name}") };
        self.faults.add(span, format!("{}{place}: {what}", self.title));
    }
}

fn name_of(part: DefinitionPart) -> String {
    match part {
        DefinitionPart::Name => "name".to_owned(),
        DefinitionPart::Title => "title".to_owned(),
        DefinitionPart::Icon => "icon".to_owned(),
        DefinitionPart::Timeout => "timeout".to_owned(),
        DefinitionPart::QueueTimeout => "queueTimeout".to_owned(),
        DefinitionPart::AcceptLabel => "buttons.accept".to_owned(),
        DefinitionPart::RejectLabel => "buttons.reject".to_owned(),
        DefinitionPart::Fields => "fields".to_owned(),
        DefinitionPart::FieldLabel(index) => format!("fields, number {}, label", index + 1),
        DefinitionPart::FieldValue(index) => format!("fields, number {}, value", index + 1),
    }
}
