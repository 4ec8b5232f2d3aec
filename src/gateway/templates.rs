//! Where the texts of notifications come from.

use crate::workspace::entry::{Rendered, TemplateFault};

/// The templates in force.
pub trait Templates: Send + Sync {
    /// Fills the template named `name` with what `parameter` gives by name.
    ///
    /// # Errors
    /// [`TemplateFault`]: what makes it impossible.
    fn render<'p>(&self, name: &str, parameter: &dyn Fn(&str) -> Option<&'p str>) -> Result<Rendered, TemplateFault>;
}
