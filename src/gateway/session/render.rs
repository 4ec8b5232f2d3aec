//! From the catalogue's words to the core's.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use crate::gateway::shared::state::{GatewayState, whole_ms};
use crate::protocol::template_list::{self, TemplateList};
use crate::template::{self, Catalogue, RenderFault, SharedCatalogue};
use deskbell_core::entry::{Field, RenderError, Rendered, Settle};
use deskbell_core::{Millis, Name};

/// Fills the template named `name` with what `parameter` gives by name.
///
/// # Errors
/// What makes it impossible. It travels to the core: a repeated notify is answered as such, whatever has become of
/// its template.
pub(crate) fn render<'p>(
    catalogue: &SharedCatalogue,
    name: &str,
    parameter: &dyn Fn(&str) -> Option<&'p str>,
) -> Result<Rendered, RenderError> {
    catalogue.get().render(name, parameter).map(rendered).map_err(|fault| self::fault(&fault))
}

/// The templates in force as JSON. Made once for each catalogue and shared by all who read it: it may have megabytes,
/// and whoever reads slowly holds it for as long.
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
    let template = |outline: template::Outline| template_list::Template {
        name: outline.name.to_string(),
        title: outline.title,
        icon: outline.icon.map(|icon| icon.to_string()),
        timeout_ms: whole_ms(outline.timeout),
        queue_timeout_ms: whole_ms(outline.queue_timeout),
        auto_accept: outline.auto_accept,
        auto_accept_on_timeout: outline.auto_accept_on_timeout,
        settle: match outline.settle {
            template::Settle::FirstResponse => template_list::Settle::FirstResponse,
            template::Settle::FirstAccept => template_list::Settle::FirstAccept,
        },
        placeholders: outline
            .placeholders
            .into_iter()
            .map(|one| template_list::Placeholder { name: one.name, default: one.default, required: one.required })
            .collect(),
    };
    TemplateList { templates: catalogue.outlines().into_iter().map(template).collect() }.json()
}

fn rendered(rendered: template::Rendered) -> Rendered {
    let field = |field: template::RenderedField| Field { label: field.label, value: field.value };
    Rendered {
        title: rendered.title,
        icon: rendered.icon,
        fields: rendered.fields.into_iter().map(field).collect(),
        accept_label: rendered.accept_label,
        reject_label: rendered.reject_label,
        timeout: Millis(whole_ms(rendered.timeout)),
        queue_timeout: Millis(whole_ms(rendered.queue_timeout)),
        show_timeout: rendered.show_timeout,
        auto_accept: rendered.auto_accept,
        auto_accept_on_timeout: rendered.auto_accept_on_timeout,
        settle: match rendered.settle {
            template::Settle::FirstResponse => Settle::FirstResponse,
            template::Settle::FirstAccept => Settle::FirstAccept,
        },
    }
}

fn fault(fault: &RenderFault) -> RenderError {
    let detail = Name::from(fault.to_string());
    match fault {
        RenderFault::UnknownTemplate { .. } => RenderError::UnknownTemplate { detail },
        RenderFault::Unresolved { .. } => RenderError::Unresolved { detail },
        RenderFault::TooLong { .. } => RenderError::TooLong { detail },
    }
}
