//! Checks beyond the plan: what an attacker, the data or the time of day will try. A file a
//! subject.

pub mod addresses;
pub mod admins;
pub mod back_button;
pub mod banned;
pub mod crowd;
pub mod deep_link;
pub mod elsewhere;
pub mod forged;
pub mod forgeries;
pub mod identity;
pub mod internal_port;
pub mod log_lines;
pub mod noise;
pub mod odd;
pub mod outage;
pub mod outside;
mod processes;
pub mod redirects;
pub mod reload;
pub mod secrets;
pub mod sizes;
pub mod streaming;
pub mod tabs;
pub mod tracker;
pub mod trouble;
pub mod visitor;
