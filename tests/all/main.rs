//! `verify` from outside: the real binary, the real programs in the sandbox and in containers, the
//! doubles over real sockets. One crate, so that it is linked once.

mod alarm;
mod bad_input;
mod blinded;
mod broken;
mod browser;
mod canaries;
mod cli;
mod compare;
mod docker;
mod docs;
mod doubles;
mod ending;
mod faults;
mod formats;
mod fuzz;
mod gate;
mod gateways;
mod hostile;
mod hostile_text;
mod html;
mod layers;
mod lint;
mod litellm;
mod own_plan;
mod pty;
mod redis_acl;
mod reference;
mod served;
mod support;
mod terminal;
mod untrusted;
