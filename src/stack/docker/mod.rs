//! The stacks on a Docker engine: [`containers`] starts a deployment of its own, [`compose`] attaches to
//! one that runs. Both are a [`DockerStack`](stack::DockerStack).

mod archive;
pub mod compose;
pub mod compose_file;
mod container;
pub mod containers;
mod engine;
mod follow;
mod host;
mod images;
pub mod labels;
mod pair;
mod shell;
pub mod stack;
mod watchdog;

pub use engine::{Engine, EngineError};
