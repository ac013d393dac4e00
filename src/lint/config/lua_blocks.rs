//! Where the Lua blocks of a configuration begin and end.
//!
//! lua-nginx-module reads `*_by_lua_block { … }` with a lexer of its own: a brace in a Lua
//! string or comment closes nothing, and an apostrophe in a comment opens no string. The
//! configuration's parser does not know Lua's long brackets and comments, so it is given the
//! text with every such block blanked out, line by line and byte by byte in its place.

/// Blanks out whatever stands between the braces of Lua blocks. Lines and offsets stay as
/// they are. `None` where a block has no end: the text as it is tells more then.
pub fn blank(source: &str) -> Option<String> {
    let bytes = source.as_bytes();
    let mut blanked = bytes.to_vec();
    let mut at = 0;
    let mut words: Vec<&[u8]> = Vec::new();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'#' => at = line_end(bytes, at),
            b'"' | b'\'' => {
                at = quoted_end(bytes, at);
                words.push(b"");
            }
            b'{' => {
                let name = words.first().copied().unwrap_or_default();
                words.clear();
                at += 1;
                if name.ends_with(b"_by_lua_block") {
                    let end = block_end(bytes, at)?;
                    for byte in blanked.get_mut(at..end)? {
                        if *byte != b'\n' {
                            *byte = b' ';
                        }
                    }
                    at = end + 1;
                }
            }
            b'}' | b';' => {
                words.clear();
                at += 1;
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => {
                let end = word_end(bytes, at);
                words.push(bytes.get(at..end)?);
                at = end;
            }
        }
    }
    String::from_utf8(blanked).ok()
}

/// An unquoted word ends at a blank, at `;`, and at a `{` that does not follow a `$`.
fn word_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'$' if bytes.get(at + 1) == Some(&b'{') => at += 2,
            b';' => break,
            b'{' => break,
            byte if byte.is_ascii_whitespace() => break,
            _ => at += 1,
        }
    }
    at.clamp(from + 1, bytes.len())
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let length = rest.iter().position(|byte| *byte == b'\n');
    length.map_or(bytes.len(), |length| from + length)
}

/// Behind the closing quote; both nginx and Lua escape with a backslash.
fn quoted_end(bytes: &[u8], from: usize) -> usize {
    let quote = bytes.get(from);
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if Some(byte) == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Where the brace stands that closes the block that begins at `from`.
fn block_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    let mut depth = 0_usize;
    loop {
        match bytes.get(at)? {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            b'"' | b'\'' => {
                at = quoted_end(bytes, at);
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = match bracket(bytes, at + 2) {
                    Some(level) => bracket_end(bytes, at + 2, level)?,
                    None => line_end(bytes, at),
                };
                continue;
            }
            b'[' => {
                if let Some(level) = bracket(bytes, at) {
                    at = bracket_end(bytes, at, level)?;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The level of a long bracket `[==[` that opens here.
fn bracket(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?.strip_prefix(b"[")?;
    let level = rest.iter().take_while(|byte| **byte == b'=').count();
    (rest.get(level) == Some(&b'[')).then_some(level)
}

/// Behind the long bracket that closes one of this level.
fn bracket_end(bytes: &[u8], from: usize, level: usize) -> Option<usize> {
    let close = [b"]".as_slice(), &b"=".repeat(level), b"]"].concat();
    let rest = bytes.get(from + level + 2..)?;
    let length = rest.windows(close.len()).position(|found| found == close)?;
    Some(from + level + 2 + length + close.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_and_quotes_in_lua_close_and_open_nothing() {
        let lua = "-- it's } \n local a = '}' .. \"}\" --[[ } ' ]] .. [==[ } ]] ' ]==] f{ {} } ";
        let text = format!(
            "location ~ '^/a{{2}}' {{ access_by_lua_block {{{lua}}} return 200 '#{{'; }} # '\n"
        );
        let blanked = blank(&text).unwrap();
        assert_eq!(blanked.len(), text.len());
        assert_eq!(blanked.lines().count(), text.lines().count());
        let rest = blanked.split_once("access_by_lua_block {").unwrap().1;
        assert_eq!(
            rest.split_whitespace().collect::<Vec<_>>().join(" "),
            "} return 200 '#{'; } # '"
        );
    }

    #[test]
    fn a_variable_before_the_brace_and_a_comment_are_no_hindrance() {
        let text = "set_by_lua_block $x { return {} } # content_by_lua_block {\nlisten 80;";
        let blanked = blank(text).unwrap();
        assert!(blanked.contains("$x {           } # content_by_lua_block {\nlisten 80;"));
        assert_eq!(blank("content_by_lua_block { if"), None);
    }
}
