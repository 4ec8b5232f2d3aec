//! One template: what it is written as, the check, and rendering.

use std::sync::Arc;
use std::time::Duration;

use super::text::{ExpandFault, RENDERED_BYTES_MAX, Text};

/// The longest template name, icon, label or button text, in bytes; each has at least 1.
pub const NAME_BYTES_MAX: usize = 128;
/// The most fields of one template.
pub const FIELDS_MAX: usize = 20;
/// The shortest display and queue time.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The longest display and queue time.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// The display time of a template that says none.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(120);

/// What settles a notification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Settle {
    /// The first accept or reject.
    #[default]
    FirstResponse,
    /// The first accept, or the reject that leaves nobody.
    FirstAccept,
}

/// A template as somebody wrote it; [`Template::check`] makes a template of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name that a notify gives.
    pub name: String,
    /// Expanded.
    pub title: String,
    /// The icon's name; the pages know what it looks like.
    pub icon: Option<String>,
    /// Display time.
    pub timeout: Duration,
    /// Queue time; `None`: the display time.
    pub queue_timeout: Option<Duration>,
    /// Whether pages show the countdown.
    pub show_timeout: bool,
    /// Accepted at once for the agent who has been idle longest.
    pub auto_accept: bool,
    /// Accepted automatically when the display time runs out.
    pub auto_accept_on_timeout: bool,
    /// What settles it.
    pub settle: Settle,
    /// The words on the accept button.
    pub accept_label: String,
    /// The words on the reject button.
    pub reject_label: String,
    /// The card's lines.
    pub fields: Vec<FieldDefinition>,
}

/// One line of a card as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDefinition {
    /// What it is; shown as it stands.
    pub label: String,
    /// Expanded.
    pub value: String,
}

impl Default for Definition {
    fn default() -> Self {
        Self {
            name: String::new(),
            title: String::new(),
            icon: None,
            timeout: TIMEOUT_DEFAULT,
            queue_timeout: None,
            show_timeout: true,
            auto_accept: false,
            auto_accept_on_timeout: false,
            settle: Settle::FirstResponse,
            accept_label: "Accept".to_owned(),
            reject_label: "Reject".to_owned(),
            fields: Vec::new(),
        }
    }
}

/// Which part of a definition is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `name`
    Name,
    /// `title`
    Title,
    /// `icon`
    Icon,
    /// `timeout`
    Timeout,
    /// `queueTimeout`
    QueueTimeout,
    /// `buttons.accept`
    AcceptLabel,
    /// `buttons.reject`
    RejectLabel,
    /// `fields` as a whole
    Fields,
    /// The label of the field at this index.
    FieldLabel(usize),
    /// The value of the field at this index.
    FieldValue(usize),
}

/// A part of a definition is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct DefinitionFault {
    /// Which part.
    pub part: Part,
    /// What is wrong with it, and what is allowed.
    pub what: String,
}

/// A checked template. Can always be rendered as far as its own texts are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    name: Arc<str>,
    title: Text,
    icon: Option<Arc<str>>,
    timeout: Duration,
    queue_timeout: Duration,
    show_timeout: bool,
    auto_accept: bool,
    auto_accept_on_timeout: bool,
    settle: Settle,
    accept_label: Arc<str>,
    reject_label: Arc<str>,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    label: Arc<str>,
    value: Text,
}

/// A template with its placeholders filled in: what is shown, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The card's title, at most [`RENDERED_BYTES_MAX`] bytes; may be empty.
    pub title: Arc<str>,
    /// The icon's name, if the template has one.
    pub icon: Option<Arc<str>>,
    /// The card's lines, at most [`FIELDS_MAX`].
    pub fields: Vec<RenderedField>,
    /// The words on the accept button.
    pub accept_label: Arc<str>,
    /// The words on the reject button.
    pub reject_label: Arc<str>,
    /// Display time, [`TIMEOUT_MIN`] to [`TIMEOUT_MAX`].
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
    /// Makes a template of a definition.
    ///
    /// # Errors
    /// Every fault of the definition, in the order of its parts; never an empty list.
    pub fn check(definition: Definition) -> Result<Self, Vec<DefinitionFault>> {
        let mut check = Check::default();
        let title = check.text(Part::Title, &definition.title);
        let fields = check.fields(&definition.fields);
        let template = Self {
            name: check.name(Part::Name, definition.name),
            title,
            icon: definition.icon.map(|icon| check.name(Part::Icon, icon)),
            timeout: check.time(Part::Timeout, definition.timeout),
            queue_timeout: check.time(Part::QueueTimeout, definition.queue_timeout.unwrap_or(definition.timeout)),
            show_timeout: definition.show_timeout,
            auto_accept: definition.auto_accept,
            auto_accept_on_timeout: definition.auto_accept_on_timeout,
            settle: definition.settle,
            accept_label: check.name(Part::AcceptLabel, definition.accept_label),
            reject_label: check.name(Part::RejectLabel, definition.reject_label),
            fields,
        };
        // A queue time taken over from a wrong display time is no second fault.
        if definition.queue_timeout.is_none() {
            check.faults.retain(|fault| fault.part != Part::QueueTimeout);
        }
        if check.faults.is_empty() { Ok(template) } else { Err(check.faults) }
    }

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

