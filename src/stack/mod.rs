//! The gateway with everything round it, and the kinds of places where that can run.

pub mod programs;
