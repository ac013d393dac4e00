//! `verify explain`: what an item of the plan is about. Nothing is started.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    error::CliError,
    options::{FileArgs, OutputArgs, RunArgs},
    out,
    settings::Settings,
    shipped::{MUTANTS, shipped},
};
use crate::{
    explain,
    gate::ExitStatus,
    mutation::Catalogue,
    plan::{Bundle, ItemId, Lang},
};

/// What `--help` says after the options.
pub const AFTER_HELP: &str = "\
Exit codes:
  0    told
  2    usage or configuration error: no such item, a plan or a catalogue that cannot be read

Examples:
  verify explain 3.4                       one item of the plan
  verify explain 4.4 X.7 --lang ja         several, in Japanese
  verify explain 1.3 --plan examples/five-items
  verify explain login                     which items are named like that

The mutants are those of fixtures/mutants for the shipped plan, and those of DIR/mutants for
another one, where there are any.";

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The items, for example 3.4 or X.7.
    #[arg(value_name = "ITEM", required = true, value_delimiter = ',')]
    pub items: Vec<String>,
    /// The plan bundle [default: features].
    #[arg(long, value_name = "DIR", env = "VERIFY_PLAN")]
    pub plan: Option<PathBuf>,
    /// The catalogue of mutants: a YAML file, or a folder of them.
    #[arg(long, value_name = "PATH")]
    pub mutants: Option<PathBuf>,
    /// The language [default: en].
    #[arg(long, value_enum, env = "VERIFY_LANG")]
    pub lang: Option<Lang>,
}

/// Explains the items, one after another.
pub fn explain(args: ExplainArgs) -> Result<ExitStatus, CliError> {
    let settings = Settings::settle(RunArgs {
        files: FileArgs {
            plan: args.plan,
            ..FileArgs::default()
        },
        output: OutputArgs {
            lang: args.lang,
            ..OutputArgs::default()
        },
        ..RunArgs::default()
    })?;
    let bundle = Bundle::load(&settings.plan)?;
    let known: BTreeSet<ItemId> = bundle.items().collect();
    let mut items = Vec::new();
    for typed in &args.items {
        let id = typed.parse().ok().filter(|id| known.contains(id));
        items.push(id.ok_or_else(|| unknown(&bundle, typed, settings.lang))?);
    }
    let catalogue = match args.mutants {
        Some(path) => Some(path),
        None => catalogue_of(&settings.plan)?,
    };
    let catalogue = catalogue
        .map(|path| Catalogue::load(&path, &known))
        .transpose()?;
    let style = out::style(settings.lang);
    let texts: Vec<String> = (items.into_iter())
        .filter_map(|id| explain::explain(&bundle, catalogue.as_ref(), id))
        .map(|explained| explain::text(&explained, style))
        .collect();
    let between = format!("\n{}\n\n", "─".repeat(style.width));
    out::print(&texts.join(&between))?;
    Ok(ExitStatus::Pass)
}

/// The catalogue that goes with a plan: the shipped one with the shipped plan, whose items it
/// names by their numbers; else what the plan's folder brings along.
fn catalogue_of(plan: &Path) -> Result<Option<PathBuf>, CliError> {
    let same = |one: &Path, other: &Path| matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other);
    let shipped_plan = shipped("features").is_ok_and(|shipped| same(plan, &shipped));
    let found = if shipped_plan {
        shipped(MUTANTS)?
    } else {
        plan.join("mutants")
    };
    Ok(found.exists().then_some(found))
}

fn unknown(bundle: &Bundle, typed: &str, lang: Lang) -> CliError {
    let error = CliError::usage(format!(
        "the plan in {} has no item {typed}",
        bundle.dir.display()
    ));
    let near: Vec<String> = explain::nearest(bundle, typed)
        .into_iter()
        .map(|id| format!("{id} {}", bundle.title_of(id, lang).unwrap_or_default()))
        .collect();
    if near.is_empty() {
        return error.hint("`verify --list` shows every item");
    }
    error.hint(format!("there is {}", near.join("; ")))
}
