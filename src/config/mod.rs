//! The configuration. Flags win over environment variables, those over the TOML file, and that over the defaults.
//! Everything is checked before the hub starts, and all errors are reported together. A wrong value is an error even if
//! a stronger source overrides it.
//!
//! Files here may use those above them: `value`, `error`, `checked`, `key`, `setting`, `settings`, `file`, `templates`,
//! `issuers`, `docs`, `load`.

mod checked;
mod docs;
mod error;
mod file;
mod issuers;
mod key;
mod load;
mod setting;
mod settings;
mod templates;
#[cfg(test)]
mod tests;
mod value;

pub use crate::template::nearest;
pub use checked::{AuthSettings, Config, LimitSettings, LogSettings, OidcSettings, OidcToken, ServerSettings, Sources};
pub use docs::markdown;
pub use error::{ConfigError, ConfigErrors, ERRORS_MAX, Location};
pub use file::FILE_BYTES_MAX;
pub use key::Key;
pub use setting::{Accessor, ORIGINS_MAX, PROXIES_MAX, Setting, ValueKind};
pub use settings::SETTINGS;
