//! The tag expressions of Cucumber: `@item-3.4 or (@phase-2 and not @slow)`.

use std::fmt;

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TagExpr {
    /// A tag, without its `@`.
    Tag(String),
    Not(Box<TagExpr>),
    And(Box<TagExpr>, Box<TagExpr>),
    Or(Box<TagExpr>, Box<TagExpr>),
}

/// A text that is no tag expression; shows the text with a mark under the place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TagExprError {
    text: String,
    /// In characters, from 0.
    at: usize,
    expected: &'static str,
}

impl fmt::Display for TagExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = " ".repeat(self.at);
        write!(
            f,
            "not a tag expression, column {}: {}\n    {}\n    {mark}^",
            self.at + 1,
            self.expected,
            self.text
        )
    }
}

impl std::error::Error for TagExprError {}

impl TagExpr {
    /// Whether a scenario with these tags, without their `@`, is meant.
    #[must_use]
    pub fn holds(&self, tags: &[String]) -> bool {
        match self {
            Self::Tag(tag) => tags.contains(tag),
            Self::Not(inner) => !inner.holds(tags),
            Self::And(left, right) => left.holds(tags) && right.holds(tags),
            Self::Or(left, right) => left.holds(tags) || right.holds(tags),
        }
    }

    /// The tags that a scenario must have, without their `@`; those under a `not` are left
    /// out: that no scenario has one of them is no mistake.
    #[must_use]
    pub fn wanted(&self) -> Vec<&str> {
        self.tags_under(false)
    }

    fn tags_under(&self, negated: bool) -> Vec<&str> {
        match self {
            Self::Tag(_) if negated => Vec::new(),
            Self::Tag(tag) => vec![tag],
            Self::Not(inner) => inner.tags_under(!negated),
            Self::And(left, right) | Self::Or(left, right) => {
                [left.tags_under(negated), right.tags_under(negated)].concat()
            }
        }
    }
}

impl std::str::FromStr for TagExpr {
    type Err = TagExprError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parser = Parser {
            text,
            tokens: tokens(text),
            next: 0,
        };
        let expression = parser.or()?;
        match parser.peek() {
            None => Ok(expression),
            Some(Token::Close) => Err(parser.error("there is no `(` for this `)`")),
            Some(_) => Err(parser.error("`and` or `or` must stand between two tags")),
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Token {
    Open,
    Close,
    Word(String),
}

/// The tokens with the character that each starts at. A backslash takes the meaning from
/// the character after it.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut found = Vec::new();
    let mut word: Option<(usize, String)> = None;
    let mut characters = text.chars().enumerate();
    while let Some((at, character)) = characters.next() {
        let ends = matches!(character, '(' | ')') || character.is_whitespace();
        if ends {
            found.extend(word.take().map(|(at, word)| (at, Token::Word(word))));
            match character {
                '(' => found.push((at, Token::Open)),
                ')' => found.push((at, Token::Close)),
                _ => {}
            }
            continue;
        }
        let character = match character {
            '\\' => characters.next().map_or('\\', |(_, escaped)| escaped),
            plain => plain,
        };
        word.get_or_insert_with(|| (at, String::new()))
            .1
            .push(character);
    }
    found.extend(word.map(|(at, word)| (at, Token::Word(word))));
    found
}

/// Precedence as Cucumber has it: `not` before `and` before `or`.
struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.next += usize::from(is_it);
        is_it
    }

    fn error(&self, expected: &'static str) -> TagExprError {
        let end = self.text.chars().count();
        TagExprError {
            text: self.text.to_owned(),
            at: self.tokens.get(self.next).map_or(end, |(at, _)| *at),
            expected,
        }
    }

    fn or(&mut self) -> Result<TagExpr, TagExprError> {
        let mut left = self.and()?;
        while self.takes("or") {
            left = TagExpr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<TagExpr, TagExprError> {
        let mut left = self.not()?;
        while self.takes("and") {
            left = TagExpr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<TagExpr, TagExprError> {
        // Counted, not recursed into: a thousand `not` must not exhaust the stack.
        let mut negated = false;
        while self.takes("not") {
            negated = !negated;
        }
        let operand = self.operand()?;
        Ok(match negated {
            true => TagExpr::Not(Box::new(operand)),
            false => operand,
        })
    }

    fn operand(&mut self) -> Result<TagExpr, TagExprError> {
        const OPERAND: &str = "a tag like @item-3.4, `not` or `(` must stand here";
        if self.next > 500 {
            return Err(self.error("the expression is too long"));
        }
        match self.peek() {
            Some(Token::Open) => {
                self.next += 1;
                let inner = self.or()?;
                if self.peek() != Some(&Token::Close) {
                    return Err(self.error("a `)` is missing here"));
                }
                self.next += 1;
                Ok(inner)
            }
            Some(Token::Word(word)) => match word.strip_prefix('@') {
                Some(tag) if !tag.is_empty() => {
                    let tag = TagExpr::Tag(tag.to_owned());
                    self.next += 1;
                    Ok(tag)
                }
                _ if word == "and" || word == "or" => Err(self.error(OPERAND)),
                _ => Err(self.error("a tag starts with `@`, for example @item-3.4")),
            },
            _ => Err(self.error(OPERAND)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(expression: &str, tags: &[&str]) -> bool {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        expression.parse::<TagExpr>().unwrap().holds(&tags)
    }

    #[test]
    fn expressions_mean_what_cucumber_says() {
        assert!(holds("@a", &["a"]) && !holds("@a", &["b"]));
        assert!(holds("not @a", &["b"]) && !holds("not not not @a", &["a"]));
        assert!(holds("@a and not @b", &["a"]) && !holds("@a and not @b", &["a", "b"]));
        assert!(holds("@a or @b and @c", &["a"]), "and binds closer than or");
        assert!(!holds("(@a or @b) and @c", &["a"]));
        assert!(!holds("not (@a or @b)", &["b"]));
        assert!(holds("not @a or @a", &["a"]), "not binds closer than or");
        assert!(holds(r"@a\(b\)", &["a(b)"]));
        assert!(holds("@item-3.4 or (@phase-2 and not @slow)", &["phase-2"]));
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (text, column, says) in [
            ("", 1, "must stand here"),
            ("@a or", 6, "must stand here"),
            ("@a and or @b", 8, "must stand here"),
            ("(@a or @b", 10, "`)` is missing"),
            ("@a)", 3, "no `(`"),
            ("@a @b", 4, "between two tags"),
            ("@a or item-3.4", 7, "starts with `@`"),
            ("@", 1, "starts with `@`"),
            ("()", 2, "must stand here"),
        ] {
            let error = text.parse::<TagExpr>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
            assert!(
                error.contains(&format!("column {column}:")),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn depth_does_not_exhaust_the_stack() {
        let deep = "(".repeat(100_000);
        assert!(deep.parse::<TagExpr>().is_err());
        let long = "not ".repeat(100_000) + "@a";
        assert!(long.parse::<TagExpr>().is_err() || holds(&long, &["a"]));
    }
}
