//! The core, held against the contract rule by rule.
//!
//! Files: `invariants`, `told`, `watch`, `world` (the language of these tests); `offering`, `timing`, `answering`,
//! `automatic`, `providing`, `presence`, `sessions`, `regrouping`, `counting` (rule by rule).

mod answering;
mod automatic;
mod counting;
mod invariants;
mod offering;
mod presence;
mod providing;
mod regrouping;
mod sessions;
mod timing;
mod told;
mod watch;
mod world;
