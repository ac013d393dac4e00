//! What the rules look at.

use crate::lint::{
    Inputs,
    config::{At, Match, Model, Node, Place, all_locations, find_location},
    lua::{Chunk, Reach},
};

/// The port behind oauth2-proxy (gateway-contract: the internal server).
pub const INTERNAL: u16 = 8080;

pub struct Seen<'a> {
    pub inputs: &'a Inputs,
    pub model: Model<'a>,
    /// The public server.
    pub public: Option<Place<'a>>,
    /// The internal server.
    pub internal: Option<Place<'a>>,
}

impl<'a> Seen<'a> {
    pub fn new(inputs: &'a Inputs) -> Self {
        let model = Model::new(&inputs.config.root);
        let site = &inputs.profile.site;
        // Behind a published port the gateway itself listens on 80.
        let port = match model.listens(site.port) {
            true => site.port,
            false => 80,
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

    /// The public server's location for a path, where there is one for sure.
    pub fn public_location(&self, path: &str) -> Option<Place<'a>> {
        match find_location(self.public.as_ref()?, path) {
            Match::Found(place) => Some(place),
            Match::Nothing | Match::Unsure => None,
        }
    }

    /// The public server's locations that a client can reach.
    pub fn public_locations(&self) -> Vec<Place<'a>> {
        let all = self.public.iter().flat_map(all_locations);
        all.filter(|place| !place.hidden()).collect()
    }

    /// What runs for a request at a place before it is passed on or answered.
    pub fn reach(&self, place: &Place<'a>) -> Reach<'a> {
        let handlers = place.handlers();
        let chunks: Vec<Option<&Chunk>> = handlers
            .iter()
            .map(|node| self.inputs.chunk(node))
            .collect();
        let unsure = chunks.iter().any(Option::is_none);
        let chunks = chunks.into_iter().flatten().collect();
        Reach::new(chunks, &self.inputs.modules, unsure)
    }

    /// Everything that the configuration can come to: its Lua and the modules of it.
    pub fn all_lua(&self) -> Reach<'a> {
        let unknown = !self.inputs.unknown_lua.is_empty() || !self.inputs.config.complete;
        let chunks = self.inputs.chunks.values().collect();
        Reach::new(chunks, &self.inputs.modules, unknown)
    }

    /// The upstream that a place passes requests on to: its name, or host and port.
    pub fn target(&self, place: &Place<'a>) -> Option<(&'a Node, &'a str)> {
        let pass = place.node().named("proxy_pass").next()?;
        let url = pass.arg(0);
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        Some((pass, rest.split('/').next().unwrap_or(rest)))
    }

    /// Whether a target is oauth2-proxy, which asks for a login itself.
    pub fn is_login_service(&self, target: &str) -> bool {
        let services = &self.inputs.profile.deployment.services;
        let names = services.get(&crate::stack::Service::Auth);
        let is = |address: &str| {
            let host = address.split(':').next().unwrap_or(address);
            names.is_some_and(|names| names.iter().any(|name| name == host))
                || host.contains("oauth2")
                || host.starts_with('$')
        };
        let upstream = self.model.upstream(target).into_iter();
        let mut servers = upstream.flat_map(|node| node.named("server"));
        is(target) || servers.any(|node| is(node.arg(0)))
    }

    /// Where the profile names a context; its first line where it does not.
    pub fn in_profile(&self, context: &str) -> At {
        let (file, lines) = &self.inputs.contexts;
        At {
            file: file.clone(),
            line: lines.get(context).copied().unwrap_or(1),
        }
    }
}

/// How locations are written, for a text: each once, in their order.
pub fn titles(places: &[Place<'_>]) -> String {
    let titles = places.iter().map(|place| format!("`{}`", place.title()));
    titles.collect::<Vec<_>>().join(", ")
}

/// What is of one kind together, in the order that it comes in.
pub fn grouped<K: PartialEq, V>(all: impl IntoIterator<Item = (K, V)>) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in all {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}
