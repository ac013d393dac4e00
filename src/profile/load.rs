//! Reading a profile: one that is whole, or one that is like another but for what it says itself.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{
    AdminPage, Ban, Context, Deployment, Health, Identity, Jwt, Like, Llm, LogPatterns, Login,
    Operation, Profile, RedisKeys, Site, Thresholds, TimeForm, Tracker, Users,
};
use crate::yaml::{self, YamlError};

/// The shipped profile, as it is in the program itself.
const PLAN: &str = include_str!("../../fixtures/profiles/plan.yaml");

/// What is looked at first: whether a profile is like another.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    like: Option<Like>,
}

/// A profile of which parts are left out. Each part is a section of [`Profile`], whole.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    name: String,
    like: Like,
    site: Option<Site>,
    users: Option<Users>,
    login: Option<Login>,
    health: Option<Health>,
    admin_page: Option<AdminPage>,
    contexts: Option<BTreeMap<String, Context>>,
    untracked: Option<String>,
    warm_up: Option<Vec<String>>,
    tracker: Option<Tracker>,
    times: Option<Vec<TimeForm>>,
    identity: Option<Identity>,
    log: Option<LogPatterns>,
    redis: Option<RedisKeys>,
    operations: Option<BTreeMap<String, Operation>>,
    jwt: Option<Jwt>,
    llm: Option<Llm>,
    ban: Option<Ban>,
    thresholds: Option<Thresholds>,
    deployment: Option<Deployment>,
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    ///
    /// When the file is not one: FILE:LINE:COLUMN, and what was probably meant.
    pub fn load(path: &Path) -> Result<Self, YamlError> {
        Self::parse(&yaml::text(path)?, path)
    }

    /// Reads the text of the profile at `path`.
    ///
    /// # Errors
    ///
    /// As [`Profile::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, YamlError> {
        match yaml::parse::<Head>(text, path)?.like {
            Some(_) => complete(text, path),
            None => yaml::parse(text, path),
        }
    }
}

/// Reads a profile that names the one which it is like.
///
/// # Errors
/// When the text is no such profile: FILE:LINE:COLUMN, and what was probably meant.
fn complete(text: &str, path: &Path) -> Result<Profile, YamlError> {
    let given: Given = yaml::parse(text, path)?;
    let base: Profile = match given.like {
        Like::Plan => yaml::parse(PLAN, Path::new("fixtures/profiles/plan.yaml"))?,
    };
    Ok(Profile {
        name: given.name,
        like: Some(given.like),
        inherits_contexts: given.contexts.is_none(),
        site: given.site.unwrap_or(base.site),
        users: given.users.unwrap_or(base.users),
        login: given.login.unwrap_or(base.login),
        health: given.health.unwrap_or(base.health),
        admin_page: given.admin_page.unwrap_or(base.admin_page),
        contexts: given.contexts.unwrap_or(base.contexts),
        untracked: given.untracked.unwrap_or(base.untracked),
        warm_up: given.warm_up.unwrap_or(base.warm_up),
        tracker: given.tracker.unwrap_or(base.tracker),
        times: given.times.unwrap_or(base.times),
        identity: given.identity.unwrap_or(base.identity),
        log: given.log.unwrap_or(base.log),
        redis: given.redis.unwrap_or(base.redis),
        operations: given.operations.unwrap_or(base.operations),
        jwt: given.jwt.unwrap_or(base.jwt),
        llm: given.llm.unwrap_or(base.llm),
        ban: given.ban.unwrap_or(base.ban),
        thresholds: given.thresholds.unwrap_or(base.thresholds),
        deployment: given.deployment.unwrap_or(base.deployment),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn load(text: &str) -> Result<Profile, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.yaml");
        fs::write(&path, text).unwrap();
        Profile::load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_is_as_in_the_other_and_what_is_there_is_its_own() {
        let own = load("name: own\nlike: plan\nsite: {host: shop.example.com}\n").unwrap();
        let plan = load(PLAN).unwrap();
        assert_eq!(own.site.host, "shop.example.com");
        assert_eq!(own.redis.ban, plan.redis.ban);
        assert_eq!(
            own.operations.keys().collect::<Vec<_>>(),
            plan.operations.keys().collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_is_misspelt_is_refused_with_its_place_with_and_without_another() {
        for (text, says) in [
            (
                "name: own\nlike: plan\nsites: {}\n",
                ":3:1: unknown key `sites`; did you mean `site`?",
            ),
            (
                "name: own\nlike: plam\n",
                ":2:7: unknown value `plam`; did you mean `plan`?",
            ),
            ("name: own\nsite: {host: a.example}\n", "is missing"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_time_counts_only_in_the_forms_of_its_gateway() {
        let plan = load(PLAN).unwrap();
        assert_eq!(plan.moment(&json!(1_795_917_400)), Some(1_795_917_400));
        assert_eq!(plan.moment(&json!(1_795_917_400_500_i64)), None);
        assert_eq!(plan.moment(&json!("2026-11-29T01:57:45Z")), None);
    }
}
