//! What the log on disk promises, with devices that fail, processes that die and files that change.

mod crash;
mod damage;
pub(in crate::log) mod faults;
mod history;
mod power;
mod running;
