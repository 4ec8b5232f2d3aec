//! Renders the template of a notify.

use deskbell_core::entry::{RenderError, Rendered};

use crate::template::SharedCatalogue;

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
