//! The matrix as text: for a terminal, and as Markdown.

use super::text::{line, md_inline};
use crate::{
    mutation::{Cell, Judged, Matrix},
    plan::ItemId,
    report::layout::{Cell as Shown, Row, Table, Tone},
};

/// The matrix for a terminal: a row a mutant, a column an item, the score last.
#[must_use]
pub fn table(matrix: &Matrix) -> String {
    let wrong: String = complaints(matrix)
        .map(|(id, what)| format!("  {id}: {}\n", line(what)))
        .collect();
    let wrong = match wrong.is_empty() {
        true => wrong,
        false => format!("\nWhat is wrong:\n{wrong}"),
    };
    format!("{}{wrong}\n{}", grid(matrix), summary(matrix))
}

/// The matrix as a Markdown file.
#[must_use]
pub fn markdown(matrix: &Matrix) -> String {
    let coverage = matrix.coverage().into_iter().map(|(item, count)| Row {
        label: item.to_string(),
        cells: vec![count.to_string().into()],
    });
    let by_item = Table {
        corner: "Item",
        columns: vec!["Mutants that it caught".to_owned()],
        rows: coverage.collect(),
    };
    let mut columns = vec!["What is broken", "Caught by", "Cause named"];
    let compared = matrix.compared_with.is_some();
    columns.extend(compared.then_some("Noticed by the other plan"));
    let by_mutant = Table {
        corner: "Mutant",
        columns: columns.into_iter().map(str::to_owned).collect(),
        rows: (matrix.mutants.iter())
            .map(|mutant| row(mutant, compared))
            .collect(),
    };
    let wrong: String = complaints(matrix)
        .map(|(id, what)| format!("- `{id}`: {}\n", md_inline(what)))
        .collect();
    let wrong = match wrong.is_empty() {
        true => wrong,
        false => format!("\n## What is wrong\n\n{wrong}"),
    };
    format!(
        "# Mutants\n\n{}\n## By item\n\n{}\n## Mutant by item\n\n```text\n{}```\n\n## Mutant by mutant\n\n{}{wrong}",
        summary(matrix),
        by_item.markdown(),
        grid(matrix),
        by_mutant.markdown()
    )
}

fn complaints(matrix: &Matrix) -> impl Iterator<Item = (&str, &str)> {
    matrix.mutants.iter().flat_map(|mutant| {
        let complaints = mutant.complaints.iter();
        complaints.map(|what| (mutant.id.as_str(), what.as_str()))
    })
}

fn row(mutant: &Judged, compared: bool) -> Row {
    let failed = (mutant.items.iter()).filter(|(_, cell)| **cell == Cell::Failed);
    let failed: Vec<String> = failed.map(|(item, _)| item.to_string()).collect();
    let bad = |text: &str| Shown {
        text: text.to_owned(),
        tone: Tone::Bad,
    };
    let caught = match failed.is_empty() {
        true => bad("nothing"),
        false => Shown::from(failed.join(", ")),
    };
    let named = match (mutant.named.first(), &mutant.cause) {
        (Some(named), Some(cause)) if named != cause => format!("{named} (it is {cause})"),
        (Some(named), _) => named.clone(),
        (None, _) => "-".to_owned(),
    };
    let mut cells = vec![Shown::from(&mutant.title), caught, named.into()];
    cells.extend(compared.then(|| match mutant.noticed_by_other {
        None => "-".into(),
        Some(true) => "yes".into(),
        Some(false) => bad("no"),
    }));
    Row {
        label: mutant.id.clone(),
        cells,
    }
}

/// A column an item, in groups by phase.
fn grid(matrix: &Matrix) -> String {
    let widest = matrix.mutants.iter().map(|mutant| mutant.id.len()).max();
    let width = widest.unwrap_or(0);
    let first = |at: usize| at == 0 || matrix.items[at - 1].phase() != matrix.items[at].phase();
    let columns = |mark: &dyn Fn(usize, &ItemId) -> String| -> String {
        let marks = matrix.items.iter().enumerate().map(|(at, item)| {
            let gap = if at > 0 && first(at) { " " } else { "" };
            format!("{gap}{}", mark(at, item))
        });
        marks.collect()
    };
    let phases = columns(&|at, item| match (first(at), item.phase()) {
        (false, _) => " ".to_owned(),
        (true, None) => "X".to_owned(),
        (true, Some(phase)) => phase.to_string(),
    });
    let numbers = columns(&|_, item| match item {
        ItemId::Plan { number, .. } => (number % 10).to_string(),
        ItemId::Extended(number) => (number % 10).to_string(),
    });
    let mut text = format!(
        "{:width$}  {}\n{:width$}  {numbers}\n",
        "",
        phases.trim_end(),
        ""
    );
    for mutant in &matrix.mutants {
        let cells = columns(&|_, item| mark(mutant, item).to_string());
        let missed = match mutant.noticed_by_other {
            Some(false) => "  missed by the other plan",
            _ => "",
        };
        text.push_str(&format!("{:width$}  {cells}{missed}\n", mutant.id));
    }
    text.push_str("F failed as it must   f failed, as it may   · passed   s skipped   ? could not tell   - not run   ! wrong\n");
    text
}

fn mark(mutant: &Judged, item: &ItemId) -> char {
    let wrong = format!("{item} must ");
    let mut complaints = mutant.complaints.iter();
    match mutant.items.get(item) {
        _ if complaints.any(|what| what.starts_with(&wrong)) => '!',
        None => '-',
        Some(Cell::Passed) => '·',
        Some(Cell::Failed) if mutant.breaks.contains(item) => 'F',
        Some(Cell::Failed) => 'f',
        Some(Cell::Skipped) => 's',
        Some(Cell::Inconclusive) => '?',
    }
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
