//! How nginx is started in the sandbox without changing a byte of the configuration.

use std::{collections::BTreeSet, path::Path};

use super::layout;
use crate::stack::programs::{NGINX_MODULES, Programs};

/// The arguments for running `config` (a text) deployed at `path`: what a container image
/// would set, as `-g` directives, less what the configuration says itself: nginx refuses a
/// directive given twice.
pub fn args(programs: &Programs, config: &str, path: &Path) -> Vec<String> {
    let given = main_directives(config);
    let has = |name: &str| given.iter().any(|directive| directive == name);
    let mut directives = String::new();
    if !programs.openresty {
        for module in NGINX_MODULES {
            directives.push_str(&format!("load_module {module}; "));
        }
    }
    if !has("daemon") {
        directives.push_str("daemon off; ");
    }
    if !has("user") {
        directives.push_str("user root; ");
    }
    vec![
        "-p".to_owned(),
        format!("{}/nginx/", layout::PREFIX),
        "-c".to_owned(),
        path.display().to_string(),
        "-g".to_owned(),
        directives,
    ]
}

/// The users and groups that a configuration names.
pub fn users(config: &str) -> BTreeSet<String> {
    config
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("user")?.split_once(';'))
        .filter(|(names, _)| names.starts_with(char::is_whitespace))
        .flat_map(|(names, _)| names.split_whitespace())
        .filter(|name| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            name.len() <= 32 && name.chars().all(plain)
        })
        .map(str::to_owned)
        .collect()
}

/// The names of the directives outside every block. Comments, quotes and Lua blocks (whose
/// braces nginx's own lexer counts like ours) are passed over.
fn main_directives(config: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut word = String::new();
    let mut at_start = true;
    let mut characters = config.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '#' if word.is_empty() || depth > 0 => {
                while characters.peek().is_some_and(|next| *next != '\n') {
                    characters.next();
                }
            }
            '"' | '\'' => {
                while let Some(next) = characters.next() {
                    match next {
                        '\\' => drop(characters.next()),
                        end if end == character => break,
                        _ => {}
                    }
                }
            }
            '{' | '}' | ';' => {
                if depth == 0 && at_start && !word.is_empty() {
                    names.push(word.clone());
                }
                word.clear();
                at_start = true;
                match character {
                    '{' => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            space if space.is_whitespace() => {
                if depth == 0 && at_start && !word.is_empty() {
                    names.push(std::mem::take(&mut word));
                    at_start = false;
                }
                word.clear();
            }
            other => word.push(other),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_those_of_the_directive() {
        let config = "user  web staff; # as there\nhttp { userid on; }\n user_name x;\n";
        let names: Vec<String> = users(config).into_iter().collect();
        assert_eq!(names, ["staff", "web"]);
    }

    #[test]
    fn only_directives_of_the_main_context_are_seen() {
        let config = "# user x;\nuser  nobody;\nworker_processes 2;\nevents { daemon 1; }\n\
                      http { init_by_lua_block { local t = { pid = '}' } -- it's a comment\n }\n }\npid /run/x.pid;";
        // An apostrophe in a Lua comment opens a string for this lexer, as it may for nginx's.
        let names = main_directives(&config.replace("it's", "its"));
        assert_eq!(names, ["user", "worker_processes", "events", "http", "pid"]);
    }
}
