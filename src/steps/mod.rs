//! The vocabulary of plans: step definitions, a file a subject. A definition does something and
//! holds what it sees against what must be; how that is told is the work of `check`.

mod active_users;
mod bans;
mod check;
pub mod codes;
mod definition;
mod deploy;
mod deployment;
mod error;
mod faults;
mod health;
mod llm;
mod log;
mod login;
mod operations;
mod page;
mod prelude;
pub(crate) mod recheck;
mod redis;
pub mod registry;
mod request;
mod resilience;
pub(crate) mod run;
pub(crate) mod script;
mod security;
mod self_check;
mod session;
mod sockets;
mod speed;
mod state;
pub mod table;
mod token_form;
mod tokens;
pub mod watch;
pub(crate) mod world;
