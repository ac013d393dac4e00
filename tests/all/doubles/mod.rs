//! The doubles, over real sockets, as a gateway and a harness meet them.

// clippy.toml allows these in test functions; the functions that they share are tests too.
#![allow(clippy::unwrap_used)]

mod auth0;
mod control;
pub mod litellm;
mod support;
