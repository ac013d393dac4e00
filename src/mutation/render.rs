//! The matrix as text: for a terminal, and as Markdown.

use super::{Cell, Judged, Matrix};
use crate::{
    plan::ItemId,
    report::render::text::{line, md_inline},
};

/// The matrix for a terminal: a row a mutant, a column an item, the score last.
#[must_use]
pub fn table(matrix: &Matrix) -> String {
    let wrong: Vec<String> = matrix
        .mutants
        .iter()
        .flat_map(|mutant| {
            let of = |what: &String| format!("  {}: {}\n", mutant.id, line(what));
            mutant.complaints.iter().map(of).collect::<Vec<_>>()
        })
        .collect();
    let mut text = grid(matrix);
    if !wrong.is_empty() {
        text.push_str(&format!("\nWhat is wrong:\n{}", wrong.concat()));
    }
    text.push('\n');
    text.push_str(&summary(matrix));
    text
}

/// The matrix as a Markdown file.
#[must_use]
pub fn markdown(matrix: &Matrix) -> String {
    let mut text = format!(
        "# Mutants\n\n{}\n## By item\n\n| Item | Mutants that it caught |\n| --- | ---: |\n",
        summary(matrix)
    );
    for (item, count) in matrix.coverage() {
        text.push_str(&format!("| {item} | {count} |\n"));
    }
    text.push_str(&format!(
        "\n## Mutant by item\n\n```text\n{}```\n",
        grid(matrix)
    ));
    text.push_str("\n## Mutant by mutant\n\n| Mutant | What is broken | Caught by | Cause named |");
    let compared = matrix.compared_with.is_some();
    if compared {
        text.push_str(" Noticed by the other plan |");
    }
    text.push_str("\n| --- | --- | --- | --- |");
    text.push_str(if compared { " --- |\n" } else { "\n" });
    for mutant in &matrix.mutants {
        text.push_str(&row(mutant, compared));
    }
    let wrong = matrix.mutants.iter().filter(|mutant| !mutant.caught());
    for (number, mutant) in wrong.enumerate() {
        if number == 0 {
            text.push_str("\n## What is wrong\n\n");
        }
        for what in &mutant.complaints {
            text.push_str(&format!("- `{}`: {}\n", mutant.id, md_inline(what)));
        }
    }
    text
}

fn row(mutant: &Judged, compared: bool) -> String {
    let failed: Vec<String> = mutant
        .items
        .iter()
        .filter(|(_, cell)| **cell == Cell::Failed)
        .map(|(item, _)| item.to_string())
        .collect();
    let caught = if failed.is_empty() {
        "**nothing**".to_owned()
    } else {
        failed.join(", ")
    };
    let named = match (mutant.named.first(), &mutant.cause) {
        (Some(named), Some(cause)) if named != cause => format!("{named} (it is {cause})"),
        (Some(named), _) => named.clone(),
        (None, _) => "-".to_owned(),
    };
    let other = match mutant.noticed_by_other {
        None if compared => " - |",
        None => "",
        Some(true) => " yes |",
        Some(false) => " **no** |",
    };
    let title = md_inline(&mutant.title);
    format!(
        "| `{}` | {title} | {caught} | {named} |{other}\n",
        mutant.id
    )
}

/// A column an item, in groups by phase.
fn grid(matrix: &Matrix) -> String {
    let widest = matrix.mutants.iter().map(|mutant| mutant.id.len()).max();
    let width = widest.unwrap_or(0);
    let mut phases = String::new();
    let mut numbers = String::new();
    let mut last = None;
    for item in &matrix.items {
        let (phase, number) = match item {
            ItemId::Plan { phase, number } => (phase.to_string(), u16::from(*number)),
            ItemId::Extended(number) => ("X".to_owned(), *number),
        };
        if last.is_some_and(|last| last != item.phase()) {
            phases.push(' ');
            numbers.push(' ');
        }
        let first = last != Some(item.phase());
        phases.push_str(if first { &phase } else { " " });
        numbers.push_str(&(number % 10).to_string());
        last = Some(item.phase());
    }
    let mut text = format!(
        "{:width$}  {}\n{:width$}  {numbers}\n",
        "",
        phases.trim_end(),
        ""
    );
    for mutant in &matrix.mutants {
        text.push_str(&format!(
            "{:width$}  {}\n",
            mutant.id,
            cells(mutant, &matrix.items)
        ));
    }
    text.push_str("F failed as it must   f failed, as it may   · passed   s skipped   ? could not tell   - not run   ! wrong\n");
    text
}

fn cells(mutant: &Judged, items: &[ItemId]) -> String {
    let mut text = String::new();
    let mut last = None;
    for item in items {
        if last.is_some_and(|last| last != item.phase()) {
            text.push(' ');
        }
        last = Some(item.phase());
        let wrong = format!("{item} must ");
        let is_wrong = mutant
            .complaints
            .iter()
            .any(|what| what.starts_with(&wrong));
        text.push(match mutant.items.get(item) {
            _ if is_wrong => '!',
            None => '-',
            Some(Cell::Passed) => '·',
            Some(Cell::Failed) if mutant.breaks.contains(item) => 'F',
            Some(Cell::Failed) => 'f',
            Some(Cell::Skipped) => 's',
            Some(Cell::Inconclusive) => '?',
        });
    }
    if mutant.noticed_by_other == Some(false) {
        text.push_str("  missed by the other plan");
    }
    text
}

fn summary(matrix: &Matrix) -> String {
    let score = matrix.score;
    let mut text = format!(
        "{} of {} mutants caught, by the items that they break and by no other; {} survived.\n",
        score.caught, score.mutants, score.survived
    );
    if score.with_cause > 0 {
        text.push_str(&format!(
            "The diagnosis names the right cause first for {} of {} ({:.0} %).\n",
            score.diagnosed,
            score.with_cause,
            100.0 * score.diagnosed as f64 / score.with_cause as f64
        ));
    }
    if let Some(other) = &matrix.compared_with {
        text.push_str(&format!(
            "Not noticed by \"{other}\": {} of {}.\n",
            score.missed_by_other, score.mutants
        ));
    }
    let seconds = matrix.duration_ms / 1e3;
    text.push_str(&format!("{seconds:.1} s, {} at a time.\n", matrix.jobs));
    text
}
