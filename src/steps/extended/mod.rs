//! Step definitions of the extended checks. A file a subject.

pub mod crowd;
pub mod noise;
pub mod outage;
pub mod reload;
pub mod secrets;
pub mod sizes;
pub mod streaming;
pub mod trouble;
