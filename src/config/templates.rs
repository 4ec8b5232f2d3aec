//! Parses `[[templates]]` of the configuration file.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use deskbell_core::PRIORITY_MAX;
use deskbell_protocol::parse_duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::quoted;
use super::file::{FileErrors, unknown};
use super::setting::shown;
use crate::template::{Definition, DefinitionPart, FieldDefinition, Settle, Sound, TEMPLATES_MAX, Template};

const KEYS: [&str; 14] = [
    "name",
    "title",
    "icon",
    "timeout",
    "queueTimeout",
    "showTimeout",
    "autoAccept",
    "autoAcceptOnTimeout",
    "settle",
    "priority",
    "link",
    "sound",
    "buttons",
    "fields",
];

/// The values of `settle`.
const SETTLES: [(&str, Settle); 2] = [("firstResponse", Settle::FirstResponse), ("firstAccept", Settle::FirstAccept)];

/// The values of `sound`.
const SOUNDS: [(&str, Sound); 4] =
    [("phone", Sound::Phone), ("chat", Sound::Chat), ("soft", Sound::Soft), ("none", Sound::None)];

type Value<'t> = Spanned<DeValue<'t>>;

/// Parses all templates of the file. Templates with errors are left out.
pub(super) fn read(value: &Value<'_>, errors: &mut FileErrors<'_>) -> Vec<Template> {
    let not_tables = "write each template as a table [[templates]]";
    let DeValue::Array(tables) = value.get_ref() else {
        errors.add(&value.span(), not_tables.to_owned());
        return Vec::new();
    };
    if tables.len() > TEMPLATES_MAX {
        errors.add(&value.span(), format!("{} templates; allowed: at most {TEMPLATES_MAX}", tables.len()));
        return Vec::new();
    }
    let mut names = HashMap::new();
    let mut templates = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let DeValue::Table(keys) = table.get_ref() else {
            errors.add(&table.span(), not_tables.to_owned());
            continue;
        };
        let mut reader = TemplateReader::new(index, table.span(), keys, errors);
        let template = reader.template();
        if let Some((name, span)) = name(keys)
            && let Some(first) = names.insert(name, index)
        {
            let what = format!("[[templates]] {}: template {} has this name already", quoted(name), first + 1);
            errors.add(&span, what);
        }
        templates.extend(template);
    }
    templates
}

fn name<'k>(keys: &'k DeTable<'_>) -> Option<(&'k str, Range<usize>)> {
    let name = keys.get("name")?;
    Some((name.get_ref().as_str()?, name.span()))
}

/// Parses one template.
struct TemplateReader<'k, 'd, 'f, 't> {
    /// Its name in messages.
    title: String,
    span: Range<usize>,
    keys: &'k DeTable<'d>,
    errors: &'f mut FileErrors<'t>,
    /// The parts of the definition that the file contains, with their places.
    parts: Vec<(DefinitionPart, Range<usize>)>,
    valid: bool,
}

impl<'k, 'd, 'f, 't> TemplateReader<'k, 'd, 'f, 't> {
    fn new(index: usize, span: Range<usize>, keys: &'k DeTable<'d>, errors: &'f mut FileErrors<'t>) -> Self {
        let title = match name(keys) {
            Some((name, _)) => format!("[[templates]] {}", quoted(name)),
            None => format!("[[templates]] number {}", index + 1),
        };
        Self { title, span, keys, errors, parts: Vec::new(), valid: true }
    }

