//! The templates in use: the built-in ones and the configured ones, which may replace them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use deskbell_core::entry::{RenderError, Rendered};

use super::definition::{Definition, FieldDefinition};
use super::nearest::nearest;
use super::rendering::{Outline, Template};

/// The most configured templates, not counting the built-in ones.
pub const TEMPLATES_MAX: usize = 1_000;

/// Templates by name. It never changes: a reload makes a new catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    templates: HashMap<Arc<str>, Template>,
}

impl Default for Catalogue {
    /// Only the built-in templates.
    fn default() -> Self {
        Self::with(Vec::new())
    }
}

impl Catalogue {
    /// The built-in templates and `configured`, of which the configuration reads at most [`TEMPLATES_MAX`]. A configured
    /// template replaces a built-in one with the same name. Of several with one name the last counts.
    #[must_use]
    pub fn with(configured: Vec<Template>) -> Self {
        let built_in = built_in().into_iter().filter_map(|definition| Template::check(definition).ok());
        let templates = built_in.chain(configured).map(|template| (template.name().clone(), template)).collect();
        Self { templates }
    }

    /// Renders the template named `name`.
    ///
    /// # Errors
    /// The template is unknown, or cannot be rendered with these parameters.
    pub fn render<'p>(
        &self,
        name: &str,
        parameters: &dyn Fn(&str) -> Option<&'p str>,
    ) -> Result<Rendered, RenderError> {
        match self.templates.get(name) {
            Some(template) => template.render(parameters),
            None => Err(self.unknown(name)),
        }
    }

    /// Those of `parameters` that no placeholder of the template `name` takes; none if the template is unknown.
    pub fn unused<'p>(&self, name: &str, parameters: impl Iterator<Item = &'p str>) -> Vec<&'p str> {
        self.templates.get(name).map_or_else(Vec::new, |template| template.unused(parameters))
    }

    fn unknown(&self, name: &str) -> RenderError {
        let near = nearest(name, self.names()).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
        let detail = format!("no template has the name {name:?}{near}; GET /templates lists all templates").into();
        RenderError::UnknownTemplate { detail }
    }

    /// The number of templates, including the built-in ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Always `false`: the built-in templates are always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// All templates, sorted by name.
    #[must_use]
    pub fn outlines(&self) -> Vec<Outline<'_>> {
        let mut outlines: Vec<Outline<'_>> = self.templates.values().map(Template::outline).collect();
        outlines.sort_unstable_by(|one, other| one.name.cmp(other.name));
        outlines
    }

    /// The names of all templates, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.templates.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }
}

/// The current catalogue. A reload replaces it as a whole.
#[derive(Debug, Clone, Default)]
pub struct SharedCatalogue {
    current: Arc<RwLock<Arc<Catalogue>>>,
}

impl SharedCatalogue {
    /// Starts with `catalogue`.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { current: Arc::new(RwLock::new(catalogue)) }
    }

    /// Returns the current catalogue. Keep it for one notification, not for longer.
    #[must_use]
    pub fn get(&self) -> Arc<Catalogue> {
        // No code panics while it has the lock, so a poisoned lock cannot have a half-written value.
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes `catalogue` the current one.
    pub fn replace(&self, catalogue: Arc<Catalogue>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = catalogue;
    }
}

