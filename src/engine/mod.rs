//! One run: up, run, sweep, down; and the events that it tells while it goes.

pub mod event;
