//! The configuration: flags, over environment, over the TOML file, over defaults, checked as a whole before anything
//! is started. A wrong value is a fault even where another place overrides it.
//!
//! Files here may use those above them: `value`, `fault`, `checked`, `setting`, `settings`, `file`, `templates`,
//! `docs`, `load`.

mod checked;
mod docs;
mod fault;
mod file;
mod load;
mod setting;
mod settings;
mod templates;
#[cfg(test)]
mod tests;
mod value;

pub use crate::template::nearest;
pub use checked::{Auth, Config, Limits, LogHistory, Server, Sources};
pub use docs::markdown;
pub use fault::{FAULTS_MAX, Fault, Faults, Origin};
pub use file::FILE_BYTES_MAX;
pub use setting::{Kind, ORIGINS_MAX, PROXIES_MAX, Setting};
pub use settings::SETTINGS;
pub use value::duration;
