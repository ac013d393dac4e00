//! Everything that the two stacks on a Docker engine have in common, and these two:
//! [`containers`] starts a deployment of its own, [`compose`] attaches to one that runs.

mod archive;
mod components;
pub mod compose;
pub mod compose_file;
mod container;
pub mod containers;
mod engine;
mod follow;
mod images;
pub mod labels;
mod pair;
mod shell;
mod watchdog;

pub use engine::{Engine, EngineError};
