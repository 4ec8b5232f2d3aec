//! A template as the configuration writes it, and the check that turns it into a [`Template`].

use std::sync::Arc;
use std::time::Duration;

use deskbell_core::Millis;
use deskbell_core::entry::{Field, Rendered, Settle, Sound};

use super::link::TemplateLink;
use super::rendering::Template;
use super::text::TemplateText;

/// The longest template name, icon, label or button text, in bytes; each has at least 1.
pub const NAME_BYTES_MAX: usize = 128;
/// The most fields of one template.
pub const FIELDS_MAX: usize = 20;
/// The shortest display and queue time.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The longest display and queue time.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// The display time of a template without one.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(120);

/// A template as the configuration writes it. [`Template::check`] turns it into a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The name for `templateName`.
    pub name: String,
    /// The title, with placeholders.
    pub title: String,
    /// The icon's name. The pages have the image.
    pub icon: Option<String>,
    /// The display time.
    pub timeout: Duration,
    /// The queue time; `None` stands for the display time.
    pub queue_timeout: Option<Duration>,
    /// Whether pages show the countdown.
    pub show_timeout: bool,
    /// Whether the hub accepts it at once for the agent with the longest idle time.
    pub auto_accept: bool,
    /// Whether the hub accepts it for an agent when the display time ends.
    pub auto_accept_on_timeout: bool,
    /// Which answer settles it.
    pub settle: Settle,
    /// The priority of a notify without one, 0 to 9.
    pub priority: u8,
    /// The address of the customer's page, with placeholders.
    pub link: Option<String>,
    /// The sound with which it rings; `None`: the page chooses one.
    pub sound: Option<Sound>,
    /// The label of the accept button.
    pub accept_label: String,
    /// The label of the reject button.
    pub reject_label: String,
    /// The card's lines.
    pub fields: Vec<FieldDefinition>,
}

/// One line of a card as the configuration writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDefinition {
    /// The label, displayed as written.
    pub label: String,
    /// The value, with placeholders.
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
            priority: 0,
            link: None,
            sound: None,
            accept_label: "Accept".to_owned(),
            reject_label: "Reject".to_owned(),
            fields: Vec::new(),
        }
    }
}

/// A part of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefinitionPart {
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
    /// `link`
    Link,
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
    /// The part that is wrong.
    pub part: DefinitionPart,
    /// The fault, and the allowed values.
    pub what: String,
}

impl Template {
    /// Checks a definition and turns it into a template.
    ///
    /// # Errors
    /// Every fault of the definition, in the order of its parts; never an empty list.
    pub fn check(definition: Definition) -> Result<Self, Vec<DefinitionFault>> {
        let mut check = Check::default();
        let title = check.text(DefinitionPart::Title, &definition.title);
        let (fields, values) = check.fields(&definition.fields);
        let template = Self {
            name: check.name(DefinitionPart::Name, definition.name),
            title,
            values,
            link: definition.link.and_then(|link| check.link(&link)),
            card: Rendered {
                title: "".into(),
                icon: definition.icon.map(|icon| check.name(DefinitionPart::Icon, icon)),
                fields,
                timeout: check.time(DefinitionPart::Timeout, definition.timeout),
                queue_timeout: check
                    .time(DefinitionPart::QueueTimeout, definition.queue_timeout.unwrap_or(definition.timeout)),
                show_timeout: definition.show_timeout,
                auto_accept: definition.auto_accept,
                auto_accept_on_timeout: definition.auto_accept_on_timeout,
                settle: definition.settle,
                priority: definition.priority,
                link: None,
                sound: definition.sound,
                accept_label: check.name(DefinitionPart::AcceptLabel, definition.accept_label),
                reject_label: check.name(DefinitionPart::RejectLabel, definition.reject_label),
            },
        };
        // A queue time that is only the wrong display time is not a second fault.
        if definition.queue_timeout.is_none() {
            check.faults.retain(|fault| fault.part != DefinitionPart::QueueTimeout);
        }
        if check.faults.is_empty() { Ok(template) } else { Err(check.faults) }
    }
}

#[derive(Default)]
struct Check {
    faults: Vec<DefinitionFault>,
}

impl Check {
    fn fault(&mut self, part: DefinitionPart, what: String) {
        self.faults.push(DefinitionFault { part, what });
    }

    fn text(&mut self, part: DefinitionPart, source: &str) -> TemplateText {
        TemplateText::parse(source).unwrap_or_else(|fault| {
            self.fault(part, fault.to_string());
            TemplateText::default()
        })
    }

    fn link(&mut self, source: &str) -> Option<TemplateLink> {
        TemplateLink::parse(source).map_err(|fault| self.fault(DefinitionPart::Link, fault.to_string())).ok()
    }

    fn name(&mut self, part: DefinitionPart, name: String) -> Arc<str> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            self.fault(part, format!("{} bytes long; allowed: 1 to {NAME_BYTES_MAX}", name.len()));
        } else if let Some(at) = name.chars().position(deskbell_protocol::is_hidden) {
            let what = format!(
                "character {} is hidden (a control, line-separator or text-direction character); allowed: none",
                at + 1
            );
            self.fault(part, what);
        }
        name.into()
    }

    fn time(&mut self, part: DefinitionPart, time: Duration) -> Millis {
        if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&time) {
            self.fault(part, "out of range; allowed: 100ms to 1h".to_owned());
        }
        Millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    /// The fields without their values, and the values.
    fn fields(&mut self, fields: &[FieldDefinition]) -> (Vec<Field>, Vec<TemplateText>) {
        if fields.len() > FIELDS_MAX {
            self.fault(DefinitionPart::Fields, format!("{} fields; allowed: at most {FIELDS_MAX}", fields.len()));
        }
        let check = |(index, field): (usize, &FieldDefinition)| {
            let label = self.name(DefinitionPart::FieldLabel(index), field.label.clone());
            (Field { label, value: "".into() }, self.text(DefinitionPart::FieldValue(index), &field.value))
        };
        fields.iter().take(FIELDS_MAX).enumerate().map(check).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(title: &str) -> Definition {
        Definition { name: "t".into(), title: title.into(), ..Definition::default() }
    }

    #[test]
    fn a_template_without_times_has_the_contracts() {
        let rendered = Template::check(definition("hello")).unwrap().render(&|_| None).unwrap();
        assert_eq!((rendered.timeout, rendered.queue_timeout), (Millis::from_minutes(2), Millis::from_minutes(2)));
        assert!(rendered.show_timeout && !rendered.auto_accept && !rendered.auto_accept_on_timeout);
        assert_eq!(rendered.settle, Settle::FirstResponse);
        assert_eq!((&*rendered.accept_label, &*rendered.reject_label), ("Accept", "Reject"));
        assert_eq!(rendered.icon, None);
    }

    #[test]
    fn the_queue_time_is_the_display_time_unless_given() {
        let template = Definition { timeout: Duration::from_secs(20), ..definition("") };
        assert_eq!(Template::check(template).unwrap().card.queue_timeout, Millis::from_secs(20));
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
                DefinitionPart::Title,
                DefinitionPart::FieldLabel(1),
                DefinitionPart::FieldValue(1),
                DefinitionPart::Name,
                DefinitionPart::Icon,
                DefinitionPart::Timeout,
                DefinitionPart::QueueTimeout,
                DefinitionPart::AcceptLabel,
                DefinitionPart::RejectLabel
            ]
        );
    }

    #[test]
    fn a_wrong_display_time_is_one_fault() {
        let wrong = Definition { timeout: Duration::ZERO, ..definition("") };
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
