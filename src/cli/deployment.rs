//! A run on a deployment that is not its own: what it needs to know before it starts, and what
//! is put in order when it is over.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{error::CliError, inputs::Inputs, options::DeploymentArgs, out, settings::Settings};
use crate::{
    digest::sha256,
    engine::{InputRole, Place},
    input,
    ledger::{Ledger, Lock},
    probe::http::{Http, Request},
    profile::Profile,
    stack::{
        Service,
        docker::{
            compose::{self, Attached, Setup, Undone, can_deploy},
            labels,
        },
    },
    yaml,
};

/// The variable with the admin's session.
const SESSION_COOKIE: &str = "VERIFY_SESSION_COOKIE";

/// A deployment that this process alone works on.
#[derive(Debug)]
pub struct Held {
    /// The compose project.
    pub project: String,
    _lock: Lock,
}

/// Finds the deployment, takes its lock, and settles what is verified there: with `--deploy` the
/// candidate in place of what runs, else what runs.
pub async fn prepare(settings: &Settings, inputs: &mut Inputs) -> Result<(Place, Held), CliError> {
    let (attached, setup, held) = attach(&settings.deployment, &mut inputs.profile, true).await?;
    if settings.named.assets {
        return Err(CliError::usage(
            "--lua, --html and --lualib go with a stack of verify's own: a deployment has its Lua modules and pages already",
        ));
    }
    let deployed = attached
        .host
        .member(Service::Gateway)
        .map_err(environment)?
        .read_file(&attached.host.config_path)
        .await
        .map_err(environment)?;
    let found = sha256(&deployed);
    // The run's id is not known yet; the copy is the same for all.
    let ledger = Ledger::open(&held.project, "-")?;
    let kept = ledger.keep(&found, &deployed)?;
    let as_deployed = &attached.host.config_path;
    if settings.deployment.deploy {
        if !settings.named.candidate {
            return Err(CliError::usage(
                "--deploy needs --candidate FILE: the shipped one is an example, not yours",
            ));
        }
        if settings.named.baseline && inputs.baseline.sha256 != found {
            return Err(CliError::usage(format!(
                "--baseline {}: what runs is another file (sha256 {found}, not {})",
                inputs.baseline.path.display(),
                inputs.baseline.sha256
            ))
            .hint("leave --baseline out to take what runs"));
        }
        if inputs.candidate.sha256 == found {
            return Err(CliError::usage("the candidate is deployed already")
                .hint("leave --deploy out to verify what runs"));
        }
        can_deploy(&attached, settings.deployment.allow_host_edit)
            .map_err(|error| CliError::usage(error.to_string()).maybe_hint(error.hint))?;
        let named = settings
            .named
            .baseline
            .then(|| inputs.baseline.path.clone());
        let given = named.as_ref().unwrap_or(as_deployed);
        inputs.take(InputRole::Baseline, &kept, given)?;
    } else {
        if settings.named.candidate && inputs.candidate.sha256 != found {
            return Err(CliError::usage(format!(
                "--candidate {}: what runs is another file (sha256 {found}, not {})",
                inputs.candidate.path.display(),
                inputs.candidate.sha256
            ))
            .hint("leave --candidate out to verify what runs, or deploy it with --deploy"));
        }
        inputs.take(InputRole::Candidate, &kept, as_deployed)?;
        if !settings.named.baseline {
            inputs.take(InputRole::Baseline, &kept, as_deployed)?;
        }
    }
    Ok((Place::Compose(Box::new(setup)), held))
}

/// Finds a deployment and takes its lock. For a rollback the gateway need not run.
pub async fn attach(
    settings: &DeploymentArgs,
    profile: &mut Profile,
    must_run: bool,
) -> Result<(Attached, Setup, Held), CliError> {
    if let Some(site) = &settings.site {
        set_site(profile, site)?;
    }
    let find = async |profile: &Profile| match must_run {
        true => Attached::find(&settings.named(), profile).await,
        false => Attached::find_stopped(&settings.named(), profile).await,
    };
    let mut attached = find(profile).await?;
    if settings.site.is_none()
        && let Some(site) = own_site(&attached, profile)
    {
        out::complain(format_args!(
            "the site is {site}, as oauth2-proxy's redirect URL says; --site names another"
        ));
        set_site(profile, &site)?;
        attached = find(profile).await?;
    }
    let lock = Lock::take(&attached.project)?;
    let passwords = match &settings.credentials {
        Some(path) => {
            private("--credentials", path)?;
            yaml::load::<BTreeMap<String, String>>(path)?
        }
        None => BTreeMap::new(),
    };
    let session_cookie = match &settings.session_cookie_file {
        Some(path) => {
            private("--session-cookie-file", path)?;
            let text = input::text(path, input::COOKIE_LIMIT)
                .map_err(|error| refuse("--session-cookie-file", path, error))?;
            Some(text.trim().to_owned())
        }
        None => std::env::var(SESSION_COOKIE).ok(),
    };
    if let Some(test_user) = &settings.test_user {
        profile.users.test.clone_from(test_user);
        if let Some(cookie) = &session_cookie {
            profile.users.admin = owner(&attached, profile, cookie).await?;
        } else if !passwords.contains_key(&profile.users.admin) {
            return Err(CliError::usage(format!(
                "--test-user needs a session of the admin: --session-cookie-file FILE, {SESSION_COOKIE}, or the password of {} in --credentials FILE",
                profile.users.admin
            )));
        }
        if profile.users.admin == *test_user {
            return Err(CliError::usage(format!(
                "--test-user {test_user} is the admin, who must not be banned: name another"
            )));
        }
    }
    let setup = Setup {
        named: compose::Named {
            project: Some(attached.project.clone()),
            compose_file: None,
        },
        allowed: settings.allowed(),
        passwords,
        session_cookie,
        owner: labels::this_process(),
    };
    let held = Held {
        project: attached.project.clone(),
        _lock: lock,
    };
    Ok((attached, setup, held))
}

