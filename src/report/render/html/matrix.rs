//! What the plan said about broken gateways.

use serde::Serialize;

use crate::{
    mutation::{Cell, Judged, Matrix},
    plan::{ItemId, Lang},
    report::{RunReport, render::text::line},
};

/// A matrix.
#[derive(Serialize)]
pub struct MatrixView {
    score: String,
    /// What is to be known of it: another gateway than the report's.
    note: String,
    items: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    title: String,
    caught: bool,
    complaints: Vec<String>,
    cells: Vec<CellView>,
}

/// What one item said.
#[derive(Serialize)]
struct CellView {
    class: &'static str,
    mark: &'static str,
    /// Whether it had to fail.
    wanted: bool,
}

/// A matrix for the page.
pub fn view(matrix: &Matrix, report: &RunReport, lang: Lang) -> MatrixView {
    let score = &matrix.score;
    let same = matrix.candidate.sha256 == report.run.candidate.sha256;
    let other = line(&matrix.candidate.path.to_string_lossy());
    MatrixView {
        score: match lang {
            Lang::En => format!(
                "{} of {} broken gateways were caught, by the items that they break and by no other; {} survived. The diagnosis names the right cause first for {} of {}.",
                score.caught, score.mutants, score.survived, score.diagnosed, score.with_cause
            ),
            Lang::Ja => format!(
                "{}件の変異のうち{}件を、該当する項目だけが検出しました（見逃し{}件）。原因を最初に正しく示したのは{}件中{}件です。",
                score.mutants, score.caught, score.survived, score.with_cause, score.diagnosed
            ),
        },
        note: match (same, lang) {
            (true, _) => String::new(),
            (false, Lang::En) => format!("They were made of another gateway: {other}."),
            (false, Lang::Ja) => format!("対象は別の設定です：{other}"),
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
            Some(Cell::Inconclusive) => ("unclear", "?"),
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
        caught: mutant.caught(),
        complaints: mutant.complaints.iter().map(|it| line(it)).collect(),
        cells: matrix.items.iter().map(cell).collect(),
    }
}
