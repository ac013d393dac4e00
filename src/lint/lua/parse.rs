//! Lua's syntax, in LuaJIT's dialect.

use full_moon::{
    LuaVersion,
    ast::Ast,
    parse_fallible,
    tokenizer::{Lexer, LexerResult, Symbol, Token, TokenType},
};

use super::nesting::too_deep;

/// Reads a piece of Lua.
///
/// # Errors
/// What does not compile, each with its line, from 1.
pub fn parse(code: &str) -> Result<Ast, Vec<(usize, String)>> {
    // The lexer panics on a backtick, which Lua has no use for: outside a string or a comment it is as
    // wrong as a question mark.
    let code = &code.replace('`', "?");
    let version = LuaVersion::luajit();
    if let Some(line) = too_deep(code, version) {
        return Err(vec![(line, "chunk has too many syntax levels".to_owned())]);
    }
    let read = parse_fallible(code, version);
    if read.errors().is_empty() {
        return Ok(read.into_ast());
    }
    // Builds of LuaJIT differ in what they take from Lua 5.2, and the parser knows none of
    // it: only what is wrong in each of them is wrong.
    let again = plain(code, version).map(|code| parse_fallible(&code, version));
    if let Some(again) = again.filter(|again| again.errors().is_empty()) {
        return Ok(again.into_ast());
    }
    let mut faults: Vec<(usize, String)> = (read.errors().iter())
        .map(|error| (error.range().0.line(), error.error_message().into_owned()))
        .collect();
    faults.sort_by_key(|(line, _)| *line);
    Err(faults)
}

/// The same in words that every version of Lua takes, its lines where they were: a `break`
/// may stand before other statements, a number may be imaginary, a statement may be empty.
fn plain(code: &str, version: LuaVersion) -> Option<String> {
    let LexerResult::Ok(tokens) = Lexer::new(code, version).collect() else {
        return None;
    };
    let mut text = String::with_capacity(code.len() + 64);
    let mut last: Option<&Token> = None;
    for token in &tokens {
        let said = token.to_string();
        match token.token_type() {
            TokenType::Symbol {
                symbol: Symbol::Break,
            } => text.push_str("do break end"),
            TokenType::Symbol {
                symbol: Symbol::Semicolon,
            } if last.is_none_or(before_statement) => text.push(' '),
            TokenType::Identifier { .. }
                if said.eq_ignore_ascii_case("i") && last.is_some_and(is_number) =>
            {
                text.push(' ');
            }
            _ => text.push_str(&said),
        }
        if !token.token_type().is_trivia() {
            last = Some(token);
        }
    }
    Some(text)
}

/// Whether a statement begins behind this token: a semicolon there ends none.
fn before_statement(token: &Token) -> bool {
    [";", "::", "do", "then", "else", "repeat"].contains(&token.to_string().as_str())
}

fn is_number(token: &Token) -> bool {
    matches!(token.token_type(), TokenType::Number { .. })
}
