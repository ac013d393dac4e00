//! How deep a piece of Lua nests. The parser is recursive, and a stack that overflows ends the program.

use full_moon::{
    LuaVersion,
    tokenizer::{Lexer, LexerResult, Symbol, Token, TokenType},
};

/// How many brackets, blocks and operators may wait for their end at once. LuaJIT itself takes 200
/// levels; the parser's stack lasts for thousands.
const LIMIT: usize = 1000;

/// The line, from 1, where the code nests deeper than the limit.
pub fn too_deep(code: &str, version: LuaVersion) -> Option<usize> {
    let (LexerResult::Ok(tokens) | LexerResult::Recovered(tokens, _)) =
        Lexer::new(code, version).collect()
    else {
        // The parser goes no further than the lexer.
        return None;
    };
    // The operators of the innermost bracket or block, and of each round it.
    let (mut operators, mut outer) = (0_usize, Vec::new());
    let mut waiting = 0;
    for token in &tokens {
        match weight(token) {
            Weight::Begins => {
                waiting = waiting + 1 - operators;
                operators = 0;
                outer.push(0);
            }
            Weight::Opens => {
                outer.push(std::mem::take(&mut operators));
                waiting += 1;
            }
            Weight::Closes => {
                if let Some(before) = outer.pop() {
                    waiting -= operators + 1;
                    operators = before;
                }
            }
            Weight::Operator => {
                operators += 1;
                waiting += 1;
            }
            Weight::Ends => waiting -= std::mem::take(&mut operators),
            Weight::None => {}
        }
        if waiting > LIMIT {
            return Some(token.start_position().line());
        }
    }
    None
}

enum Weight {
    /// A block, before which every expression is over.
    Begins,
    Opens,
    Closes,
    Operator,
    /// The expression before it is over.
    Ends,
    None,
}

fn weight(token: &Token) -> Weight {
    let TokenType::Symbol { symbol } = token.token_type() else {
        return Weight::None;
    };
    match symbol {
        Symbol::LeftParen | Symbol::LeftBrace | Symbol::LeftBracket | Symbol::Function => {
            Weight::Opens
        }
        Symbol::Do | Symbol::If | Symbol::Repeat => Weight::Begins,
        Symbol::RightParen
        | Symbol::RightBrace
        | Symbol::RightBracket
        | Symbol::End
        | Symbol::Until => Weight::Closes,
        Symbol::Comma
        | Symbol::Semicolon
        | Symbol::Equal
        | Symbol::Local
        | Symbol::Return
        | Symbol::Then
        | Symbol::Else
        | Symbol::ElseIf
        | Symbol::For
        | Symbol::While
        | Symbol::Break => Weight::Ends,
        Symbol::True | Symbol::False | Symbol::Nil | Symbol::Dot | Symbol::Colon => Weight::None,
        _ => Weight::Operator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deep(code: &str) -> Option<usize> {
        too_deep(code, LuaVersion::luajit())
    }

    #[test]
    fn brackets_blocks_and_operators_nest() {
        for part in [
            "(",
            "{",
            "if x then ",
            "f(function() ",
            "not ",
            "a .. ",
            "1 ^ ",
            "- ",
            "# ",
        ] {
            let code = format!("\nx = {}", part.repeat(2 * LIMIT));
            assert_eq!(deep(&code), Some(2), "{part}");
        }
    }

    #[test]
    fn a_backtick_is_a_fault_like_any_other() {
        let found = super::super::parse::parse("local a = 1\nx = `a`\n");
        assert!(found.is_err_and(|faults| faults.iter().any(|(line, _)| *line == 2)));
    }

    #[test]
    fn what_is_long_is_not_deep() {
        for part in [
            "x = (a .. b)\n",
            "f(a, not b)\n",
            "if a then b() elseif c then d() else e() end\n",
            "for i = 1, #t do x[i] = -y end\n",
            "repeat local a = 1 + 2 until a == 3\n",
            "while a do break end\n",
            "t = { a = 1, b = { 2 } }\n",
            "function m.f(a) return a and b or c end\n",
            "::here:: x = 1 goto here\n",
        ] {
            assert_eq!(deep(&part.repeat(2 * LIMIT)), None, "{part}");
        }
    }
}
