//! What an attacker tries.

pub(super) mod admin_rights;
pub(super) mod attack;
pub(super) mod back_button;
pub(super) mod banned_tokens;
pub(super) mod deep_link;
pub(super) mod email_addresses;
mod email_cases;
mod email_user;
pub(super) mod error_log_audit;
pub(super) mod forged_log;
pub(super) mod forged_tokens;
mod forgeries;
pub(super) mod identity;
pub(super) mod internal_port;
pub(super) mod open_redirect;
mod other_site;
pub(super) mod secrets;
pub(super) mod tabs;
pub(super) mod tracking_endpoint;
