//! `verify steps`: the words that a plan's steps can be written with.

use super::{error::CliError, out};
use crate::{
    gate::ExitStatus,
    steps::registry::{self, Keyword},
};

/// Lists every step definition, grouped by the file that holds it.
pub fn steps() -> Result<ExitStatus, CliError> {
    let mut text = String::new();
    let mut file = "";
    for def in registry::all() {
        if def.file != file {
            file = def.file;
            let name = file
                .rsplit('/')
                .next()
                .unwrap_or(file)
                .trim_end_matches(".rs");
            text.push_str(&format!("\n{name}\n"));
        }
        let keyword = match def.keyword {
            Keyword::Given => "Given",
            Keyword::When => "When",
            Keyword::Then => "Then",
        };
        text.push_str(&format!(
            "  {keyword} {}\n",
            registry::readable(def.pattern)
        ));
        for line in def.doc.trim().lines() {
            text.push_str(&format!("      {}\n", line.trim()));
        }
    }
    out::print(text.trim_start_matches('\n'))?;
    Ok(ExitStatus::Pass)
}