/// Undoes what a run left in the deployment. What could not be undone, one line each. The gateway
/// need not run: a candidate may have ended it.
pub async fn undo(project: &str, profile: &Profile) -> Result<Vec<String>, CliError> {
    let which = compose::Named {
        project: Some(project.to_owned()),
        compose_file: None,
    };
    let ledger = Ledger::open(project, "-")?;
    if ledger.open_entries()?.is_empty() {
        return Ok(Vec::new());
    }
    let attached = Attached::find_stopped(&which, profile).await?;
    let Undone { done, left } = compose::undo(&ledger, &attached, profile).await;
    tracing::info!("undone: {}", done.join(", "));
    Ok(left)
}

/// As [`undo`], and says what could not be undone. Whether all was.
pub async fn put_in_order(project: &str, profile: &Profile) -> bool {
    let left = match undo(project, profile).await {
        Ok(left) if left.is_empty() => return true,
        Ok(left) => left,
        Err(error) => vec![error.to_string()],
    };
    out::complain(format_args!(
        "error: not everything that this run made in {project} could be undone:"
    ));
    for line in &left {
        out::complain(format_args!("  {line}"));
    }
    out::complain("hint: `verify cleanup` tries again");
    false
}

/// The site that a deployment's oauth2-proxy has people come back to, where it is another than the
/// profile's.
fn own_site(attached: &Attached, profile: &Profile) -> Option<String> {
    let url: url::Url = attached.redirect_url.as_ref()?.parse().ok()?;
    let plain = url.scheme() == "http" && !profile.site.has(&url);
    plain.then(|| url.origin().ascii_serialization())
}

fn set_site(profile: &mut Profile, site: &str) -> Result<(), CliError> {
    let wrong = |why: &str| CliError::usage(format!("--site {site}: {why}"));
    let url: url::Url = site.parse().map_err(|error| wrong(&format!("{error}")))?;
    if url.scheme() != "http" {
        return Err(wrong(
            "the site is asked for by plain http, behind whatever ends TLS",
        ));
    }
    let host = url.host_str().ok_or_else(|| wrong("it has no host"))?;
    host.clone_into(&mut profile.site.host);
    profile.site.port = url.port_or_known_default().unwrap_or(80);
    Ok(())
}

/// Whose session a cookie is, as oauth2-proxy says.
async fn owner(attached: &Attached, profile: &Profile, cookie: &str) -> Result<String, CliError> {
    let failed = |why: String| {
        CliError::usage(format!("the session that was given is not accepted: {why}"))
            .hint("log in with a browser and take the cookie's value anew")
    };
    let http = Http::new(attached.host.endpoints.clone()).map_err(environment)?;
    let url = format!("http://{}/oauth2/userinfo", attached.host.endpoints.auth)
        .parse()
        .map_err(environment)?;
    let request = Request::get(url).header("cookie", &format!("{}={cookie}", profile.login.cookie));
    let answer = http
        .send(&request)
        .await
        .map_err(|error| failed(error.to_string()))?;
    answer
        .json()
        .filter(|_| answer.status == 200)
        .and_then(|json| json.get("email")?.as_str().map(str::to_owned))
        .ok_or_else(|| failed(format!("oauth2-proxy answers {}", answer.status)))
}

/// A file with secrets that others can read is refused, as ssh does.
fn private(flag: &str, path: &Path) -> Result<(), CliError> {
    let data = fs::metadata(path).map_err(|error| refuse(flag, path, error))?;
    if data.permissions().mode() & 0o077 != 0 {
        let why = "others can read it";
        return Err(refuse(flag, path, why).hint(format!("chmod 600 {}", path.display())));
    }
    Ok(())
}

fn refuse(flag: &str, path: &Path, why: impl std::fmt::Display) -> CliError {
    CliError::usage(format!("{flag} {}: {why}", path.display()))
}

fn environment(error: impl std::fmt::Display) -> CliError {
    CliError::environment(error.to_string())
}

/// The candidate and baseline of the proof after a rollback: the baseline as both.
pub fn proof_files(inputs: &mut Inputs, kept: &Path, sha256: &str) -> Result<(), CliError> {
    for role in [InputRole::Candidate, InputRole::Baseline] {
        inputs.take(role, kept, kept)?;
    }
    if inputs.baseline.sha256 != sha256 {
        let what = format!("{} was changed since it was kept", kept.display());
        return Err(CliError::environment(what));
    }
    Ok(())
}
