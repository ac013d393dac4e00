//! What the gateway's log holds.

pub(super) mod errors;
pub(super) mod pairs;
pub(super) mod request_trace;
pub(super) mod tracking;
