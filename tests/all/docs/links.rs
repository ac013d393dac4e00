//! SUMMARY and the pages agree, and whatever is linked to is there.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use super::pages::{self, BOOK, Page};
use crate::support::root;

/// `path` without `..` and `.`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// The file that a link of a page leads to, from the project's root, and the anchor in it.
fn target<'a>(page: &Page, link: &'a str) -> (PathBuf, Option<&'a str>) {
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (link, None),
    };
    if file.is_empty() {
        return (page.path.clone(), anchor);
    }
    let folder = page.path.parent().unwrap_or(Path::new(""));
    (plain(&folder.join(file)), anchor)
}

fn leads_outside(link: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| link.starts_with(scheme))
}

#[test]
fn the_summary_names_every_page_once_and_no_other() {
    let pages = pages::all();
    let summary = Path::new(BOOK).join("SUMMARY.md");
    let at = |page: &&Page| page.path == summary;
    let contents = pages.iter().find(at).expect("the book has a SUMMARY.md");
    let mut named: Vec<PathBuf> = contents
        .links()
        .iter()
        .map(|(_, link)| target(contents, link).0)
        .collect();
    let mut there = pages::markdown(Path::new(BOOK));
    there.retain(|path| *path != summary);
    named.sort();
    assert_eq!(named, there);
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let pages = pages::all();
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in &pages {
        for (place, link) in page.links() {
            if leads_outside(&link) {
                continue;
            }
            seen += 1;
            let (file, anchor) = target(page, &link);
            if !root().join(&file).exists() {
                broken.push(format!("{place}: {link}: no such file"));
                continue;
            }
            // The built book has the pages of its own folder and nothing else.
            if page.path.starts_with(BOOK) && !file.starts_with(BOOK) {
                broken.push(format!("{place}: {link}: leads out of the book"));
            }
            let Some(anchor) = anchor else { continue };
            let there = pages.iter().find(|page| page.path == file);
            let anchors = there.map(Page::anchors).unwrap_or_default();
            if !anchors.iter().any(|one| one == anchor) {
                broken.push(format!("{place}: {link}: no such heading"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(seen > pages.len(), "only {seen} links were looked at");
}

#[test]
fn every_picture_of_the_book_is_shown_and_is_small() {
    let pages = pages::all();
    let shown: BTreeSet<PathBuf> = pages
        .iter()
        .flat_map(|page| {
            page.links()
                .into_iter()
                .map(|(_, link)| target(page, &link).0)
        })
        .collect();
    let images = Path::new(BOOK).join("images");
    for entry in std::fs::read_dir(root().join(&images)).expect("the pictures") {
        let entry = entry.expect("a picture");
        let path = images.join(entry.file_name());
        assert!(shown.contains(&path), "{} is shown nowhere", path.display());
        let size = entry.metadata().expect("its size").len();
        assert!(size < 150_000, "{}: {size} bytes", path.display());
    }
}

/// Every file of the project that a page names within a line, by a path that begins in a folder
/// of the project.
#[test]
fn every_file_that_is_named_is_there() {
    const FOLDERS: [&str; 8] = [
        "docs/",
        "examples/",
        "features/",
        "fixtures/",
        "scripts/",
        "src/",
        "tests/",
        ".github/",
    ];
    let mut missing = Vec::new();
    let mut seen = 0;
    for page in pages::all() {
        for (place, code) in page.code() {
            let named = code.split([' ', '`']).next().unwrap_or_default();
            let pattern = named.contains(['*', '{', '<']) || code.contains("NAME");
            if FOLDERS.iter().any(|folder| named.starts_with(folder)) && !pattern {
                seen += 1;
                if !root().join(named).exists() {
                    missing.push(format!("{place}: {named}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(seen > 0, "no page names a file");
}

#[test]
fn the_architecture_names_every_folder_of_the_source() {
    let page = Path::new(BOOK).join("explanation/architecture.md");
    let text = std::fs::read_to_string(root().join(page)).expect("the page");
    for entry in std::fs::read_dir(root().join("src")).expect("the source") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name");
        if entry.path().is_dir() {
            assert!(text.contains(&format!("`{name}/`")), "no `{name}/`");
        }
    }
}
