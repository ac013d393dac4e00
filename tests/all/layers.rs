//! The files of src/ import one another in one direction: no circle of files, and no folder imports
//! one that stands above it. Files and modules under `cfg(test)` may import anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use regex::Regex;
use syn::{Attribute, Item, UseTree, Visibility, visit::Visit};

use super::support::root;

/// The folders of src/, each above all those that it may import.
const LAYERS: [&str; 28] = [
    "digest", "http1", "input", "trust", "yaml", "evidence", "plan", "model", "words", "profile",
    "run", "doubles", "probe", "ledger", "stack", "steps", "engine", "verdict", "gate", "rollback",
    "lint", "mutation", "report", "compare", "history", "explain", "schema", "cli",
];

#[derive(Default)]
struct File {
    /// What it defines, by name.
    defines: BTreeSet<String>,
    /// The names that it imports, and what each stands for. `*` is a name, too.
    imports: Vec<(String, Names)>,
    /// The names that it hands on.
    hands_on: Vec<(String, Names)>,
    /// Every path in it.
    paths: Vec<Names>,
}

type Names = Vec<String>;

/// What each file imports.
static GRAPH: LazyLock<BTreeMap<Names, BTreeSet<Names>>> =
    LazyLock::new(|| Tree::read(&root().join("src/lib.rs")).graph());

/// The files of the crate by their modules.
#[derive(Default)]
struct Tree(BTreeMap<Names, File>);

impl Tree {
    fn read(path: &Path) -> Self {
        let mut tree = Self::default();
        tree.add(path, Vec::new());
        tree
    }

    /// Adds a file, and the files of its modules.
    fn add(&mut self, path: &Path, module: Names) {
        let text = fs::read_to_string(path).expect("a file");
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let mut reader = Reader {
            file: File::default(),
            modules: Vec::new(),
            inline: 0,
        };
        reader.visit_file(&parsed);
        self.0.insert(module.clone(), reader.file);
        let named = path.file_stem().expect("a name").to_str().expect("UTF-8");
        let folder = path.parent().expect("a folder");
        let folder = match named {
            "lib" | "mod" => folder.to_owned(),
            _ => folder.join(named),
        };
        for name in reader.modules {
            let files = [format!("{name}.rs"), format!("{name}/mod.rs")];
            let mut files = files.iter().map(|file| folder.join(file));
            let file: PathBuf = files.find(|file| file.exists()).expect("its file");
            self.add(&file, joined(&module, [name]));
        }
    }

    /// The path from the crate's root that `path` in `module` is, where it is the crate's own.
    fn absolute(&self, module: &Names, path: &[String]) -> Option<Names> {
        let (first, rest) = path.split_first()?;
        let above = |levels: usize| module.get(..module.len().checked_sub(levels)?);
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some(joined(module, rest.to_vec())),
            "super" => {
                let levels = path.iter().take_while(|name| *name == "super").count();
                Some(joined(above(levels)?, path[levels..].to_vec()))
            }
            _ if self.0.contains_key(&joined(module, [first.clone()])) => {
                Some(joined(module, path.to_vec()))
            }
            _ => {
                let imports = &self.0[module].imports;
                let (_, names) = imports.iter().find(|(name, _)| name == first)?;
                // A name that stands for itself is another crate's.
                (names.first() != Some(first)).then_some(())?;
                Some(joined(&self.absolute(module, names)?, rest.to_vec()))
            }
        }
    }

    /// The module whose file defines what a path names.
    fn definer(&self, path: &[String], depth: usize) -> Names {
        let is_file = |length: &usize| self.0.contains_key(&path[..*length]);
        let length = (0..=path.len()).rev().find(is_file).unwrap_or(0);
        let module = path[..length].to_vec();
        let Some(name) = path.get(length) else {
            return module;
        };
        let file = &self.0[&module];
        if file.defines.contains(name) || depth > 8 {
            return module;
        }
        for (known, names) in &file.hands_on {
            let Some(target) = self.absolute(&module, names) else {
                continue;
            };
            if known == name {
                let rest = path[length + 1..].to_vec();
                return self.definer(&joined(&target, rest), depth + 1);
            }
            if known == "*" {
                let found = self.definer(&joined(&target, path[length..].to_vec()), depth + 1);
                if self.0[&found].defines.contains(name) {
                    return found;
                }
            }
        }
        module
    }

    fn graph(&self) -> BTreeMap<Names, BTreeSet<Names>> {
        let of = |(module, file): (&Names, &File)| {
            let paths = file.paths.iter();
            let found = paths.filter_map(|path| self.absolute(module, path));
            let mut found: BTreeSet<Names> = found.map(|path| self.definer(&path, 0)).collect();
            found.remove(module);
            (module.clone(), found)
        };
        self.0.iter().map(of).collect()
    }
}

fn joined(module: &[String], rest: impl IntoIterator<Item = String>) -> Names {
    module.iter().cloned().chain(rest).collect()
}

/// Reads one file.
struct Reader {
    file: File,
    /// The modules that are files of their own.
    modules: Names,
    /// How many modules within the file are open.
    inline: usize,
}

