//! Renders a template for a notify, as the core's types.

use crate::gateway::shared::state::whole_ms;
use crate::template::{self, RenderFault, SharedCatalogue};
use deskbell_core::Name;
use deskbell_core::entry::{Field, Rendered, Settle, TemplateFault};

/// Fills the template named `name` with what `parameter` gives by name.
///
/// # Errors
/// What makes it impossible. It travels to the core: a repeated notify is answered as such, whatever has become of
/// its template.
pub(crate) fn render<'p>(
    catalogue: &SharedCatalogue,
    name: &str,
    parameter: &dyn Fn(&str) -> Option<&'p str>,
) -> Result<Rendered, TemplateFault> {
    catalogue.get().render(name, parameter).map(rendered).map_err(|fault| self::fault(&fault))
}

fn rendered(rendered: template::Rendered) -> Rendered {
    let field = |field: template::RenderedField| Field { label: field.label, value: field.value };
    Rendered {
        title: rendered.title,
        icon: rendered.icon,
        fields: rendered.fields.into_iter().map(field).collect(),
        accept_label: rendered.accept_label,
        reject_label: rendered.reject_label,
        timeout_ms: whole_ms(rendered.timeout),
        queue_timeout_ms: whole_ms(rendered.queue_timeout),
        show_timeout: rendered.show_timeout,
        auto_accept: rendered.auto_accept,
        auto_accept_on_timeout: rendered.auto_accept_on_timeout,
        settle: match rendered.settle {
            template::Settle::FirstResponse => Settle::FirstResponse,
            template::Settle::FirstAccept => Settle::FirstAccept,
        },
    }
}

fn fault(fault: &RenderFault) -> TemplateFault {
    let detail = Name::from(fault.to_string());
    match fault {
        RenderFault::UnknownTemplate { .. } => TemplateFault::Unknown { detail },
        RenderFault::Unresolved { .. } => TemplateFault::Unresolved { detail },
        RenderFault::TooLong { .. } => TemplateFault::TooLong { detail },
    }
}
