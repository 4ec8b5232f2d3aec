//! Stories told from a log in memory.
