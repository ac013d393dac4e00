//! The `verify` command.

use std::{process::ExitCode, time::Instant};

fn main() -> ExitCode {
    verify::cli::main(Instant::now()).into()
}
