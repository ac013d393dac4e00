//! `verify trace`: one request of an item through the gateway, place by place.

use std::path::PathBuf;

use clap::Args;

use super::{error::CliError, out};
use crate::{
    gate::ExitStatus,
    plan::{ItemId, Lang},
    report::{self, render},
};

#[derive(Debug, Args)]
pub struct TraceArgs {
    /// A report.json, the folder of a run, or its events.ndjson.
    #[arg(value_name = "REPORT")]
    pub report: PathBuf,
    /// The item, e.g. 3.4
    #[arg(value_name = "ITEM")]
    pub item: ItemId,
    /// The language.
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub lang: Lang,
}

/// The way of an item's requests.
pub fn trace(args: &TraceArgs) -> Result<ExitStatus, CliError> {
    let report = report::load(&args.report)?;
    let mut all = report.items.iter().chain(&report.extended);
    let Some(item) = all.find(|item| item.id == args.item) else {
        return Err(CliError::usage(format!(
            "{}: the report has no item {}",
            args.report.display(),
            args.item
        )));
    };
    let Some(text) = render::trace(item, out::style(args.lang)) else {
        let traced: Vec<String> = (report.items.iter().chain(&report.extended))
            .filter(|item| !report::trace::traces(item).is_empty())
            .map(|item| item.id.to_string())
            .collect();
        let error = CliError::usage(format!(
            "{}: no request of item {} was followed through the gateway",
            args.report.display(),
            args.item
        ));
        return Err(match traced.is_empty() {
            true => error,
            false => error.hint(format!("these have one: {}", traced.join(", "))),
        });
    };
    out::print(&text)?;
    Ok(ExitStatus::Pass)
}
