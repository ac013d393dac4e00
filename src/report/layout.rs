//! Tables, lists and titled blocks of text, at a terminal and in Markdown: what comparisons, histories,
//! explanations and matrices of mutants are shown with.

use std::iter::once;

use tabled::{
    builder::Builder,
    settings::{Color, Padding, Style as Borders},
};

use super::render::{
    BOLD, GREEN, RED, Style, YELLOW,
    text::{columns, line, md_inline, pad, wrap},
};

/// Whether what a text says is good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    Plain,
    Good,
    Bad,
    Unsure,
}

impl Tone {
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some(GREEN),
            Self::Bad => Some(RED),
            Self::Unsure => Some(YELLOW),
        }
    }

    pub fn paint(self, text: &str, style: Style) -> String {
        self.sgr()
            .map_or_else(|| text.to_owned(), |sgr| style.paint(sgr, text))
    }
}

#[derive(Clone, Debug)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            tone: Tone::Plain,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Row {
    pub label: String,
    pub cells: Vec<Cell>,
}

/// A table whose rows have labels. Its texts are as somebody else wrote them: they are neutralised here.
#[derive(Debug)]
pub struct Table {
    /// What the labels are.
    pub corner: &'static str,
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
}

/// The least width of a column that words are wrapped into.
const LEAST_CELL: usize = 13;
/// What a label gets at least, where it needs it.
const LEAST_LABEL: usize = 22;

impl Table {
    /// At a terminal; where it is too narrow for the columns, each cell in a line of its own.
    #[must_use]
    pub fn shown(&self, style: Style) -> String {
        let rows: Vec<Row> = self.rows.iter().map(clean).collect();
        let labels = rows.iter().map(|row| columns(&row.label));
        let label = labels.max().unwrap_or(0);
        let cells = rows.iter().flat_map(|row| &row.cells);
        let widest = cells.map(|cell| columns(&cell.text)).max().unwrap_or(1);
        let count = self.columns.len().max(1);
        let room = style.width.saturating_sub(2 + label.min(LEAST_LABEL)) / count;
        let cell = widest.min(room.saturating_sub(2));
        if cell < widest && cell < LEAST_CELL {
            return self.stacked(&rows, style);
        }
        let label = label.min(style.width.saturating_sub(2 + count * (cell + 2)));
        let mut builder = Builder::default();
        // Every column is as wide as the widest cell, and so are the labels.
        let names = self.columns.iter().map(|name| pad(name, cell));
        builder.push_record(once(pad(self.corner, label)).chain(names));
        for row in &rows {
            let cells = row.cells.iter().map(|one| wrap(&one.text, cell).join("\n"));
            builder.push_record(once(wrap(&row.label, label).join("\n")).chain(cells));
        }
        let mut table = builder.build();
        table.with(Borders::empty()).with(Padding::new(2, 0, 0, 0));
        for (at, row) in rows.iter().enumerate().filter(|_| style.color) {
            for (column, cell) in row.cells.iter().enumerate() {
                if let Some(sgr) = cell.tone.sgr() {
                    let color = Color::new(format!("\u{1b}[{sgr}m"), "\u{1b}[0m");
                    table.modify((at + 1, column + 1), color);
                }
            }
        }
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }

    fn stacked(&self, rows: &[Row], style: Style) -> String {
        let mut lines = Vec::new();
        for row in rows {
            lines.push(format!("  {}", style.paragraph(4, &row.label)));
            for (name, cell) in self.columns.iter().zip(&row.cells) {
                let said = style.paragraph(columns(name) + 6, &cell.text);
                lines.push(format!("    {name}  {}", cell.tone.paint(&said, style)));
            }
        }
        lines.join("\n")
    }

    /// As Markdown, with a line end.
    #[must_use]
    pub fn markdown(&self) -> String {
        let names: String = self.columns.iter().map(|it| format!(" {it} |")).collect();
        let rule = " --- |".repeat(self.columns.len());
        let mut text = format!("| {} |{names}\n| --- |{rule}\n", self.corner);
        for row in &self.rows {
            let cells = row.cells.iter().map(|cell| match cell.tone {
                Tone::Bad => format!(" **{}** |", md_inline(&cell.text)),
                _ => format!(" {} |", md_inline(&cell.text)),
            });
            let cells: String = cells.collect();
            text.push_str(&format!("| {} |{cells}\n", md_inline(&row.label)));
        }
        text
    }
}

fn clean(row: &Row) -> Row {
    let cell = |cell: &Cell| Cell {
        text: line(&cell.text),
        tone: cell.tone,
    };
    Row {
        label: line(&row.label),
        cells: row.cells.iter().map(cell).collect(),
    }
}

#[must_use]
pub fn title(text: &str, style: Style) -> String {
    style.paint(BOLD, &style.paragraph(0, text))
}

/// A title with a text below it. Lines of the text that are indented by four are commands: they
/// are left whole, so that they can be copied.
#[must_use]
pub fn block(heading: &str, body: &str, style: Style) -> String {
    let mut shown = title(heading, style);
    for line in body.trim_end().lines() {
        let lines = match line.starts_with("    ") {
            true => vec![line.to_owned()],
            false => wrap(line, style.width.saturating_sub(2).max(20)),
        };
        for line in lines {
            shown.push('\n');
            shown.push_str(format!("  {line}").trim_end());
        }
    }
    shown
}

/// Entries below a title, each with its mark, going on beneath its text.
#[must_use]
pub fn list(heading: &str, entries: &[(String, String)], style: Style) -> String {
    let marks = entries.iter().map(|(mark, _)| columns(mark));
    let widest = marks.max().unwrap_or(0);
    let mut shown = heading.to_owned();
    for (mark, said) in entries {
        let blanks = " ".repeat(widest - columns(mark));
        let said = style.paragraph(widest + 4, said);
        shown.push_str(&format!("\n  {blanks}{mark}  {said}"));
    }
    shown
}
