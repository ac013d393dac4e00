//! The rules: a small function each, a file per family. What they share is in [`Seen`], what they
//! say in `../rules.yaml`.

mod access;
mod environment;
mod locations;
mod logging;
mod lua;
mod said;
mod seen;
mod tracking;
mod upstreams;

use seen::Seen;

use super::{Finding, Inputs};

/// Everything that every rule finds.
pub fn all(inputs: &Inputs) -> Vec<Finding> {
    let mut found = environment::plan(inputs);
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
