//! Text that is safe to show: control characters escaped, lines of the right width, nothing
//! that markdown would take for its own.

use std::fmt::Write;

use tabled::grid::util::string::{get_char_width, get_string_width};

/// `text` in one line, its control characters shown and not passed on.
pub fn line(text: &str) -> String {
    escape(text.trim(), |c| c == '\n').replace('\n', " ")
}

/// `text` in its lines, its other control characters shown and not passed on.
pub fn lines(text: &str) -> String {
    escape(&text.replace("\r\n", "\n"), |c| c == '\n')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => clean.push_str("    "),
            c if keep(c) => clean.push(c),
            '\u{1b}' => clean.push_str("\\e"),
            c if c.is_control() || is_invisible(c) => {
                // A String takes everything.
                let _ = write!(clean, "\\u{{{:x}}}", u32::from(c));
            }
            c => clean.push(c),
        }
    }
    clean
}

/// What turns the direction of a text or hides in it: a log line could look like another. And what
/// is no character, which XML cannot hold.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffe}'..='\u{ffff}')
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
    let text = line(text);
    let chars: Vec<char> = text.chars().collect();
    let is_word = |at: Option<usize>| {
        at.and_then(|at| chars.get(at))
            .is_some_and(|c| c.is_alphanumeric())
    };
    let mut safe = String::with_capacity(text.len());
    for (at, c) in chars.iter().enumerate() {
        let within_word = is_word(at.checked_sub(1)) && is_word(Some(at + 1));
        match c {
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | '|' | '~' => safe.extend(['\\', *c]),
            '_' if !within_word => safe.push_str("\\_"),
            // At the beginning these would make a heading, a list or a quotation.
            '#' | '-' | '+' | '>' if at == 0 => safe.extend(['\\', *c]),
            c => safe.push(*c),
        }
    }
    safe
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

/// `text` as inline code that nothing in it can end.
pub fn md_code(text: &str) -> String {
    let clean = line(text);
    if clean.contains('`') {
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
    }
}