    fn template(&mut self) -> Option<Template> {
        self.refuse_unknown("", self.keys, &KEYS);
        for required in ["name", "title"] {
            if !self.keys.contains_key(required) {
                self.error(&self.span.clone(), "", &format!("{required} is missing"));
            }
        }
        let definition = self.definition();
        match Template::check(definition) {
            Ok(template) => self.valid.then_some(template),
            Err(errors) => {
                for error in errors {
                    // A part that is not in the file has a valid default, or its error is reported already.
                    let part = self.parts.iter().find(|(part, _)| *part == error.part).cloned();
                    if let Some((part, span)) = part {
                        self.error(&span, &name_of(part), &error.what);
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
            settle: self.choice("settle", &SETTLES).unwrap_or(unset.settle),
            priority: self.number("priority", 0..=PRIORITY_MAX.into()).unwrap_or(unset.priority.into()) as u8,
            link: self.string("link", DefinitionPart::Link),
            sound: self.choice("sound", &SOUNDS),
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
                self.error(&value.span(), &name_of(part), &format!("{} is not a string", shown(other)));
                None
            }
        }
    }

    fn time(&mut self, key: &str, part: DefinitionPart) -> Option<Duration> {
        let value = self.keys.get(key)?;
        let time = value.get_ref().as_str().and_then(parse_duration);
        if time.is_some() {
            self.parts.push((part, value.span()));
        } else {
            let what = format!("{} is not a duration; allowed: \"100ms\" to \"1h\"", shown(value.get_ref()));
            self.error(&value.span(), key, &what);
        }
        time
    }

    fn switch(&mut self, key: &str) -> Option<bool> {
        let value = self.keys.get(key)?;
        let on = value.get_ref().as_bool();
        if on.is_none() {
            let what = format!("{} is neither true nor false", shown(value.get_ref()));
            self.error(&value.span(), key, &what);
        }
        on
    }

    /// A whole number; `None` if absent or wrong.
    fn number(&mut self, key: &str, allowed: RangeInclusive<u32>) -> Option<u32> {
        self.number_of("", self.keys, key, allowed)
    }

    fn number_of(&mut self, table: &str, keys: &DeTable<'_>, key: &str, allowed: RangeInclusive<u32>) -> Option<u32> {
        let value = keys.get(key)?;
        let integer = match value.get_ref() {
            DeValue::Integer(digits) => u32::from_str_radix(digits.as_str(), digits.radix()).ok(),
            _ => None,
        };
        let number = integer.filter(|number| allowed.contains(number));
        if number.is_none() {
            let what = format!("{}; allowed: {} to {}", shown(value.get_ref()), allowed.start(), allowed.end());
            self.error(&value.span(), format!("{table} {key}").trim_start(), &what);
        }
        number
    }

    /// One of several words; `None` if absent or wrong.
    fn choice<T: Copy>(&mut self, key: &str, allowed: &[(&str, T)]) -> Option<T> {
        let value = self.keys.get(key)?;
        let chosen = value.get_ref().as_str().and_then(|word| allowed.iter().find(|(name, _)| *name == word));
        if chosen.is_none() {
            let words: Vec<_> = allowed.iter().map(|(name, _)| quoted(name)).collect();
            let what = format!("{}; allowed: {}", shown(value.get_ref()), words.join(", "));
            self.error(&value.span(), key, &what);
        }
        chosen.map(|&(_, choice)| choice)
    }

    fn button(&mut self, key: &str, part: DefinitionPart) -> Option<String> {
        let buttons = self.keys.get("buttons")?;
        let DeValue::Table(labels) = buttons.get_ref() else {
            // Report this once, not for each button.
            if part == DefinitionPart::AcceptLabel {
                let what = format!("{}; allowed: {{ accept = \"…\", reject = \"…\" }}", shown(buttons.get_ref()));
                self.error(&buttons.span(), "buttons", &what);
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
            self.error(&value.span(), "fields", &what);
            return Vec::new();
        };
        self.parts.push((DefinitionPart::Fields, value.span()));
        fields.iter().enumerate().map(|(index, field)| self.field(index, field)).collect()
    }

    /// Parses one field. A missing or wrong part gets a valid default, so that the numbers of later fields stay right.
    fn field(&mut self, index: usize, field: &Value<'_>) -> FieldDefinition {
        let name = format!("fields, number {}", index + 1);
        let mut definition = FieldDefinition { label: "unset".to_owned(), value: String::new() };
        let DeValue::Table(keys) = field.get_ref() else {
            let what = format!("{}; allowed: {{ label = \"…\", value = \"…\" }}", shown(field.get_ref()));
            self.error(&field.span(), &name, &what);
            return definition;
        };
        self.refuse_unknown(&name, keys, &["label", "value"]);
        for (key, part, text) in [
            ("label", DefinitionPart::FieldLabel(index), &mut definition.label),
            ("value", DefinitionPart::FieldValue(index), &mut definition.value),
        ] {
            match keys.get(key) {
                Some(value) => *text = self.string_of(value, part).unwrap_or_else(|| text.clone()),
                None => self.error(&field.span(), &name, &format!("{key} is missing")),
            }
        }
        definition
    }

    fn refuse_unknown(&mut self, place: &str, keys: &DeTable<'_>, known: &[&str]) {
        for (key, _) in keys.iter() {
            if !known.contains(&key.get_ref().as_ref()) {
                let what = unknown(&format!("unknown key {}", quoted(key.get_ref())), key.get_ref(), known);
                self.error(&key.span(), place, &what);
            }
        }
    }

    /// Adds an error about the part called `name`, or about the template as a whole if `name` is empty.
    fn error(&mut self, span: &Range<usize>, name: &str, what: &str) {
        self.valid = false;
        let place = if name.is_empty() { String::new() } else { format!(" {name}") };
        self.errors.add(span, format!("{}{place}: {what}", self.title));
    }
}

fn name_of(part: DefinitionPart) -> String {
    match part {
        DefinitionPart::Name => "name".to_owned(),
        DefinitionPart::Title => "title".to_owned(),
        DefinitionPart::Icon => "icon".to_owned(),
        DefinitionPart::Timeout => "timeout".to_owned(),
        DefinitionPart::QueueTimeout => "queueTimeout".to_owned(),
        DefinitionPart::Link => "link".to_owned(),
        DefinitionPart::AcceptLabel => "buttons.accept".to_owned(),
        DefinitionPart::RejectLabel => "buttons.reject".to_owned(),
        DefinitionPart::Fields => "fields".to_owned(),
        DefinitionPart::FieldLabel(index) => format!("fields, number {}, label", index + 1),
        DefinitionPart::FieldValue(index) => format!("fields, number {}, value", index + 1),
    }
}