/// The templates that the examples of the Channel Integration Framework use. All their placeholders have defaults, so that a
/// call without parameters works.
fn built_in() -> Vec<Definition> {
    let definition = |name: &str, icon: &str, title: &str, fields: &[(&str, &str)]| Definition {
        name: name.to_owned(),
        icon: Some(icon.to_owned()),
        title: title.to_owned(),
        fields: fields
            .iter()
            .map(|(label, value)| FieldDefinition { label: (*label).to_owned(), value: (*value).to_owned() })
            .collect(),
        ..Definition::default()
    };
    vec![
        definition(
            "msdyn_chat_incoming_unauthenticated",
            "chat",
            "{customerName|A visitor} wants to chat",
            &[("Customer", "{customerName|A visitor}")],
        ),
        definition(
            "msdyn_chat_incoming_authenticated",
            "chat",
            "{customerName|A customer} wants to chat",
            &[("Customer", "{customerName|A customer}"), ("Queue", "{queueName|Chat}")],
        ),
        definition(
            "msdyn_sms_incoming_unauthenticated",
            "sms",
            "{customerName|A customer} sent a text message",
            &[("Customer", "{customerName|A customer}"), ("Number", "{phoneNumber|unknown}")],
        ),
        definition(
            "msdyn_call_incoming",
            "phone",
            "{customerName|A customer} is calling",
            &[("Customer", "{customerName|A customer}"), ("Number", "{phoneNumber|unknown}")],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_template_renders_without_parameters() {
        let catalogue = Catalogue::default();
        assert_eq!(catalogue.len(), built_in().len());
        for name in catalogue.names() {
            let rendered = catalogue.render(name, &|_| None).unwrap();
            assert!(!rendered.title.is_empty() && !rendered.fields.is_empty() && rendered.icon.is_some(), "{name}");
        }
    }

    #[test]
    fn the_example_of_the_contract_renders_as_documented() {
        let grace = |name: &str| (name == "customerName").then_some("Grace");
        let rendered = Catalogue::default().render("msdyn_chat_incoming_unauthenticated", &grace).unwrap();
        assert_eq!((&*rendered.title, rendered.icon.as_deref()), ("Grace wants to chat", Some("chat")));
        assert_eq!((&*rendered.fields[0].label, &*rendered.fields[0].value), ("Customer", "Grace"));
    }

    #[test]
    fn a_configured_template_replaces_a_built_in_one_and_others_are_added() {
        let template = |name: &str| Template::check(Definition { name: name.into(), ..Definition::default() }).unwrap();
        let catalogue = Catalogue::with(vec![template("msdyn_call_incoming"), template("vip_call")]);
        assert_eq!(catalogue.len(), 5);
        assert_eq!(&*catalogue.render("msdyn_call_incoming", &|_| None).unwrap().title, "");
        assert!(catalogue.render("vip_call", &|_| None).is_ok());
    }

    #[test]
    fn names_and_outlines_list_all_templates_by_name() {
        let template = |name: String| Template::check(Definition { name, ..Definition::default() }).unwrap();
        // Enough templates that a hash map would not list them in order accidentally.
        let catalogue = Catalogue::with((0..50).map(|n| template(format!("t-{n}"))).collect());
        assert_eq!(catalogue.names().len(), catalogue.len());
        assert!(!catalogue.is_empty());
        assert!(catalogue.names().is_sorted());
        let outlines: Vec<String> = catalogue.outlines().iter().map(|outline| outline.name.to_string()).collect();
        assert_eq!(outlines, catalogue.names());
    }

    #[test]
    fn the_error_names_an_unknown_template() {
        let detail = r#"no template has the name "x\n"; GET /templates lists all templates"#.into();
        assert_eq!(Catalogue::default().render("x\n", &|_| None), Err(RenderError::UnknownTemplate { detail }));
        let Err(RenderError::UnknownTemplate { detail }) = Catalogue::default().render("msdyn_cal_incoming", &|_| None)
        else {
            panic!("known")
        };
        assert!(detail.contains(r#"did you mean "msdyn_call_incoming"?"#), "{detail}");
    }

    #[test]
    fn a_catalogue_taken_before_a_reload_does_not_change() {
        let shared = SharedCatalogue::default();
        let other = shared.clone();
        let before = shared.get();
        let vip = Template::check(Definition { name: "vip".into(), ..Definition::default() }).unwrap();
        shared.replace(Arc::new(Catalogue::with(vec![vip])));
        assert!(before.render("vip", &|_| None).is_err());
        assert!(other.get().render("vip", &|_| None).is_ok());
    }
}
