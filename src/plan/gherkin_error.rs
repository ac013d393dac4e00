//! What a person reads about a feature file that is not Gherkin: the parser only knows a
//! place, often one further down, and the tokens of its grammar.

use crate::yaml::suggest;

const HEADINGS: [&str; 8] = [
    "Feature:",
    "Background:",
    "Rule:",
    "Scenario:",
    "Example:",
    "Scenario Outline:",
    "Scenario Template:",
    "Examples:",
];
const STEPS: [&str; 6] = ["Given", "When", "Then", "And", "But", "*"];

/// The line, from 1, and what is wrong there, from the file's text and the parser's error.
pub(super) fn explain(text: &str, error: &str) -> (usize, String) {
    if text.trim().is_empty() {
        return (
            1,
            "the file is empty: it must start with `Feature:`".to_owned(),
        );
    }
    let line = foreign_line(text).or_else(|| line_of(error)).unwrap_or(1);
    let seen = text.lines().nth(line - 1).unwrap_or_default().trim();
    let word = seen.split_whitespace().next().unwrap_or_default();
    let words = HEADINGS.iter().chain(&STEPS).copied();
    let meant = suggest(word, words).filter(|meant| *meant != word);
    let hint = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "a step starts with Given, When, Then, And or But, a tag with @, a comment \
                 with #; the rows of a table have equally many cells | between | bars |"
            .to_owned(),
    };
    match seen {
        "" => (
            line,
            format!("not Gherkin: something is missing here; {hint}"),
        ),
        seen => (line, format!("not Gherkin: `{seen}`; {hint}")),
    }
}

/// The parser keeps the place to itself, but for its text: `Error at LINE:COLUMN: …`.
fn line_of(error: &str) -> Option<usize> {
    let place = error.strip_prefix("Error at ")?;
    place.split(':').next()?.parse().ok()
}

/// The first line that nothing of Gherkin starts with, where no free text may stand: before
/// the feature's heading, or after a step.
fn foreign_line(text: &str) -> Option<usize> {
    let (mut free_text, mut quoted) = (false, false);
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.starts_with("\"\"\"") || line.starts_with("```") {
            quoted = !quoted;
            continue;
        }
        if quoted || line.is_empty() || line.starts_with(['#', '@', '|']) {
            continue;
        }
        let heading = HEADINGS.iter().any(|heading| line.starts_with(heading));
        let step = STEPS
            .iter()
            .any(|word| line.split_whitespace().next() == Some(word));
        match (heading, step) {
            (true, _) => free_text = true,
            (false, true) => free_text = false,
            (false, false) if !free_text => return Some(number),
            (false, false) => {}
        }
    }
    None
}
