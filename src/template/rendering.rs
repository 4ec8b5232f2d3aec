//! A checked template, and what is made of it.

use std::sync::Arc;
use std::time::Duration;

use super::text::{ExpandFault, RENDERED_BYTES_MAX, Text};

/// What settles a notification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Settle {
    /// The first accept or reject.
    #[default]
    FirstResponse,
    /// The first accept, or the reject that leaves nobody.
    FirstAccept,
}

/// A checked template. Can always be rendered as far as its own texts are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(super) name: Arc<str>,
    pub(super) title: Text,
    pub(super) icon: Option<Arc<str>>,
    pub(super) timeout: Duration,
    pub(super) queue_timeout: Duration,
    pub(super) show_timeout: bool,
    pub(super) auto_accept: bool,
    pub(super) auto_accept_on_timeout: bool,
    pub(super) settle: Settle,
    pub(super) accept_label: Arc<str>,
    pub(super) reject_label: Arc<str>,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) label: Arc<str>,
    pub(super) value: Text,
}

/// A template with its placeholders filled in: what is shown, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The card's title, at most [`RENDERED_BYTES_MAX`] bytes; may be empty.
    pub title: Arc<str>,
    /// The icon's name, if the template has one.
    pub icon: Option<Arc<str>>,
    /// The card's lines, at most [`FIELDS_MAX`](super::FIELDS_MAX).
    pub fields: Vec<RenderedField>,
    /// The words on the accept button.
    pub accept_label: Arc<str>,
    /// The words on the reject button.
    pub reject_label: Arc<str>,
    /// Display time, [`TIMEOUT_MIN`](super::TIMEOUT_MIN) to [`TIMEOUT_MAX`](super::TIMEOUT_MAX).
    pub timeout: Duration,
    /// Queue time, within the same bounds.
    pub queue_timeout: Duration,
    /// Whether pages show the countdown.
    pub show_timeout: bool,
    /// Accepted at once for the agent who has been idle longest.
    pub auto_accept: bool,
    /// Accepted automatically when the display time runs out.
    pub auto_accept_on_timeout: bool,
    /// What settles it.
    pub settle: Settle,
}

/// One line of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedField {
    /// What it is.
    pub label: Arc<str>,
    /// Its value, at most [`RENDERED_BYTES_MAX`] bytes; may be empty.
    pub value: Arc<str>,
}

/// A template as somebody who uses it needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The name that a notify gives.
    pub name: Arc<str>,
    /// As written, with its placeholders.
    pub title: String,
    /// The icon's name, if it has one.
    pub icon: Option<Arc<str>>,
    /// Display time.
    pub timeout: Duration,
    /// Queue time.
    pub queue_timeout: Duration,
    /// Accepted at once for the agent who has been idle longest.
    pub auto_accept: bool,
    /// Accepted automatically when the display time runs out.
    pub auto_accept_on_timeout: bool,
    /// What settles it.
    pub settle: Settle,
    /// Of title and fields, in the order of their first use; each name once.
    pub placeholders: Vec<Placeholder>,
}

/// A parameter that a template takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// The parameter's name.
    pub name: String,
    /// What stands there without it: the first default that is written.
    pub default: Option<String>,
    /// Whether some place of it has no default, so that a notify without it is an error.
    pub required: bool,
}

/// A notification cannot be made of this template with these parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderFault {
    /// No template has that name.
    #[error("no template named {name:?}")]
    UnknownTemplate {
        /// The name that was asked for.
        name: String,
    },
    /// A placeholder has neither a parameter nor a default.
    #[error("template {template:?}: {place} needs the parameter {placeholder:?}; it was not given and has no default")]
    Unresolved {
        /// The template's name.
        template: Arc<str>,
        /// The title, or a field by its label.
        place: String,
        /// The parameter that is missing.
        placeholder: String,
    },
    /// A rendered text is longer than it may be.
    #[error("template {template:?}: {place} would be {bytes} bytes long; at most {RENDERED_BYTES_MAX} are allowed")]
    TooLong {
        /// The template's name.
        template: Arc<str>,
        /// The title, or a field by its label.
        place: String,
        /// How long it would be.
        bytes: usize,
    },
}

impl Template {
    /// The name that a notify gives.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it looks like to somebody who wants to use it.
    #[must_use]
    pub fn outline(&self) -> Outline {
        let mut placeholders: Vec<Placeholder> = Vec::new();
        let texts = std::iter::once(&self.title).chain(self.fields.iter().map(|field| &field.value));
        for (name, default) in texts.flat_map(Text::placeholders) {
            match placeholders.iter_mut().find(|known| known.name == name) {
                Some(known) => {
                    known.required |= default.is_none();
                    known.default = known.default.take().or_else(|| default.map(str::to_owned));
                }
                None => placeholders.push(Placeholder {
                    name: name.to_owned(),
                    default: default.map(str::to_owned),
                    required: default.is_none(),
                }),
            }
        }
        Outline {
            name: self.name.clone(),
            title: self.title.written(),
            icon: self.icon.clone(),
            timeout: self.timeout,
            queue_timeout: self.queue_timeout,
            auto_accept: self.auto_accept,
            auto_accept_on_timeout: self.auto_accept_on_timeout,
            settle: self.settle,
            placeholders,
        }
    }

