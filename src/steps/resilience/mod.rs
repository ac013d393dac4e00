//! What load, outages and reloads do.

pub(super) mod load;
pub(super) mod outage;
mod processes;
pub(super) mod reload;
pub(super) mod sizes;
pub(super) mod streaming;
