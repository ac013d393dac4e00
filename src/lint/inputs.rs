//! What a linter looks at, read from its files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    config::{self, At, Node, Tree},
    lua::{Chunk, Modules},
};
use crate::{input, plan::Problem, profile::Profile};

/// Where the Lua modules are deployed.
const LUA: &str = "/usr/local/openresty/lualib/custom";

/// How deep folders of modules may lie.
const DEPTH: usize = 8;

/// The files to read.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    pub candidate: &'a Path,
    /// Its Lua modules; `None` where they are not known.
    pub lua: Option<&'a Path>,
    /// Its pages; `None` where they are not known.
    pub html: Option<&'a Path>,
    /// Further `resty.*` modules.
    pub lualib: Option<&'a Path>,
    pub profile: &'a Path,
}

/// Everything that the rules look at.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub(super) config: Tree,
    /// The Lua that stands in the configuration or that it names, by its directive's number.
    pub(super) chunks: BTreeMap<usize, Chunk>,
    /// Directives whose Lua is in a file that was not given.
    pub(super) unknown_lua: Vec<(At, Option<String>)>,
    pub(super) modules: Modules,
    pub(super) profile: Profile,
    /// The profile's file, and the lines of its contexts.
    pub(super) contexts: (Rc<Path>, BTreeMap<String, u64>),
    /// The page of the administration, where it should be there and is not.
    pub(super) page: Option<PathBuf>,
    /// What is wrong with the plan.
    pub(super) plan: Vec<Problem>,
}

impl Inputs {
    /// Reads everything. What cannot be read is not in it, and a rule may say so.
    #[must_use]
    pub fn read(files: &Files<'_>, profile: &Profile, plan: Vec<Problem>) -> Self {
        let config = config::read(files.candidate);
        let mut modules = Modules {
            unknown: files.lua.is_none(),
            ..Modules::default()
        };
        for (name, path) in files.lua.map(lua_files).unwrap_or_default() {
            if let Some(chunk) = chunk_of(&path) {
                modules.own.insert(name, chunk);
            }
        }
        let further = files.lualib.map(lua_files).unwrap_or_default();
        modules.further = further.into_iter().map(|(name, _)| name).collect();
        let mut inputs = Self {
            chunks: BTreeMap::new(),
            unknown_lua: Vec::new(),
            modules,
            page: page(files, profile),
            profile: profile.clone(),
            contexts: (files.profile.into(), context_lines(files.profile)),
            plan,
            config,
        };
        let mut nodes = Vec::new();
        inputs
            .config
            .root
            .walk(&mut |node| nodes.push(node.clone()));
        for node in nodes {
            inputs.lua_of(&node, files.lua);
        }
        inputs
    }

    fn lua_of(&mut self, node: &Node, lua: Option<&Path>) {
        if let Some(text) = &node.lua {
            let chunk = Chunk::read(&text.code, &text.at);
            self.chunks.insert(node.id, chunk);
        } else if node.name.ends_with("_by_lua_file") {
            let place = usize::from(node.name == "set_by_lua_file");
            // Only what lies among the Lua modules was given.
            let inner = Path::new(node.arg(place)).strip_prefix(LUA).ok();
            let inner = inner.filter(|inner| !inner.to_string_lossy().contains('$'));
            match inner.and_then(|inner| Some(lua?.join(inner))) {
                Some(path) => match chunk_of(&path) {
                    Some(chunk) => {
                        self.chunks.insert(node.id, chunk);
                    }
                    None => {
                        let missing = Some(path.display().to_string());
                        self.unknown_lua.push((node.at.clone(), missing));
                    }
                },
                None => self.unknown_lua.push((node.at.clone(), None)),
            }
        }
    }

    /// The Lua of a directive; `None` where it is in a file that was not given.
    pub(super) fn chunk(&self, node: &Node) -> Option<&Chunk> {
        self.chunks.get(&node.id)
    }
}

/// The page that item 2.2 is told by, where it is not there.
fn page(files: &Files<'_>, profile: &Profile) -> Option<PathBuf> {
    let page = files.html?.join(&profile.admin_page.file);
    (profile.admin_page.marker.is_none() && !page.is_file()).then_some(page)
}

fn chunk_of(path: &Path) -> Option<Chunk> {
    let code =
        String::from_utf8_lossy(&input::bytes(path, input::GATEWAY_LIMIT).ok()?).into_owned();
    let at = At {
        file: path.into(),
        line: 1,
    };
    Some(Chunk::read(&code, &at))
}

/// The modules below a folder, by the names that they are required with.
fn lua_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = open.pop() {
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            let path = entry.path();
            let (Some(stem), true) = (
                path.file_stem().and_then(|name| name.to_str()),
                depth < DEPTH,
            ) else {
                continue;
            };
            if path.is_dir() {
                open.push((path.clone(), format!("{prefix}{stem}."), depth + 1));
            } else if path.extension().is_some_and(|ending| ending == "lua") {
                let name = match (stem, prefix.strip_suffix('.')) {
                    ("init", Some(folder)) => folder.to_owned(),
                    _ => format!("{prefix}{stem}"),
                };
                found.push((name, path));
            }
        }
    }
    found.sort();
    found
}

#[derive(Deserialize)]
struct ContextLines {
    contexts: BTreeMap<String, ContextLine>,
}

#[derive(Deserialize)]
struct ContextLine {
    path: Spanned<String>,
}

/// Where the profile names each context; none where the file is no profile, which whoever
/// loads it says.
fn context_lines(profile: &Path) -> BTreeMap<String, u64> {
    let read = |path: &Path| -> Option<ContextLines> {
        serde_saphyr::from_str(&input::text(path, input::TEXT_LIMIT).ok()?).ok()
    };
    let contexts = read(profile)
        .map(|lines| lines.contexts)
        .unwrap_or_default();
    (contexts.into_iter())
        .map(|(name, context)| (name, context.path.referenced.line()))
        .collect()
}