    /// Fills the placeholders of title and fields in. `parameters` answers with the value for a name.
    ///
    /// # Errors
    /// The first placeholder that stays open, else the first text that gets too long, title first.
    pub fn render<'p>(&self, parameters: &dyn Fn(&str) -> Option<&'p str>) -> Result<Rendered, RenderFault> {
        let title = self.title.expand(parameters);
        let fields: Vec<_> = self.fields.iter().map(|field| (field, field.value.expand(parameters))).collect();
        if let Some(fault) = self.first_fault(&title, &fields) {
            return Err(fault);
        }
        Ok(Rendered {
            title: title.unwrap_or_default().into(),
            icon: self.icon.clone(),
            fields: fields
                .into_iter()
                .map(|(field, value)| RenderedField {
                    label: field.label.clone(),
                    value: value.unwrap_or_default().into(),
                })
                .collect(),
            accept_label: self.accept_label.clone(),
            reject_label: self.reject_label.clone(),
            timeout: self.timeout,
            queue_timeout: self.queue_timeout,
            show_timeout: self.show_timeout,
            auto_accept: self.auto_accept,
            auto_accept_on_timeout: self.auto_accept_on_timeout,
            settle: self.settle,
        })
    }

    fn first_fault(
        &self,
        title: &Result<String, ExpandFault>,
        fields: &[(&Field, Result<String, ExpandFault>)],
    ) -> Option<RenderFault> {
        let title = title.as_ref().err().map(|fault| ("the title".to_owned(), fault));
        let fields = fields
            .iter()
            .filter_map(|(field, value)| Some((format!("the field {:?}", field.label), value.as_ref().err()?)));
        let faults: Vec<_> = title.into_iter().chain(fields).collect();
        let unresolved = faults.iter().find(|(_, fault)| matches!(fault, ExpandFault::Unresolved { .. }));
        let (place, fault) = unresolved.or(faults.first())?.clone();
        let template = self.name.clone();
        Some(match fault.clone() {
            ExpandFault::Unresolved { placeholder } => RenderFault::Unresolved { template, place, placeholder },
            ExpandFault::TooLong { bytes } => RenderFault::TooLong { template, place, bytes },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::{Definition, FieldDefinition};
    use super::*;

    fn definition(title: &str, fields: &[(&str, &str)]) -> Definition {
        let field = |(label, value): &(&str, &str)| FieldDefinition { label: (*label).into(), value: (*value).into() };
        Definition {
            name: "t".into(),
            title: title.into(),
            fields: fields.iter().map(field).collect(),
            ..Definition::default()
        }
    }

    fn render(title: &str, fields: &[(&str, &str)], parameters: &[(&str, &str)]) -> Result<Rendered, RenderFault> {
        let template = Template::check(definition(title, fields)).unwrap();
        template.render(&|name| parameters.iter().find(|(n, _)| *n == name).map(|(_, value)| *value))
    }

    #[test]
    fn an_outline_names_each_placeholder_once() {
        let fields = [("A", "{a}"), ("B", "{b|one} {b|two}"), ("C", "{c}{c|late}")];
        let outline = Template::check(definition("{a|x} {{}}", &fields)).unwrap().outline();
        assert_eq!(outline.title, "{a|x} {{}}");
        let told: Vec<_> =
            outline.placeholders.iter().map(|one| (&*one.name, one.default.as_deref(), one.required)).collect();
        assert_eq!(told, [("a", Some("x"), true), ("b", Some("one"), false), ("c", Some("late"), true)]);
    }

    #[test]
    fn fields_are_rendered_in_their_order() {
        let rendered = render("{a}", &[("A", "{a}"), ("B", "{b|none}")], &[("a", "1")]).unwrap();
        let fields: Vec<_> = rendered.fields.iter().map(|field| (&*field.label, &*field.value)).collect();
        assert_eq!(fields, [("A", "1"), ("B", "none")]);
    }

    #[test]
    fn a_missing_parameter_says_which_and_where() {
        let fault = render("{a|x}", &[("Queue", "{queue}")], &[]).unwrap_err();
        assert_eq!(
            fault.to_string(),
            r#"template "t": the field "Queue" needs the parameter "queue"; it was not given and has no default"#
        );
    }

    #[test]
    fn a_missing_parameter_comes_before_a_text_too_long() {
        let long = "x".repeat(1025);
        let fault = render("{a}", &[("Queue", "{queue}")], &[("a", &long)]).unwrap_err();
        assert!(matches!(fault, RenderFault::Unresolved { .. }), "{fault}");
        let fault = render("{a}", &[("Queue", "{queue}")], &[("a", &long), ("queue", "q")]).unwrap_err();
        assert_eq!(fault.to_string(), r#"template "t": the title would be 1025 bytes long; at most 1024 are allowed"#);
    }
}