#[derive(Default)]
struct Check {
    faults: Vec<DefinitionFault>,
}

impl Check {
    fn fault(&mut self, part: Part, what: String) {
        self.faults.push(DefinitionFault { part, what });
    }

    fn text(&mut self, part: Part, source: &str) -> Text {
        Text::parse(source).unwrap_or_else(|fault| {
            self.fault(part, fault.to_string());
            Text::default()
        })
    }

    fn name(&mut self, part: Part, name: String) -> Arc<str> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            self.fault(part, format!("{} bytes long; allowed: 1 to {NAME_BYTES_MAX}", name.len()));
        } else if let Some(at) = name.chars().position(is_unseen) {
            let what =
                format!("character {} is a control or bidirectional formatting character; allowed: none", at + 1);
            self.fault(part, what);
        }
        name.into()
    }

    fn time(&mut self, part: Part, time: Duration) -> Duration {
        if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&time) {
            self.fault(part, "out of range; allowed: 100ms to 1h".to_owned());
        }
        time
    }

    fn fields(&mut self, fields: &[FieldDefinition]) -> Vec<Field> {
        if fields.len() > FIELDS_MAX {
            self.fault(Part::Fields, format!("{} fields; allowed: at most {FIELDS_MAX}", fields.len()));
        }
        let check = |(index, field): (usize, &FieldDefinition)| Field {
            label: self.name(Part::FieldLabel(index), field.label.clone()),
            value: self.text(Part::FieldValue(index), &field.value),
        };
        fields.iter().take(FIELDS_MAX).enumerate().map(check).collect()
    }
}

/// Characters that a name must not have: it would not look like what it is.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
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
    fn a_template_without_times_has_the_contracts() {
        let rendered = render("hello", &[], &[]).unwrap();
        assert_eq!((rendered.timeout, rendered.queue_timeout), (TIMEOUT_DEFAULT, TIMEOUT_DEFAULT));
        assert!(rendered.show_timeout && !rendered.auto_accept && !rendered.auto_accept_on_timeout);
        assert_eq!(rendered.settle, Settle::FirstResponse);
        assert_eq!((&*rendered.accept_label, &*rendered.reject_label), ("Accept", "Reject"));
        assert_eq!(rendered.icon, None);
    }

    #[test]
    fn the_queue_time_is_the_display_time_unless_given() {
        let template = Definition { timeout: Duration::from_secs(20), ..definition("", &[]) };
        assert_eq!(Template::check(template).unwrap().queue_timeout, Duration::from_secs(20));
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

    #[test]
    fn every_wrong_part_is_named() {
        let field = |label: &str, value: &str| FieldDefinition { label: label.into(), value: value.into() };
        let wrong = Definition {
            name: String::new(),
            title: "{".into(),
            icon: Some("a\u{202e}b".into()),
            timeout: Duration::from_millis(99),
            queue_timeout: Some(Duration::from_secs(3601)),
            accept_label: "x".repeat(129),
            reject_label: "a\nb".into(),
            fields: vec![field("ok", "ok"), field("", "}")],
            ..Definition::default()
        };
        let parts: Vec<_> = Template::check(wrong).unwrap_err().into_iter().map(|fault| fault.part).collect();
        assert_eq!(
            parts,
            [
                Part::Title,
                Part::FieldLabel(1),
                Part::FieldValue(1),
                Part::Name,
                Part::Icon,
                Part::Timeout,
                Part::QueueTimeout,
                Part::AcceptLabel,
                Part::RejectLabel
            ]
        );
    }

    #[test]
    fn a_wrong_display_time_is_one_fault() {
        let wrong = Definition { timeout: Duration::ZERO, ..definition("", &[]) };
        assert_eq!(Template::check(wrong).unwrap_err().len(), 1);
    }

    #[test]
    fn the_bounds_are_inclusive() {
        let fields = vec![FieldDefinition { label: "l".repeat(128), value: String::new() }; FIELDS_MAX];
        let edge = Definition {
            name: "n".repeat(128),
            timeout: TIMEOUT_MAX,
            queue_timeout: Some(TIMEOUT_MIN),
            fields,
            ..Definition::default()
        };
        assert!(Template::check(edge.clone()).is_ok());
        let mut over = edge;
        over.fields.push(FieldDefinition { label: "one more".into(), value: String::new() });
        assert_eq!(Template::check(over).unwrap_err()[0].what, "21 fields; allowed: at most 20");
    }
}