impl Reader {
    /// A path as it is at the top of the file.
    fn at_top(&self, mut path: Names) -> Names {
        for _ in 0..self.inline {
            if path.first().is_some_and(|name| name == "super") {
                path[0] = "self".to_owned();
                if path.get(1).is_some_and(|name| name == "super") {
                    path.remove(0);
                }
            }
        }
        path
    }

    /// Takes in what a `use` names.
    fn take(&mut self, before: &[String], tree: &UseTree, public: bool) {
        let mut found = |name: String, path: Names| {
            let path = self.at_top(path);
            self.file.paths.push(path.clone());
            let known = if public {
                &mut self.file.hands_on
            } else {
                &mut self.file.imports
            };
            known.push((name, path));
        };
        match tree {
            UseTree::Path(path) => {
                let before = joined(before, [path.ident.to_string()]);
                self.take(&before, &path.tree, public);
            }
            UseTree::Group(group) => {
                let trees = group.items.iter();
                trees.for_each(|tree| self.take(before, tree, public));
            }
            UseTree::Name(name) if name.ident == "self" => {
                found(before.last().cloned().unwrap_or_default(), before.to_vec());
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                found(name.clone(), joined(before, [name]));
            }
            UseTree::Rename(renamed) => {
                let name = renamed.ident.to_string();
                found(renamed.rename.to_string(), joined(before, [name]));
            }
            UseTree::Glob(_) => found("*".to_owned(), before.to_vec()),
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    let mut lists = attributes
        .iter()
        .filter_map(|one| one.meta.require_list().ok());
    lists.any(|list| list.path.is_ident("cfg") && list.tokens.to_string() == "test")
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let name = match item {
            Item::Const(item) => Some(&item.ident),
            Item::Enum(item) => Some(&item.ident),
            Item::Fn(item) => Some(&item.sig.ident),
            Item::Macro(item) => item.ident.as_ref(),
            Item::Static(item) => Some(&item.ident),
            Item::Struct(item) => Some(&item.ident),
            Item::Trait(item) => Some(&item.ident),
            Item::Type(item) => Some(&item.ident),
            Item::Mod(item) if is_test(&item.attrs) => return,
            Item::Mod(item) if item.content.is_none() => {
                return self.modules.push(item.ident.to_string());
            }
            Item::Use(item) => {
                let public = !matches!(item.vis, Visibility::Inherited);
                return self.take(&[], &item.tree, public && !is_test(&item.attrs));
            }
            Item::Mod(item) => {
                self.file.defines.insert(item.ident.to_string());
                self.inline += 1;
                syn::visit::visit_item_mod(self, item);
                self.inline -= 1;
                return;
            }
            _ => None,
        };
        self.file.defines.extend(name.map(ToString::to_string));
        syn::visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path
            .segments
            .iter()
            .map(|one| one.ident.to_string())
            .collect();
        if names.len() > 1 {
            let names = self.at_top(names);
            self.file.paths.push(names);
        }
        syn::visit::visit_path(self, path);
    }

    /// The arguments of a macro are any text.
    fn visit_macro(&mut self, made: &'ast syn::Macro) {
        let path = Regex::new(r"\b[a-z_]\w*(\s*::\s*\w+)+").expect("a pattern");
        let text = made.tokens.to_string();
        let paths = path.find_iter(&text).map(|found| {
            let names = found
                .as_str()
                .split("::")
                .map(|name| name.trim().to_owned());
            names.collect::<Names>()
        });
        self.file.paths.extend(paths);
        syn::visit::visit_macro(self, made);
    }
}

/// Every file with all those that can be reached from it.
fn reached(graph: &BTreeMap<Names, BTreeSet<Names>>, from: &Names) -> BTreeSet<Names> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Names> = graph[from].iter().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next.clone()) {
            open.extend(&graph[next]);
        }
    }
    reached
}

#[test]
fn no_files_import_one_another_in_a_circle() {
    let graph = &*GRAPH;
    assert!(graph.len() > 200, "only {} files were read", graph.len());
    let all: BTreeMap<&Names, BTreeSet<Names>> = graph
        .keys()
        .map(|file| (file, reached(graph, file)))
        .collect();
    let mut circles = BTreeSet::new();
    for (file, reached) in all
        .iter()
        .filter(|(file, reached)| reached.contains(**file))
    {
        let back = |other: &&Names| all[other].contains(*file);
        let circle: Vec<String> = reached
            .iter()
            .filter(back)
            .map(|file| file.join("::"))
            .collect();
        circles.insert(circle.join(" "));
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn no_folder_imports_one_above() {
    let layer = |folder: &String| {
        let place = LAYERS.iter().position(|layer| layer == folder);
        place.unwrap_or_else(|| panic!("LAYERS does not know {folder}"))
    };
    let mut upward = BTreeMap::<String, Vec<String>>::new();
    for (file, imported) in &*GRAPH {
        for other in imported {
            let (Some(own), Some(its)) = (file.first(), other.first()) else {
                continue;
            };
            if layer(its) > layer(own) {
                let edge = format!("{} imports {}", file.join("::"), other.join("::"));
                upward
                    .entry(format!("{own} -> {its}"))
                    .or_default()
                    .push(edge);
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}
