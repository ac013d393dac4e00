//! Step definitions of the extended checks. A file a subject.

pub mod crowd;
pub mod outage;
pub mod sizes;
pub mod streaming;
pub mod trouble;
