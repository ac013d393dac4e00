//! nginx's configuration: read into a tree with its includes, and what holds where.

mod lua_blocks;
mod matching;
mod place;
mod tree;

pub use matching::{Match, find_location};
pub use place::{Model, Place, all_locations};
pub use tree::{At, Node, Tree, read};
