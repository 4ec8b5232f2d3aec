//! A checked template, and how it is rendered.

use std::collections::BTreeSet;
use std::sync::Arc;

use deskbell_core::Text;
use deskbell_core::entry::{Field, RenderError, Rendered};

use super::link::TemplateLink;
use super::text::{ExpandFault, RENDERED_BYTES_MAX, TemplateText};

/// A checked template. Its own texts are valid, so that only parameters can make its rendering fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(super) name: Arc<str>,
    /// The card without its title, the values of its fields, and its link.
    pub(super) card: Rendered,
    pub(super) link: Option<TemplateLink>,
    pub(super) title: TemplateText,
    /// The values of the card's fields, in the same order.
    pub(super) values: Vec<TemplateText>,
}

/// The parts of a template that its users need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline<'a> {
    /// The name for `templateName`.
    pub name: &'a Arc<str>,
    /// The title as written in the configuration, with its placeholders.
    pub title: String,
    /// The card. Its title and the values of its fields are empty.
    pub card: &'a Rendered,
    /// The placeholders of title, fields and link in the order of their first use, each name once.
    pub placeholders: Vec<Placeholder>,
}

/// A parameter of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// The parameter's name.
    pub name: String,
    /// The text without this parameter: the first default in the template.
    pub default: Option<String>,
    /// Whether it occurs anywhere without a default, so that a notify without it is an error.
    pub required: bool,
}

impl Template {
    /// The name for `templateName`.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The parts that users of the template need to know.
    #[must_use]
    pub fn outline(&self) -> Outline<'_> {
        let mut placeholders: Vec<Placeholder> = Vec::new();
        for (name, default) in self.texts().flat_map(TemplateText::placeholders) {
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
        Outline { name: &self.name, title: self.title.written(), card: &self.card, placeholders }
    }

    /// Those of `parameters` that no placeholder takes.
    pub(super) fn unused<'p>(&self, parameters: impl Iterator<Item = &'p str>) -> Vec<&'p str> {
        let taken: BTreeSet<&str> = self.texts().flat_map(TemplateText::placeholders).map(|(name, _)| name).collect();
        parameters.filter(|parameter| !taken.contains(parameter)).collect()
    }

    /// Every text with placeholders, in the order of the contract.
    fn texts(&self) -> impl Iterator<Item = &TemplateText> {
        let link = self.link.as_ref().map(TemplateLink::text);
        std::iter::once(&self.title).chain(&self.values).chain(link)
    }

    /// Fills in the placeholders of title, fields and link. `parameters` returns the value of a parameter.
    ///
    /// # Errors
    /// The first placeholder without a value, else the first text that is too long. The title comes first.
    pub fn render<'p>(&self, parameters: &dyn Fn(&str) -> Option<&'p str>) -> Result<Rendered, RenderError> {
        let title = self.title.expand(parameters);
        let values: Vec<_> = self.values.iter().map(|value| value.expand(parameters)).collect();
        let link = self.link.as_ref().map(|link| link.expand(parameters)).transpose();
        if let Some(fault) = self.first_fault(&title, &values, &link) {
            return Err(fault);
        }
        let fields = self
            .card
            .fields
            .iter()
            .zip(values)
            .map(|(field, value)| Field { label: field.label.clone(), value: value.unwrap_or_default().into() });
        Ok(Rendered {
            title: title.unwrap_or_default().into(),
            fields: fields.collect(),
            link: link.unwrap_or_default().flatten(),
            ..self.card.clone()
        })
    }

    fn first_fault(
        &self,
        title: &Result<String, ExpandFault>,
        values: &[Result<String, ExpandFault>],
        link: &Result<Option<Option<Text>>, ExpandFault>,
    ) -> Option<RenderError> {
        let title = title.as_ref().err().map(|fault| ("the title".to_owned(), fault));
        let fields = self.card.fields.iter().zip(values);
        let fields =
            fields.filter_map(|(field, value)| Some((format!("the field {:?}", field.label), value.as_ref().err()?)));
        let link = link.as_ref().err().map(|fault| ("the link".to_owned(), fault));
        let faults: Vec<_> = title.into_iter().chain(fields).chain(link).collect();
        let unresolved = faults.iter().find(|(_, fault)| matches!(fault, ExpandFault::Unresolved { .. }));
        let (place, fault) = unresolved.or(faults.first())?;
        let name = &self.name;
        Some(match fault {
            ExpandFault::Unresolved { placeholder } => RenderError::Unresolved {
                detail: format!(
                    "template {name:?}: {place} needs the parameter {placeholder:?}; it was not given and has no default"
                )
                .into(),
            },
            ExpandFault::TooLong { bytes } => RenderError::TooLong {
                detail: format!(
                    "template {name:?}: {place} would be {bytes} bytes long; at most {RENDERED_BYTES_MAX} are allowed"
                )
                .into(),
            },
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

    fn render(title: &str, fields: &[(&str, &str)], parameters: &[(&str, &str)]) -> Result<Rendered, RenderError> {
        let template = Template::check(definition(title, fields)).unwrap();
        template.render(&|name| parameters.iter().find(|(n, _)| *n == name).map(|(_, value)| *value))
    }

    #[test]
    fn an_outline_names_each_placeholder_once() {
        let fields = [("A", "{a}"), ("B", "{b|one} {b|two}"), ("C", "{c}{c|late}")];
        let template = Template::check(definition("{a|x} {{}}", &fields)).unwrap();
        let outline = template.outline();
        assert_eq!(outline.title, "{a|x} {{}}");
        let found: Vec<_> =
            outline.placeholders.iter().map(|one| (&*one.name, one.default.as_deref(), one.required)).collect();
        assert_eq!(found, [("a", Some("x"), true), ("b", Some("one"), false), ("c", Some("late"), true)]);
    }

    #[test]
    fn fields_are_rendered_in_their_order() {
        let rendered = render("{a}", &[("A", "{a}"), ("B", "{b|none}")], &[("a", "1")]).unwrap();
        let fields: Vec<_> = rendered.fields.iter().map(|field| (&*field.label, &*field.value)).collect();
        assert_eq!(fields, [("A", "1"), ("B", "none")]);
    }

    #[test]
    fn a_missing_parameter_says_which_and_where() {
        let detail =
            r#"template "t": the field "Queue" needs the parameter "queue"; it was not given and has no default"#
                .into();
        assert_eq!(render("{a|x}", &[("Queue", "{queue}")], &[]), Err(RenderError::Unresolved { detail }));
    }

    #[test]
    fn a_missing_parameter_comes_before_a_text_too_long() {
        let long = "x".repeat(1025);
        let fault = render("{a}", &[("Queue", "{queue}")], &[("a", &long)]).unwrap_err();
        assert!(matches!(fault, RenderError::Unresolved { .. }), "{fault:?}");
        let detail = r#"template "t": the title would be 1025 bytes long; at most 1024 are allowed"#.into();
        let fault = render("{a}", &[("Queue", "{queue}")], &[("a", &long), ("queue", "q")]);
        assert_eq!(fault, Err(RenderError::TooLong { detail }));
    }
}
