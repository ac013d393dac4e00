//! The results of the plan on broken gateways.

use serde::Serialize;

use crate::{
    mutation::{Cell, Judged, Matrix},
    plan::{ItemId, Lang},
    report::{
        RunReport,
        text::line,
        words::{self, fill},
    },
};

#[derive(Serialize)]
pub struct MatrixView {
    score: String,
    /// That they are of another gateway than the report's.
    note: String,
    items: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    title: String,
    complaints: Vec<String>,
    cells: Vec<CellView>,
}

/// The result of one item.
#[derive(Serialize)]
struct CellView {
    class: &'static str,
    mark: &'static str,
    /// Whether it had to fail.
    wanted: bool,
}

pub fn view(matrix: &Matrix, report: &RunReport, lang: Lang) -> MatrixView {
    let (w, score) = (words::words(lang), &matrix.score);
    let path = line(&matrix.candidate.path.to_string_lossy());
    MatrixView {
        score: fill(
            w.matrix_score,
            &[
                ("caught", &score.caught),
                ("mutants", &score.mutants),
                ("survived", &score.survived),
                ("diagnosed", &score.diagnosed),
                ("with_cause", &score.with_cause),
            ],
        ),
        note: match matrix.candidate.sha256 == report.run.candidate.sha256 {
            true => String::new(),
            false => fill(w.matrix_other, &[("path", &path)]),
        },
        items: matrix.items.iter().map(ItemId::to_string).collect(),
        rows: matrix.mutants.iter().map(|one| row(one, matrix)).collect(),
    }
}

fn row(mutant: &Judged, matrix: &Matrix) -> Row {
    let cell = |item: &ItemId| {
        let (class, mark) = match mutant.items.get(item) {
            None => ("none", ""),
            Some(Cell::Passed) => ("passed", "·"),
            Some(Cell::Failed) => ("failed", "✘"),
            Some(Cell::Skipped) => ("skipped", "–"),
            Some(Cell::Inconclusive) => ("inconclusive", "?"),
        };
        CellView {
            class,
            mark,
            wanted: mutant.breaks.contains(item),
        }
    };
    Row {
        id: line(&mutant.id),
        title: line(&mutant.title),
        complaints: mutant.complaints.iter().map(|it| line(it)).collect(),
        cells: matrix.items.iter().map(cell).collect(),
    }
}
