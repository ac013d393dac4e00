//! What a person reads, taken apart by a Markdown parser.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::support::root;

/// The folder of the book's pages.
pub const BOOK: &str = "docs/src";

/// A page.
pub struct Page {
    /// Its file, from the project's root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// A block of code.
pub struct Block {
    /// The page's file and the line where it begins.
    pub place: String,
    /// What stands behind the fence: the language, then what is said of its commands.
    pub info: String,
    /// Whether it has a fence at all.
    pub fenced: bool,
    /// What is in it.
    pub text: String,
}

impl Block {
    /// Its language.
    pub fn language(&self) -> &str {
        self.info.split(' ').next().unwrap_or_default()
    }
}

/// README, the book, and the README of every example.
pub fn all() -> Vec<Page> {
    let mut files = vec![PathBuf::from("README.md")];
    files.extend(markdown(Path::new(BOOK)));
    files.extend(markdown(Path::new("examples")));
    files
        .into_iter()
        .map(|path| Page {
            text: fs::read_to_string(root().join(&path)).expect("a page"),
            path,
        })
        .collect()
}

/// Every Markdown file under a folder of the project, in order.
pub fn markdown(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder of the project") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

impl Page {
    fn events(&self) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter()
    }

    fn place(&self, at: usize) -> String {
        let line = self.text[..at].matches('\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }

    /// Its blocks of code, in order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut within = false;
        for (event, range) in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    within = true;
                    let (info, fenced) = match kind {
                        CodeBlockKind::Fenced(info) => (info.to_string(), true),
                        CodeBlockKind::Indented => (String::new(), false),
                    };
                    blocks.push(Block {
                        place: self.place(range.start),
                        info,
                        fenced,
                        text: String::new(),
                    });
                }
                Event::Text(text) if within => {
                    let block = blocks.last_mut().expect("a block has begun");
                    block.text.push_str(&text);
                }
                Event::End(TagEnd::CodeBlock) => within = false,
                _ => {}
            }
        }
        blocks
    }

    /// Where its links and pictures lead, each with its place.
    pub fn links(&self) -> Vec<(String, String)> {
        self.events()
            .filter_map(|(event, range)| match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    Some((self.place(range.start), dest_url.to_string()))
                }
                _ => None,
            })
            .collect()
    }

    /// What stands in it as code within a line, each with its place.
    pub fn code(&self) -> Vec<(String, String)> {
        self.events()
            .filter_map(|(event, range)| match event {
                Event::Code(text) => Some((self.place(range.start), text.to_string())),
                _ => None,
            })
            .collect()
    }

    /// The anchors of its headings, as mdBook and code hosts make them.
    pub fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        let mut heading: Option<String> = None;
        for (event, _) in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::End(TagEnd::Heading(_)) => {
                    anchors.extend(heading.take().map(|text| anchor(&text)));
                }
                _ => {}
            }
        }
        anchors
    }
}

/// The anchor of a heading.
pub fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => letter.is_alphanumeric().then_some(letter),
    });
    kept.collect()
}
