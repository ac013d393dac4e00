//! Step definitions of the extended checks. A file a subject.

pub mod outage;
pub mod streaming;
pub mod trouble;
