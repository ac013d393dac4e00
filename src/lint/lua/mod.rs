//! Lua: read by a parser for LuaJIT's dialect, and what of it a rule asks for.

mod chunk;
mod nesting;
mod parse;
mod reach;
mod visit;

pub use chunk::{Arg, Call, Chunk};
pub use reach::{Modules, Reach};
