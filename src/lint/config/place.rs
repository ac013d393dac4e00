//! What holds where: blocks with those around them, and the directives that each inherits.

use super::tree::{At, LuaText, Node};

/// A block with those around it.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// From the outermost to this one.
    pub chain: Vec<&'a Node>,
}

impl<'a> Place<'a> {
    pub fn node(&self) -> &'a Node {
        // A place has at least the root: it is made from it, and only grows.
        self.chain[self.chain.len() - 1]
    }

    /// The directives of this name at the nearest level that has any: nginx inherits all or
    /// nothing.
    pub fn effective(&self, name: &str) -> Vec<&'a Node> {
        self.nearest(|node| node.name == name)
    }

    /// Those of the directives at the nearest level that has any.
    fn nearest(&self, wanted: impl Fn(&Node) -> bool) -> Vec<&'a Node> {
        let levels = self.chain.iter().rev();
        let here = levels.map(|level| -> Vec<&'a Node> {
            level.children.iter().filter(|node| wanted(node)).collect()
        });
        let mut some = here.filter(|nodes| !nodes.is_empty());
        some.next().unwrap_or_default()
    }

    /// The value of a directive that can stand once; the last where it stands more often.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.effective(name).last().map(|node| node.arg(0))
    }

    pub fn inner(&self, node: &'a Node) -> Self {
        let mut chain = self.chain.clone();
        chain.push(node);
        Self { chain }
    }

    /// The locations right inside of it.
    pub fn locations(&self) -> Vec<Self> {
        let nodes = self.node().children.iter();
        nodes
            .filter(|node| node.name == "location")
            .map(|node| self.inner(node))
            .collect()
    }

    /// How a location is written: `location ~ ^/v1/`.
    pub fn title(&self) -> String {
        format!("location {}", self.node().args.join(" "))
    }

    pub fn at(&self) -> &'a At {
        &self.node().at
    }

    /// Whether clients never reach it by themselves.
    pub fn hidden(&self) -> bool {
        self.node().arg(0).starts_with('@') || self.node().named("internal").next().is_some()
    }

    /// The Lua that runs for a request here before it is passed on or answered, and where it
    /// stands: of each phase the nearest level's. Also what stands in an `if`.
    pub fn handlers(&self) -> Vec<&'a Node> {
        let mut found = Vec::new();
        for phase in ["server_rewrite_by_lua", "rewrite_by_lua", "access_by_lua"] {
            found.extend(self.nearest(|node| is(node, phase)));
        }
        for child in &self.node().children {
            if ["content_by_lua", "set_by_lua"]
                .iter()
                .any(|phase| is(child, phase))
            {
                found.push(child);
            } else if child.name == "if" {
                child.walk(&mut |node| {
                    if node.name.contains("_by_lua") {
                        found.push(node);
                    }
                });
            }
        }
        found
    }
}

/// Whether a directive is this phase's, in any of its three forms.
fn is(node: &Node, phase: &str) -> bool {
    let rest = node.name.strip_prefix(phase);
    rest.is_some_and(|form| ["", "_block", "_file"].contains(&form))
}

/// The configuration's servers and upstreams.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    root: &'a Node,
    pub http: Option<Place<'a>>,
    pub servers: Vec<Place<'a>>,
}

impl<'a> Model<'a> {
    pub fn new(root: &'a Node) -> Self {
        let main = Place { chain: vec![root] };
        let http = root.named("http").next().map(|node| main.inner(node));
        let servers = http
            .iter()
            .flat_map(|http| (http.node().named("server")).map(|node| http.inner(node)));
        let servers = servers.collect();
        Self {
            root,
            http,
            servers,
        }
    }

    /// The whole configuration, as a place.
    pub fn main(&self) -> Place<'a> {
        Place {
            chain: vec![self.root],
        }
    }

    /// The server that answers for `host` on `port`; nothing where there is none, or where
    /// that hangs on a pattern.
    pub fn server(&self, port: u16, host: &str) -> Option<&Place<'a>> {
        let listening: Vec<&Place<'a>> = (self.servers.iter())
            .filter(|server| ports(server.node()).any(|(found, _)| found == port))
            .collect();
        if let [only] = listening.as_slice() {
            return Some(only);
        }
        let names = |server: &Place<'a>| -> Vec<&'a String> {
            let named = server.node().named("server_name");
            named.flat_map(|node| &node.args).collect()
        };
        let mut servers = listening.iter();
        if let Some(exact) = servers.find(|server| names(server).iter().any(|name| *name == host)) {
            return Some(exact);
        }
        let pattern = |name: &&String| name.contains('*') || name.starts_with(['~', '.', '$']);
        if (listening.iter()).any(|server| names(server).iter().any(pattern)) {
            return None;
        }
        let is_default = |server: &&&Place<'a>| {
            ports(server.node()).any(|(found, default)| found == port && default)
        };
        let default = listening.iter().find(is_default);
        default.or(listening.first()).copied()
    }

    /// Whether a server listens on `port`.
    pub fn listens(&self, port: u16) -> bool {
        let mut servers = self.servers.iter();
        servers.any(|server| ports(server.node()).any(|(found, _)| found == port))
    }

    /// Every location, also those within others.
    pub fn locations(&self) -> Vec<Place<'a>> {
        self.servers.iter().flat_map(all_locations).collect()
    }

    /// The upstream of this name.
    pub fn upstream(&self, name: &str) -> Option<&'a Node> {
        let http = self.http.as_ref()?.node();
        http.named("upstream").find(|node| node.arg(0) == name)
    }

    /// The map that gives `$variable` its value.
    pub fn map(&self, variable: &str) -> Option<&'a Node> {
        let http = self.http.as_ref()?.node();
        let mut maps = http.named("map");
        maps.find(|node| node.arg(1).strip_prefix('$') == Some(variable))
    }

    /// The Lua that stands in the configuration, with the directive.
    pub fn lua(&self) -> Vec<(&'a Node, &'a LuaText)> {
        let mut found = Vec::new();
        self.root.walk(&mut |node| {
            if let Some(lua) = &node.lua {
                found.push((node, lua));
            }
        });
        found
    }
}

/// The locations of a server or location, also those within others.
pub fn all_locations<'a>(place: &Place<'a>) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    for location in place.locations() {
        let inner = all_locations(&location);
        found.push(location);
        found.extend(inner);
    }
    found
}

/// The ports that a server listens on, each with whether it is the default there.
fn ports(server: &Node) -> impl Iterator<Item = (u16, bool)> {
    let silent = server.named("listen").next().is_none();
    let listens = server.named("listen").filter_map(|node| {
        let address = node.arg(0);
        let default = node.args.iter().any(|arg| arg.starts_with("default"));
        if address.starts_with("unix:") {
            return None;
        }
        let port = address.rsplit_once(':').map_or(address, |(_, port)| port);
        // An address without a port listens on 80.
        Some((port.parse().unwrap_or(80), default))
    });
    silent.then_some((80, false)).into_iter().chain(listens)
}
