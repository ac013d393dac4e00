//! A configuration as a tree of directives, its includes in their places.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    rc::Rc,
};

use nginx_lint_parser::{
    ast::{ConfigItem, Directive},
    parse_string_with_errors,
};

use super::lua_blocks;
use crate::input;

/// How deep includes may lie; nginx stops somewhere, too.
const DEPTH: usize = 16;

/// How many braces may be open at once; a configuration needs five or six.
const NESTING: usize = 200;

/// Files that come with nginx, and say nothing that a rule asks for.
const SHIPPED: &[&str] = &[
    "mime.types",
    "fastcgi.conf",
    "fastcgi_params",
    "uwsgi_params",
    "scgi_params",
    "koi-utf",
    "koi-win",
    "win-utf",
];

/// Where the configuration lies on the gateway: what is included from there stands beside it.
const DEPLOYED: &str = "/usr/local/openresty/nginx/conf";

/// A place in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct At {
    /// As given.
    pub file: Rc<Path>,
    /// The line, from 1.
    pub line: u64,
}

impl At {
    /// FILE:LINE, the file by its name alone.
    pub fn short(&self) -> String {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        format!("{}:{}", name.to_string_lossy(), self.line)
    }
}

/// Lua that stands in the configuration.
#[derive(Clone, Debug)]
pub struct LuaText {
    pub code: String,
    /// Where its first line stands.
    pub at: At,
}

/// A directive.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its number among all of them.
    pub id: usize,
    pub name: String,
    /// What follows it, unquoted as nginx does.
    pub args: Vec<String>,
    pub at: At,
    /// What stands in its block.
    pub children: Vec<Node>,
    pub lua: Option<LuaText>,
}

impl Node {
    /// The argument at `place`, from 0; nothing where there is none.
    pub fn arg(&self, place: usize) -> &str {
        self.args.get(place).map_or("", String::as_str)
    }

    /// The children of this name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |node| node.name == name)
    }

    /// This node and everything below it.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Node)) {
        visit(self);
        for child in &self.children {
            child.walk(visit);
        }
    }
}

/// A configuration as far as it could be read.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Its directives, below one that has no name.
    pub root: Node,
    /// What the parser did not understand, and what could not be read.
    pub unread: Vec<(At, String)>,
    /// Files that are included and are not there.
    pub missing: Vec<(At, String)>,
    /// Whether everything that it says is in the tree.
    pub complete: bool,
}

/// Reads a configuration with its includes, which are relative to its folder.
pub fn read(path: &Path) -> Tree {
    let file: Rc<Path> = path.into();
    let at = At {
        file: Rc::clone(&file),
        line: 1,
    };
    let mut reader = Reader {
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        unread: Vec::new(),
        missing: Vec::new(),
        complete: true,
        open: BTreeSet::new(),
        count: 0,
    };
    let children = reader.file(&file, &at);
    Tree {
        root: Node {
            id: 0,
            name: String::new(),
            args: Vec::new(),
            at,
            children,
            lua: None,
        },
        unread: reader.unread,
        missing: reader.missing,
        complete: reader.complete,
    }
}

/// The line, from 1, where more braces are open than the parser, which is recursive, is trusted with.
fn too_deep(text: &str) -> Option<u64> {
    let (mut open, mut line) = (0_usize, 1);
    for byte in text.bytes() {
        match byte {
            b'{' => open += 1,
            b'}' => open = open.saturating_sub(1),
            b'\n' => line += 1,
            _ => {}
        }
        if open > NESTING {
            return Some(line);
        }
    }
    None
}

struct Reader {
    folder: PathBuf,
    unread: Vec<(At, String)>,
    missing: Vec<(At, String)>,
    complete: bool,
    /// The files being read: an include that leads to itself ends.
    open: BTreeSet<PathBuf>,
    /// How many directives there are so far.
    count: usize,
}

impl Reader {
    /// A file's directives; `from` is where it is included.
    fn file(&mut self, file: &Rc<Path>, from: &At) -> Vec<Node> {
        if self.open.len() >= DEPTH || !self.open.insert(file.to_path_buf()) {
            self.trouble(from.clone(), "includes that lead in a circle".to_owned());
            return Vec::new();
        }
        let nodes = match input::text(file, input::GATEWAY_LIMIT) {
            Ok(source) => self.source(file, &source),
            Err(error) => {
                self.trouble(from.clone(), format!("{}: {error}", file.display()));
                Vec::new()
            }
        };
        self.open.remove(&**file);
        nodes
    }

    fn trouble(&mut self, at: At, text: String) {
        self.complete = false;
        self.unread.push((at, text));
    }

    fn source(&mut self, file: &Rc<Path>, source: &str) -> Vec<Node> {
        let blanked = lua_blocks::blank(source);
        let text = blanked.as_deref().unwrap_or(source);
        if let Some(line) = too_deep(text) {
            let at = At {
                file: Rc::clone(file),
                line,
            };
            self.trouble(at, format!("more than {NESTING} braces are open"));
            return Vec::new();
        }
        let (config, errors) = parse_string_with_errors(text);
        if let Some(error) = errors.first() {
            let before = source.get(..error.offset).unwrap_or(source);
            let at = At {
                file: Rc::clone(file),
                line: before.matches('\n').count() as u64 + 1,
            };
            self.trouble(at, error.message.clone());
        }
        self.items(file, source, &config.items)
    }

    fn items(&mut self, file: &Rc<Path>, source: &str, items: &[ConfigItem]) -> Vec<Node> {
        let mut nodes = Vec::new();
        for item in items {
            let ConfigItem::Directive(directive) = item else {
                continue;
            };
            let node = self.node(file, source, directive);
            if node.name == "include" {
                nodes.extend(self.include(&node));
            }
            nodes.push(node);
        }
        nodes
    }

