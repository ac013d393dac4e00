//! Which location nginx takes for a path.

use regex::RegexBuilder;

use super::place::Place;

/// What a path comes to.
#[derive(Clone, Debug)]
pub enum Match<'a> {
    Found(Place<'a>),
    /// None: nginx looks for a file of this name.
    Nothing,
    /// Something that cannot be followed here has a say in it.
    Unsure,
}

/// Directives of a server that send a request elsewhere before a location is looked for.
const BEFORE: &[&str] = &["rewrite", "return", "if"];

/// The location of `server` that answers for `path`, as nginx finds it: an exact one, else
/// the longest prefix unless a regular expression fits, the first in the file's order.
pub fn find_location<'a>(server: &Place<'a>, path: &str) -> Match<'a> {
    let mut nodes = server.node().children.iter();
    if nodes.any(|node| BEFORE.contains(&node.name.as_str())) {
        return Match::Unsure;
    }
    match level(server, path.split(['?', '#']).next().unwrap_or(path)) {
        Ok((Some(found), _)) => Match::Found(found),
        Ok((None, _)) => Match::Nothing,
        Err(Unsure) => Match::Unsure,
    }
}

/// A regular expression that cannot be tried.
struct Unsure;

/// A location: how it is compared, and with what.
fn pattern<'a>(location: &Place<'a>) -> (&'a str, &'a str) {
    let node = location.node();
    match node.args.as_slice() {
        [how, what] => (how, what),
        [written] => {
            // `=/path` without a blank is a word of its own.
            let modifiers = ["=", "^~", "~*", "~"].into_iter();
            let mut split = modifiers
                .filter_map(|how| Some((how, written.strip_prefix(how)?)))
                .take(1);
            split.next().unwrap_or(("", written))
        }
        _ => ("", ""),
    }
}

/// What this level has, and whether that is final.
fn level<'a>(outer: &Place<'a>, path: &str) -> Result<(Option<Place<'a>>, bool), Unsure> {
    let locations = outer.locations();
    let mut found: Option<Place<'a>> = None;
    let mut regexes_count = true;
    let exact = |place: &&Place<'a>| pattern(place) == ("=", path);
    if let Some(exact) = locations.iter().find(exact) {
        return Ok((Some(exact.clone()), true));
    }
    let prefixes = locations.iter().filter(|place| {
        let (how, what) = pattern(place);
        (how.is_empty() || how == "^~") && what.starts_with('/') && path.starts_with(what)
    });
    if let Some(prefix) = prefixes.max_by_key(|place| pattern(place).1.len()) {
        let (inner, done) = level(prefix, path)?;
        if done {
            return Ok((inner, true));
        }
        found = Some(inner.unwrap_or_else(|| prefix.clone()));
        regexes_count = pattern(prefix).0 != "^~";
    }
    if regexes_count {
        for location in &locations {
            let (how, what) = pattern(location);
            if !how.starts_with('~') {
                continue;
            }
            let regex = RegexBuilder::new(what)
                .case_insensitive(how == "~*")
                .build()
                .map_err(|_| Unsure)?;
            if regex.is_match(path) {
                let (inner, _) = level(location, path)?;
                return Ok((Some(inner.unwrap_or_else(|| location.clone())), true));
            }
        }
    }
    Ok((found, false))
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    fn taken(server: &str, path: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, format!("http {{ server {{ {server} }} }}")).unwrap();
        let tree = read(&file);
        assert!(tree.complete, "{:?}", tree.unread);
        let model = Model::new(&tree.root);
        match find_location(&model.servers[0], path) {
            Match::Found(place) => place.title(),
            Match::Nothing => "nothing".to_owned(),
            Match::Unsure => "unsure".to_owned(),
        }
    }

    #[test]
    fn a_location_is_found_as_nginx_finds_it() {
        let server = "location / { } location = /a { } location /v1/ { } \
                      location ^~ /static/ { } location ~ ^/v1/(mcp|x) { } \
                      location ~* \\.PHP$ { } location /in/ { location /in/side/ { } }";
        for (path, location) in [
            ("/", "location /"),
            ("/a", "location = /a"),
            ("/a/b", "location /"),
            ("/v1/messages", "location /v1/"),
            ("/v1/mcp?x=1", "location ~ ^/v1/(mcp|x)"),
            ("/static/a.php", "location ^~ /static/"),
            ("/b.php", "location ~* \\.PHP$"),
            ("/in/side/x", "location /in/side/"),
            ("/in/y", "location /in/"),
        ] {
            assert_eq!(taken(server, path), location, "{path}");
        }
        assert_eq!(taken("location /a { }", "/b"), "nothing");
        assert_eq!(taken("location ~ ^/(?!a) { }", "/b"), "unsure");
        assert_eq!(taken("return 301 https://x;", "/b"), "unsure");
    }
}
