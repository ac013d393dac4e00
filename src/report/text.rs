//! Neutralises text that somebody else wrote, for every format: nothing in it acts on a terminal,
//! a browser, a Markdown reader, an XML or JSON parser, or the runner of GitHub Actions.
//!
//! [`line()`] and [`lines`] are for a piece of text on its way into a format; [`md_inline`] and its
//! like add what Markdown needs, [`json`] is for JSON as a whole, [`shown`] and [`guarded`] for
//! what is about to be written to a terminal or to a job's log.

use std::{borrow::Cow, fmt::Write as _};

use serde::Serialize;
use tabled::grid::util::string::{get_char_width, get_string_width};

/// `text` in one line, its control characters shown and not passed on.
pub fn line(text: &str) -> String {
    lines(text.trim()).replace('\n', " ")
}

/// `text` in its lines, its other control characters shown and not passed on.
pub fn lines(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\t' => clean.push_str("    "),
            // The runner of GitHub Actions takes `##[` for a command anywhere in a line.
            '[' if clean.ends_with("##") => {
                clean.pop();
                clean.push_str("\\u{23}[");
            }
            c => push(&mut clean, c),
        }
    }
    clean
}

/// Appends a character, escaped where it acts or hides; a line's end is kept.
fn push(clean: &mut String, c: char) {
    match c {
        '\n' => clean.push(c),
        '\u{1b}' => clean.push_str("\\e"),
        c if acts(c) => {
            // A String takes everything.
            let _ = write!(clean, "\\u{{{:x}}}", u32::from(c));
        }
        c => clean.push(c),
    }
}

/// Control characters; what turns the direction of a text or hides in it, so that a log line could
/// look like another; and what is no character, which XML cannot hold.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `text` as it is written to standard output or standard error: the last line of defence, which
/// passes line ends, tabs and this program's own colours (SGR), and nothing else that acts.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| acts(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let passed = match c {
            '\t' => 1,
            '\u{1b}' => sgr(rest),
            _ => 0,
        };
        let (own, after) = rest.split_at(passed);
        clean.push_str(own);
        rest = after;
        if passed == 0 {
            push(&mut clean, c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    Cow::Owned(clean)
}

/// How long the SGR sequence is that `text` begins with; 0 where it is none.
fn sgr(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
    end.filter(|end| parameters[*end..].starts_with('m'))
        .map_or(0, |end| end + 3)
}

/// `text` for the log of a job of GitHub Actions: no line of it is a workflow command. Its runner
/// takes a line for one that begins with `::`, behind any white space, or that holds `##[`.
#[must_use]
pub fn guarded(text: &str) -> Cow<'_, str> {
    if !text.contains("::") && !text.contains("##[") {
        return Cow::Borrowed(text);
    }
    let guard = |line: &str| {
        let line = line.replace("##[", "#\\u{23}[");
        let start = line.trim_start();
        match start.strip_prefix("::") {
            Some(rest) => {
                let blank = &line[..line.len() - start.len()];
                format!("{blank}\\u{{3a}}:{rest}")
            }
            None => line,
        }
    };
    // A carriage return may end a line, too.
    let lines = text.split_inclusive(['\n', '\r']).map(guard);
    Cow::Owned(lines.collect())
}

/// A value as JSON, pretty, with a line end. Strings hold what they hold; what would act where the
/// text itself is shown is escaped.
///
/// # Errors
/// What JSON cannot hold, such as a path that is not UTF-8.
pub fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(json_escaped(text) + "\n")
}

/// JSON whose strings have everything that acts as `\u` escapes. Outside its strings JSON has
/// nothing of the kind but line ends.
#[must_use]
pub fn json_escaped(text: String) -> String {
    let special = |c: char| acts(c) && c != '\n';
    if !text.contains(special) && !text.contains("##[") {
        return text;
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if special(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // A String takes everything.
                let _ = write!(clean, "\\u{unit:04x}");
            }
        } else if c == '[' && clean.ends_with("##") {
            clean.pop();
            clean.push_str("\\u0023[");
        } else {
            clean.push(c);
        }
    }
    clean
}

/// How many columns of a terminal `text` takes.
pub fn columns(text: &str) -> usize {
    get_string_width(text)
}

/// `text` with blanks up to `width` columns.
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(missing))
}

