//! Collections of the core: dense slots, sets of slots, an index by expiry, the connections of an agent.

pub(crate) mod connection_list;
pub(crate) mod expiry_index;
pub(crate) mod slab;
pub(crate) mod slot_set;
