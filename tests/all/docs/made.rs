//! Parts of the pages that are made from the code. `UPDATE_DOCS=1 cargo test docs::made` writes
//! them anew; without it, a part that is older than the code fails the test.
//!
//! A part stands between `<!-- made: NAME -->` and `<!-- /made -->`.

use std::{env, fs};

use super::{pages, tables};
use crate::support::root;

const BEGIN: &str = "<!-- made: ";
const END: &str = "<!-- /made -->";

/// A page's text with every made part as the code has it now, and the names of the parts.
fn renewed(text: &str) -> (String, Vec<String>) {
    let mut fresh = String::new();
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((before, part)) = rest.split_once(BEGIN) {
        let (name, part) = part.split_once(" -->").expect("the name ends with ` -->`");
        let (_, after) = part.split_once(END).expect("a made part has an end");
        let made = tables::part(name);
        fresh.push_str(&format!(
            "{before}{BEGIN}{name} -->\n\n{}\n\n{END}",
            made.trim()
        ));
        names.push(name.to_owned());
        rest = after;
    }
    (fresh + rest, names)
}

#[test]
fn what_is_made_from_the_code_is_as_the_code_is() {
    let update = env::var_os("UPDATE_DOCS").is_some();
    let mut old = Vec::new();
    let mut made = Vec::new();
    for page in pages::all() {
        let (fresh, names) = renewed(&page.text);
        made.extend(names);
        if fresh == page.text {
            continue;
        }
        if update {
            fs::write(root().join(&page.path), fresh).expect("a page can be written");
        } else {
            old.push(page.path.display().to_string());
        }
    }
    assert!(
        old.is_empty(),
        "older than the code (UPDATE_DOCS=1 cargo test docs:: writes them): {}",
        old.join(", ")
    );
    for name in tables::PARTS {
        assert!(made.iter().any(|one| one == name), "no page has `{name}`");
    }
}

#[test]
fn a_part_that_is_older_is_noticed() {
    let text = format!("# A page\n\n{BEGIN}exit-codes -->\n\nsomething else\n\n{END}\nmore\n");
    let (fresh, names) = renewed(&text);
    assert_eq!(names, ["exit-codes"]);
    assert_ne!(fresh, text);
    assert!(fresh.starts_with("# A page\n") && fresh.ends_with("\nmore\n"));
    assert_eq!(renewed(&fresh).0, fresh);
}
