//! The rules: a small function each, a file per family. What they share is in [`Seen`].

mod access;
mod environment;
mod locations;
mod logging;
mod lua;
mod plan;
mod tracking;
mod upstreams;

use super::{
    Finding, Inputs, Level,
    config::{At, Match, Model, Node, Place, find_location},
    lua::{Chunk, Reach},
};
use crate::plan::Text;

/// The port behind oauth2-proxy (gateway-contract: the internal server).
const INTERNAL: u16 = 8080;

/// Everything that every rule finds.
pub fn all(inputs: &Inputs) -> Vec<Finding> {
    let mut found = plan::uncovered(inputs);
    found.extend(environment::unread(inputs));
    found.extend(environment::includes(inputs));
    // Where the profile takes over another's surface untold, no rule about it can be sure.
    let knows_surface = !inputs.profile.inherits_contexts;
    if knows_surface {
        found.extend(environment::page(inputs));
    }
    let seen = Seen::new(inputs);
    found.extend(lua::syntax(&seen));
    if !inputs.config.unread.is_empty() {
        // What the parser did not understand may be what a rule would miss.
        return found;
    }
    let of_any: [fn(&Seen<'_>) -> Vec<Finding>; 5] = [
        lua::modules,
        lua::files,
        environment::variables,
        logging::hidden,
        upstreams::keepalive,
    ];
    found.extend(of_any.iter().flat_map(|rule| rule(&seen)));
    if !knows_surface {
        return found;
    }
    let of_surface: [fn(&Seen<'_>) -> Vec<Finding>; 12] = [
        logging::dropped,
        logging::mislabelled,
        tracking::calls,
        tracking::undefined,
        tracking::unused_contexts,
        tracking::elsewhere,
        locations::missing,
        access::unprotected,
        access::identity,
        access::login_lost,
        upstreams::streaming,
        upstreams::body_limit,
    ];
    found.extend(of_surface.iter().flat_map(|rule| rule(&seen)));
    found
}

/// What the rules look at.
pub struct Seen<'a> {
    /// The files.
    pub inputs: &'a Inputs,
    /// The configuration.
    pub model: Model<'a>,
    /// The public server.
    pub public: Option<Place<'a>>,
    /// The internal server.
    pub internal: Option<Place<'a>>,
}

impl<'a> Seen<'a> {
    fn new(inputs: &'a Inputs) -> Self {
        let model = Model::new(&inputs.config.root);
        let site = &inputs.profile.site;
        // Behind a published port the gateway itself listens on 80.
        let port = if model.listens(site.port) {
            site.port
        } else {
            80
        };
        let public = model.server(port, &site.host).cloned();
        let internal = model.server(INTERNAL, "localhost").cloned();
        Self {
            inputs,
            model,
            public,
            internal,
        }
    }

    /// The public server's location for a path.
    fn public_location(&self, path: &str) -> Match<'a> {
        match &self.public {
            Some(server) => find_location(server, path),
            None => Match::Unsure,
        }
    }

    /// The public server's locations that a client can reach.
    fn public_locations(&self) -> Vec<Place<'a>> {
        let all = self.public.iter().flat_map(super::config::all_locations);
        all.filter(|place| !place.hidden()).collect()
    }

    /// What runs for a request at a place before it is passed on or answered.
    fn reach(&self, place: &Place<'a>) -> Reach<'a> {
        let handlers = place.handlers();
        let chunks: Vec<Option<&Chunk>> = handlers
            .iter()
            .map(|node| self.inputs.chunk(node))
            .collect();
        let unsure = chunks.iter().any(Option::is_none);
        Reach::new(
            chunks.into_iter().flatten().collect(),
            &self.inputs.modules,
            unsure,
        )
    }

    /// Everything that the configuration can come to: its Lua and the modules of it.
    fn all_lua(&self) -> Reach<'a> {
        let unknown = !self.inputs.unknown_lua.is_empty() || !self.inputs.config.complete;
        let chunks = self.inputs.chunks.values().collect();
        Reach::new(chunks, &self.inputs.modules, unknown)
    }

    /// The upstream that a place passes requests on to: its name, or host and port.
    fn target(&self, place: &Place<'a>) -> Option<(&'a Node, &'a str)> {
        let pass = place.node().named("proxy_pass").next()?;
        let url = pass.arg(0);
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        Some((pass, rest.split('/').next().unwrap_or(rest)))
    }

    /// Whether a target is oauth2-proxy, which asks for a login itself.
    fn is_login_service(&self, target: &str) -> bool {
        let services = &self.inputs.profile.deployment.services;
        let names = services.get(&crate::stack::Service::Auth);
        let is = |address: &str| {
            let host = address.split(':').next().unwrap_or(address);
            names.is_some_and(|names| names.iter().any(|name| name == host))
                || host.contains("oauth2")
                || host.starts_with('$')
        };
        let servers = self.model.upstream(target).into_iter();
        is(target)
            || servers
                .flat_map(|node| node.named("server"))
                .any(|node| is(node.arg(0)))
    }
}

/// How locations are written, for a text: each once, in their order.
fn titles(places: &[Place<'_>]) -> String {
    let titles: Vec<String> = (places.iter())
        .map(|place| format!("`{}`", place.title()))
        .collect();
    titles.join(", ")
}

/// Says a finding.
fn finding(rule: &str, level: Level, at: &At, what: Text, why: Text, remedy: Text) -> Finding {
    Finding {
        rule: rule.to_owned(),
        level,
        file: at.file.to_path_buf(),
        line: at.line,
        what,
        why,
        remedy,
    }
}

fn text(en: impl Into<String>, ja: impl Into<String>) -> Text {
    Text {
        en: en.into(),
        ja: ja.into(),
    }
}
