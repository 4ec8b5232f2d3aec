//! Notification templates: their texts, the catalogue, rendering into the core's [`Rendered`](deskbell_core::entry::Rendered),
//! and their reload. The room `config` reads templates from the configuration file.
//!
//! Files here may use those above them: `nearest`, `text`, `link`, `rendering`, `definition`, `catalogue`, `watch`.

mod catalogue;
mod definition;
mod link;
mod nearest;
mod rendering;
mod text;
mod watch;

pub use catalogue::{Catalogue, SharedCatalogue, TEMPLATES_MAX};
pub use definition::{
    Definition, DefinitionFault, DefinitionPart, FIELDS_MAX, FieldDefinition, NAME_BYTES_MAX, TIMEOUT_DEFAULT,
    TIMEOUT_MAX, TIMEOUT_MIN,
};
pub use deskbell_core::entry::{Settle, Sound};
pub use link::{LINK_BYTES_MAX, LinkFault, TemplateLink};
pub use nearest::nearest;
pub use rendering::{Outline, Placeholder, Template};
pub use text::{
    ExpandFault, PLACEHOLDER_BYTES_MAX, RENDERED_BYTES_MAX, TEXT_BYTES_MAX, TemplateText, TextFault, escape,
};
pub use watch::{Load, ReloadHandle, Watch};