/// `text` in at most `width` columns, with a sign where something is cut off.
pub fn clip(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if columns(&short) + get_char_width(c) + 1 > width {
            break;
        }
        short.push(c);
    }
    if width > 0 {
        short.push('…');
    }
    short
}

/// `text` in lines of at most `width` columns: broken at blanks, in Japanese anywhere but
/// before a closing mark, and within a word only where it is longer than a line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    text.split('\n')
        .flat_map(|line| wrap_line(line, width.max(2)))
        .collect()
}

fn wrap_line(text: &str, width: usize) -> Vec<String> {
    let mut wrapped = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        if columns(&line) + columns(piece.trim_end()) > width && !line.trim().is_empty() {
            wrapped.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        for c in piece.chars() {
            if columns(&line) + get_char_width(c) > width {
                if c == ' ' {
                    continue;
                }
                wrapped.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    wrapped.push(line.trim_end().to_owned());
    wrapped
}

/// What stays together in one line: a word with the blanks after it, or one wide character
/// with the closing marks after it.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        let closes = "、。）」』】：；！？ー…,.)]}".contains(c) || c == ' ';
        let opened = before.is_some_and(|before| "（「『【".contains(before));
        let breaks = before.is_some_and(|before| {
            !closes && !opened && (before == ' ' || is_wide(before) || is_wide(c))
        });
        if breaks && text[start..at].trim() != "" {
            pieces.push(&text[start..at]);
            start = at;
        }
        before = Some(c);
    }
    pieces.push(&text[start..]);
    pieces
}

fn is_wide(c: char) -> bool {
    get_char_width(c) == 2
}

/// One line of `text` as markdown that shows it as it is.
pub fn md_inline(text: &str) -> String {
    md_escaped(&line(text), true)
}

/// A line, or the part of one that does not begin it.
fn md_escaped(text: &str, begins: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let is_word = |at: Option<usize>| {
        at.and_then(|at| chars.get(at))
            .is_some_and(|c| c.is_alphanumeric())
    };
    // `1. ` and `1) ` begin a list.
    let digits = chars.iter().take_while(|c| c.is_ascii_digit()).count();
    let number_ends = chars.get(digits + 1).is_none_or(|c| *c == ' ');
    let mut safe = String::with_capacity(text.len());
    for (at, c) in chars.iter().enumerate() {
        let within_word = is_word(at.checked_sub(1)) && is_word(Some(at + 1));
        match c {
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | '|' | '~' => safe.extend(['\\', *c]),
            '_' if !within_word => safe.push_str("\\_"),
            // At the beginning these would make a heading, of the line before too, a list or a
            // quotation.
            '#' | '-' | '+' | '>' | '=' if begins && at == 0 => safe.extend(['\\', *c]),
            '.' | ')' if begins && at == digits && at > 0 && number_ends => {
                safe.extend(['\\', *c]);
            }
            c => safe.push(*c),
        }
    }
    safe
}

/// A text for a person as markdown: its `code` and the commands that it indents by four stay what
/// they are, everything else is shown as it is.
pub fn md_prose(text: &str) -> String {
    let clean = lines(text);
    // Behind a paragraph's line an indented one belongs to it, and is no code.
    let mut may_be_code = true;
    let shown = clean.lines().map(|line| {
        if line.trim().is_empty() {
            may_be_code = true;
            return String::new();
        }
        may_be_code &= line.starts_with("    ");
        if may_be_code {
            return line.to_owned();
        }
        md_spans(line.trim())
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// A line with its code spans; backticks that make none are shown.
fn md_spans(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    let is_code = |at: usize| at % 2 == 1;
    let empty = (0..parts.len()).any(|at| is_code(at) && parts[at].trim().is_empty());
    if parts.len().is_multiple_of(2) || empty {
        return md_escaped(line, true);
    }
    let parts = parts.iter().enumerate();
    parts
        .map(|(at, part)| match is_code(at) {
            true => format!("`{part}`"),
            false => md_escaped(part, at == 0),
        })
        .collect()
}

/// `text` as a cell of a markdown table, its lines broken by `<br>`.
pub fn md_cell(text: &str) -> String {
    let cell: Vec<String> = text
        .lines()
        .map(md_inline)
        .filter(|line| !line.is_empty())
        .collect();
    cell.join("<br>")
}

/// `text` as a fenced block that nothing in it can end.
pub fn md_fence(text: &str) -> String {
    let clean = lines(text);
    let mut longest = 0;
    let mut current = 0;
    for c in clean.chars() {
        current = if c == '`' { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", clean.trim_end_matches('\n'))
}

/// `text` as inline code that nothing in it can end; a `|` would end the cell of a table.
pub fn md_code(text: &str) -> String {
    let clean = line(text);
    if clean.contains(['`', '|']) {
        return md_inline(&clean);
    }
    format!("`{clean}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_passed_on() {
        let hostile = "a\u{1b}[2Jb\u{7}c\rd\u{9b}e\u{202e}f\u{0}";
        let shown = lines(hostile);
        assert_eq!(shown, "a\\e[2Jb\\u{7}c\\u{d}d\\u{9b}e\\u{202e}f\\u{0}");
        assert_eq!(line("one\ntwo\n"), "one two");
        assert_eq!(lines("one\r\ntwo"), "one\ntwo");
    }

    #[test]
    fn only_own_colours_reach_a_terminal() {
        let own = "a\u{1b}[1;31mred\u{1b}[0m\tb\n";
        assert_eq!(shown(own), own);
        let hostile = "\u{1b}[2J\u{1b}]0;x\u{7}\u{1b}[31\u{1b}c\r\u{9b}1m\u{202e}é\u{1b}";
        assert_eq!(
            shown(hostile),
            "\\e[2J\\e]0;x\\u{7}\\e[31\\ec\\u{d}\\u{9b}1m\\u{202e}é\\e"
        );
    }

    #[test]
    fn no_line_is_a_workflow_command() {
        assert_eq!(
            guarded("a::b\n \u{a0}::error::x\r::x\nx ##[group]##[\n::"),
            "a::b\n \u{a0}\\u{3a}:error::x\r\\u{3a}:x\nx #\\u{23}[group]#\\u{23}[\n\\u{3a}:"
        );
        assert_eq!(lines("###[x]"), "##\\u{23}[x]");
        assert_eq!(guarded(&lines("###[x]##[")), lines("###[x]##["));
    }

    #[test]
    fn json_holds_the_same_and_shows_nothing_that_acts() {
        let hostile = ["\u{9b}2J\u{202e}\u{e0041}##[x]\u{1b}\u{7f}日本"];
        let text = json(&hostile).unwrap();
        assert!(text.contains("日本"), "{text}");
        assert!(
            !text.contains(|c| acts(c) && c != '\n') && !text.contains("##["),
            "{text}"
        );
        let read: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, hostile);
    }

    #[test]
    fn lines_are_as_wide_as_a_terminal_shows_them() {
        let japanese = "OAuth2認証が失敗する場合（問題3）。OAuth2 Proxy のログを確認します。";
        for width in [10, 20, 33] {
            let wrapped = wrap(japanese, width);
            assert!(
                wrapped.iter().all(|line| columns(line) <= width),
                "{wrapped:?}"
            );
            assert!(
                !wrapped.iter().any(|line| line.starts_with('。')),
                "{wrapped:?}"
            );
        }
        assert_eq!(
            wrap("a word too-long-to-fit x", 6),
            ["a word", "too-lo", "ng-to-", "fit x"]
        );
        assert_eq!(wrap("one\n\ntwo", 80), ["one", "", "two"]);
        assert_eq!(wrap("", 80), [""]);
    }

    #[test]
    fn nothing_breaks_out_of_its_fence_cell_or_code() {
        assert!(md_fence("a\n```\nb").starts_with("````text\n"));
        assert!(md_fence("`````").starts_with("``````text\n"));
        assert_eq!(md_cell("a | b\n<br>\\|"), "a \\| b<br>&lt;br>\\\\\\|");
        assert_eq!(
            md_inline("_oauth2_proxy *x* a_b"),
            "\\_oauth2_proxy \\*x\\* a_b"
        );
        assert_eq!(md_code("a`b"), "a\\`b");
        assert_eq!(md_code("a|b"), "a\\|b");
        assert_eq!(md_inline("1. a"), "1\\. a");
        assert_eq!(md_inline("3.1 a"), "3.1 a");
        assert_eq!(
            md_prose("See `a_b|<c>` and <d>:\n    <e>\n\n    <f>\n\n    <g>\n<h>\n`` ` ``\n# i"),
            "See `a_b|<c>` and &lt;d>:\n&lt;e>\n\n    <f>\n\n    <g>\n&lt;h>\n\\`\\` \\` \\`\\`\n\\# i"
        );
    }
}
