//! `verify` proves whether a new gateway configuration may be deployed.

pub mod doubles;
