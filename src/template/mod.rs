//! Notification templates: their texts, the catalogue, rendering into the core's [`Rendered`](deskbell_core::entry::Rendered),
//! and their reload. The room `config` reads templates from the configuration file.
//!
//! Files here may use those above them: `nearest`, `text`, `rendering`, `definition`, `catalogue`, `watch`.

mod catalogue;
mod definition;
mod nearest;
mod rendering;
mod text;
mod watch;

pub use catalogue::{Catalogue, SharedCatalogue, TEMPLATES_MAX};
pub use definition::{
    Definition, DefinitionFault, DefinitionPart, FIELDS_MAX, FieldDefinition, NAME_BYTES_MAX, TIMEOUT_DEFAULT,
    TIMEOUT_MAX, TIMEOUT_MIN,
};
pub use deskbell_core::entry::Settle;
pub use nearest::nearest;
pub use rendering::{Outline, Placeholder, Template};
pub use text::{
    ExpandFault, PLACEHOLDER_BYTES_MAX, RENDERED_BYTES_MAX, TEXT_BYTES_MAX, TemplateText, TextFault, escape,
};
pub use watch::{Load, ReloadHandle, Watch};