    fn node(&mut self, file: &Rc<Path>, source: &str, directive: &Directive) -> Node {
        let at = |line: usize| At {
            file: Rc::clone(file),
            line: line as u64,
        };
        let mut lua = None;
        let mut children = Vec::new();
        if let Some(block) = &directive.block {
            if directive.name.ends_with("_by_lua_block") {
                let span = block.span.start.offset + 1..block.span.end.offset.saturating_sub(1);
                lua = source.get(span).map(|code| LuaText {
                    code: code.to_owned(),
                    at: at(block.span.start.line),
                });
            } else {
                children = self.items(file, source, &block.items);
            }
        }
        let args: Vec<String> = (directive.args.iter())
            .map(|arg| unquoted(&arg.raw))
            .collect();
        if directive.name.ends_with("_by_lua") {
            // `set_by_lua $result CODE ARGUMENTS…`: the code comes second there.
            let place = usize::from(directive.name == "set_by_lua");
            lua = (directive.args.get(place).zip(args.get(place))).map(|(arg, code)| LuaText {
                code: code.clone(),
                at: at(arg.span.start.line),
            });
        }
        self.count += 1;
        Node {
            id: self.count,
            name: directive.name.clone(),
            args,
            at: at(directive.span.start.line),
            children,
            lua,
        }
    }

    /// What an include brings. Patterns that fit nothing are fine, says nginx; but they may
    /// fit something where the configuration is deployed.
    fn include(&mut self, node: &Node) -> Vec<Node> {
        let named = node.arg(0);
        let shipped = Path::new(named).file_name().and_then(|name| name.to_str());
        let relative = Path::new(named);
        let relative = relative.strip_prefix(DEPLOYED).unwrap_or(relative);
        let path = self.folder.join(relative);
        if relative.is_absolute() {
            // The gateway's file, not one of this machine.
            self.complete &= shipped.is_some_and(|name| SHIPPED.contains(&name));
            return Vec::new();
        }
        if path.is_file() {
            return self.file(&path.into(), &node.at);
        }
        if shipped.is_some_and(|name| SHIPPED.contains(&name)) {
            return Vec::new();
        }
        self.complete = false;
        if named.contains(['*', '?', '[']) {
            let files = fits(&path);
            return (files.into_iter())
                .flat_map(|path| self.file(&path.into(), &node.at))
                .collect();
        }
        self.missing.push((node.at.clone(), named.to_owned()));
        Vec::new()
    }
}

/// The files that a pattern fits whose last part alone has wildcards, in their order.
fn fits(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().and_then(|name| name.to_str());
    let (Some(folder), Some(name)) = (pattern.parent(), name) else {
        return Vec::new();
    };
    let Some((start, end)) = name.split_once('*') else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = (folder.read_dir().into_iter().flatten())
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| {
                name.len() >= start.len() + end.len()
                    && name.starts_with(start)
                    && name.ends_with(end)
            })
        })
        .collect();
    files.sort();
    files
}

/// A word as nginx takes it: without its quotes, `\"`, `\'`, `\\`, `\t`, `\r` and `\n` for
/// what they stand for, and any other backslash kept.
fn unquoted(raw: &str) -> String {
    let quote = raw.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = quote
        .and_then(|quote| raw.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(raw);
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        let stands_for = match (c, chars.peek()) {
            ('\\', Some('"')) => '"',
            ('\\', Some('\'')) => '\'',
            ('\\', Some('\\')) => '\\',
            ('\\', Some('t')) => '\t',
            ('\\', Some('r')) => '\r',
            ('\\', Some('n')) => '\n',
            _ => {
                text.push(c);
                continue;
            }
        };
        chars.next();
        text.push(stands_for);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn includes_stand_in_their_place_with_their_own_lines() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "nginx.conf",
            "http {\n  include mime.types;\n  include sites-*.conf;\n  include gone.conf;\n}",
        );
        write(
            "sites-a.conf",
            "server {\n  listen 80;\n  access_by_lua_block {\n -- it's\n }\n}",
        );
        let tree = read(&folder.path().join("nginx.conf"));
        let mut seen = Vec::new();
        tree.root
            .walk(&mut |node| seen.push((node.name.as_str(), node.at.short())));
        assert!(seen.contains(&("listen", "sites-a.conf:2".to_owned())));
        let mut lua = Vec::new();
        tree.root.walk(&mut |node| lua.extend(&node.lua));
        assert_eq!(lua[0].code, "\n -- it's\n ");
        assert_eq!(lua[0].at.short(), "sites-a.conf:3");
        assert_eq!(tree.missing.len(), 1);
        assert_eq!(tree.missing[0].0.short(), "nginx.conf:4");
        assert!(!tree.complete && tree.unread.is_empty());
    }

    #[test]
    fn words_are_unquoted_as_nginx_does_it() {
        assert_eq!(unquoted(r#""a\"b\n\.c""#), "a\"b\n\\.c");
        assert_eq!(unquoted(r"^/\.php$"), r"^/\.php$");
    }

    #[test]
    fn the_line_is_told_where_too_many_braces_are_open() {
        assert_eq!(too_deep(&"a { b; }\n".repeat(2 * NESTING)), None);
        assert_eq!(too_deep(&"a {\n".repeat(NESTING)), None);
        assert_eq!(
            too_deep(&"a {\n".repeat(2 * NESTING)),
            Some(NESTING as u64 + 1)
        );
    }
}
