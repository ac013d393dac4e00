//! `verify` from outside: the real binary, the real programs in the sandbox and in containers, the
//! doubles over real sockets. One crate, so that it is linked once.

mod alarm;
mod bad_input;
mod blinded;
mod broken;
mod cli;
mod docker;
mod doubles;
mod ending;
mod faults;
mod lint;
mod own_plan;
mod reference;
mod rest;
mod served;
mod support;
