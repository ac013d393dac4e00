//! Enough of a shell's grammar to tell the commands of a block apart, and their words.

/// The words of every command of a script: what stands between newlines, `;`, `&&`, `||`, `|` and
/// brackets of a substitution, without redirections, assignments before it, and comments.
pub fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    for token in tokens(&without_documents(script)) {
        match token {
            Token::Word(word) => commands.last_mut().expect("one is there").push(word),
            Token::End => commands.push(Vec::new()),
        }
    }
    commands
        .into_iter()
        .map(plain)
        .filter(|command: &Vec<String>| !command.is_empty())
        .collect()
}

/// Without what stands between `<<'END'` and `END`.
fn without_documents(script: &str) -> String {
    let mut kept = String::new();
    let mut end: Option<String> = None;
    for line in script.lines() {
        match &end {
            Some(word) if line == word => end = None,
            Some(_) => {}
            None => {
                kept.push_str(line);
                kept.push('\n');
                let document = line.split_once("<<");
                end = document.map(|(_, word)| word.trim_matches('\'').to_owned());
            }
        }
    }
    kept
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    End,
}

fn tokens(script: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = script.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(end), _) if letter == end => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(letter),
            (_, '\\') => match letters.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => {
                while letters.next_if(|next| *next != '\n').is_some() {}
            }
            (None, '\n' | ';' | '|' | '&' | '(' | ')') => {
                // `2>&1` is one redirection.
                if letter == '&' && word.as_deref().is_some_and(|it| it.ends_with('>')) {
                    word.get_or_insert_default().push(letter);
                    continue;
                }
                tokens.extend(word.take().map(Token::Word));
                tokens.push(Token::End);
            }
            (None, _) if letter.is_whitespace() => tokens.extend(word.take().map(Token::Word)),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    tokens.extend(word.map(Token::Word));
    tokens
}

/// Without `NAME=VALUE` before it, a shell's own words, and redirections.
fn plain(words: Vec<String>) -> Vec<String> {
    let before = |word: &String| {
        ["!", "if", "then", "do", "while", "else", "fi", "done"].contains(&word.as_str())
            || word.split_once('=').is_some_and(|(name, _)| {
                name.chars().all(|it| it.is_ascii_uppercase() || it == '_')
            })
    };
    let mut kept = Vec::new();
    let mut words = words.into_iter().skip_while(before);
    while let Some(word) = words.next() {
        let redirection = word.trim_start_matches(|it: char| it.is_ascii_digit());
        match redirection.strip_prefix(['>', '<']) {
            Some(rest) if rest.trim_start_matches(['>', '<', '&']).is_empty() => {
                words.next();
            }
            Some(_) => {}
            None => kept.push(word),
        }
    }
    kept
}

#[test]
fn commands_are_told_apart_as_a_shell_does() {
    let said = |script: &str| -> Vec<String> {
        let commands = commands(script);
        commands.iter().map(|words| words.join("|")).collect()
    };
    assert_eq!(said("verify --item 1.1  # one"), ["verify|--item|1.1"]);
    assert_eq!(
        said("a 'b c' \"d e\"; f && g | h"),
        ["a|b c|d e", "f", "g", "h"]
    );
    assert_eq!(said("a \\\n  b >file 2>&1 <in"), ["a|b"]);
    assert_eq!(said("NO_COLOR=1 a > b c"), ["a|c"]);
    assert_eq!(said("if a; then b; fi"), ["a", "b"]);
    assert_eq!(said("x=$(a b)"), ["x=$", "a|b"]);
    assert_eq!(said("cat >a <<'END'\nb c\nEND\nd"), ["cat", "d"]);
}
