//! Notification templates: their texts, the catalogue of them, rendering, and their reload. Knows no other room; how
//! templates are written in a file is the configuration's business.
//!
//! Files here may use those above them: `text`, `rendering`, `definition`, `catalogue`, `watch`.

mod catalogue;
mod definition;
mod rendering;
mod text;
mod watch;

pub use catalogue::{Catalogue, SharedCatalogue, TEMPLATES_MAX};
pub use definition::{
    Definition, DefinitionFault, FIELDS_MAX, FieldDefinition, NAME_BYTES_MAX, Part, TIMEOUT_DEFAULT, TIMEOUT_MAX,
    TIMEOUT_MIN,
};
pub use rendering::{Outline, Placeholder, RenderFault, Rendered, RenderedField, Settle, Template};
pub use text::{ExpandFault, PLACEHOLDER_BYTES_MAX, RENDERED_BYTES_MAX, TEXT_BYTES_MAX, Text, TextFault, escape};
pub use watch::{Load, ReloadHandle, Watch};
