//! Checks beyond the plan: what an attacker, the data or the time of day will try. A file a
//! subject.

pub mod addresses;
pub mod banned;
pub mod crowd;
pub mod forged;
pub mod identity;
pub mod noise;
pub mod outage;
pub mod outside;
pub mod reload;
pub mod secrets;
pub mod sizes;
pub mod streaming;
pub mod tracker;
pub mod trouble;
