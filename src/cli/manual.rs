//! What other programs need to know about this one: completions, man pages, schemas.

use std::{fs, path::Path};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{args::Cli, error::CliError, out};
use crate::{
    gate::ExitStatus,
    schema::{self, Document},
};

/// Prints the completions for a shell.
pub fn completions(shell: Shell) -> Result<ExitStatus, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "verify", &mut script);
    out::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitStatus::Pass)
}

/// Writes `verify.1`, `verify-run.1` and so on into `dir`.
pub fn man(dir: &Path) -> Result<ExitStatus, CliError> {
    fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
        .map_err(|error| {
            CliError::environment(format!(
                "cannot write man pages into {}: {error}",
                dir.display()
            ))
        })?;
    Ok(ExitStatus::Pass)
}

/// Prints the JSON Schema of a document.
pub fn schema(document: Document) -> Result<ExitStatus, CliError> {
    out::print(&format!("{:#}\n", schema::of(document)))?;
    Ok(ExitStatus::Pass)
}
