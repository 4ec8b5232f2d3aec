//! Whole histories in simulated time: one hub over a log that fails, several hubs over one stream.

mod clients;
mod cluster;
mod device;
mod dice;
mod failed_check;
mod recorder;
mod released_data;
mod single;
mod starting;
mod stream;
mod timers;
mod trouble;
