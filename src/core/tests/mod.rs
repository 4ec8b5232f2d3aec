//! The core, held against the contract: rule by rule, by random histories, and by all histories of small worlds.
//!
//! Files: `inside`, `invariants`, `told`, `watch`, `world` (the language of these tests); `offering`, `timing`, `answering`,
//! `automatic`, `providing`, `presence`, `sessions`, `regrouping`, `counting` (rule by rule);
//! `failed_checks` (damaged states); `model`, `model_calls`,
//! `happening`, `histories` (random histories against a simple model), `small_worlds` (all histories).

mod answering;
mod automatic;
mod counting;
mod failed_checks;
mod happening;
mod histories;
mod inside;
mod invariants;
mod model;
mod model_calls;
mod offering;
mod presence;
mod providing;
mod regrouping;
mod sessions;
mod small_worlds;
mod timing;
mod told;
mod watch;
mod world;
