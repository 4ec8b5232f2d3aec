//! Renders the template of a notify, and lists the templates.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use deskbell_core::entry::{RenderError, Rendered};

use crate::gateway::shared::state::GatewayState;
use crate::protocol::template_list::{ListedPlaceholder, ListedTemplate, TemplateList};
use crate::template::{Catalogue, Outline, SharedCatalogue};

/// Renders the template `name`. `parameter` returns the value of a parameter.
///
/// # Errors
/// The template is unknown, or cannot be rendered. The error becomes part of the entry: the core answers a repeated notify
/// as a duplicate even if its template has changed since.
pub(crate) fn render<'p>(
    catalogue: &SharedCatalogue,
    name: &str,
    parameter: &dyn Fn(&str) -> Option<&'p str>,
) -> Result<Rendered, RenderError> {
    catalogue.get().render(name, parameter)
}

/// The templates in force as JSON. It is made once for each catalogue and shared by all readers, because it may have
/// megabytes and a slow reader keeps it for long.
pub(crate) fn listing(state: &GatewayState) -> Bytes {
    let catalogue = state.backend.templates.get();
    // Whole after every statement.
    let mut made = state.listing.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, json)) = &*made
        && Arc::ptr_eq(of, &catalogue)
    {
        return json.clone();
    }
    let json = Bytes::from(listed(&catalogue));
    *made = Some((catalogue, json.clone()));
    json
}

fn listed(catalogue: &Catalogue) -> Vec<u8> {
    let template = |outline: Outline<'_>| ListedTemplate {
        name: outline.name.to_string(),
        title: outline.title,
        icon: outline.card.icon.as_ref().map(ToString::to_string),
        timeout_ms: outline.card.timeout.0,
        queue_timeout_ms: outline.card.queue_timeout.0,
        auto_accept: outline.card.auto_accept,
        auto_accept_on_timeout: outline.card.auto_accept_on_timeout,
        settle: outline.card.settle,
        placeholders: outline
            .placeholders
            .into_iter()
            .map(|one| ListedPlaceholder { name: one.name, default: one.default, required: one.required })
            .collect(),
    };
    TemplateList { templates: catalogue.outlines().into_iter().map(template).collect() }.json()
}
