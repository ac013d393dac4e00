//! `verify serve`: a double by itself, until interrupted.

mod shield;

use std::{
    env,
    io::{self, IsTerminal as _},
    net::IpAddr,
};

use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{error::CliError, out, process::runtime};
use crate::{
    doubles::{self, auth0, control, litellm},
    gate::ExitStatus,
};

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Which double.
    #[arg(value_enum)]
    pub double: Double,
    /// The port; 0 takes a free one.
    #[arg(long, value_name = "N")]
    pub port: u16,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// A domain that it is reached by, repeatable. The control path refuses other domains in `Host`;
    /// addresses, names without a dot and the host of --issuer are always accepted.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// Listen off the loopback with secrets that are known to everybody: in a private network.
    #[arg(long)]
    pub insecure_test_secrets: bool,
    /// auth0: the URL that it is known by [default: the address that it listens on].
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// auth0: the client that it knows; its secret comes from VERIFY_CLIENT_SECRET.
    #[arg(long, value_name = "ID", default_value = "verify")]
    pub client_id: String,
    /// auth0: where a person may be sent back to; compared whole, repeatable.
    #[arg(long, value_name = "URL", default_value = "http://localhost")]
    pub callback: Vec<String>,
    /// auth0: where a person may be sent after a logout; compared whole, repeatable
    /// [default: the callbacks].
    #[arg(long, value_name = "URL")]
    pub logout: Vec<String>,
    /// auth0: who can log in, repeatable [default: user@example.com:password].
    /// The environment may name them in VERIFY_USERS, with spaces between.
    #[arg(
        long,
        value_name = "EMAIL:PASSWORD",
        value_delimiter = ' ',
        env = "VERIFY_USERS"
    )]
    pub user: Vec<String>,
    /// litellm: a model that it serves, repeatable.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ' ',
        env = "VERIFY_MODELS",
        default_value = "claude-sonnet-4-20250514"
    )]
    pub model: Vec<String>,
}

/// A double that `serve` runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Double {
    /// The identity provider.
    Auth0,
    /// The upstream.
    Litellm,
}

/// Who can log in where nobody is named.
const USER: &str = "user@example.com:password";

/// Secrets that are in this program's source or in docker-compose.test.yml: known to everybody.
const KNOWN: [&str; 7] = [
    CLIENT_SECRET,
    MASTER_KEY,
    SHARED_KEY,
    "password",
    "client-secret-for-tests-only",
    "sk-master-for-tests-only",
    "sk-shared-for-tests-only",
];
const CLIENT_SECRET: &str = "secret";
const MASTER_KEY: &str = "sk-master";
const SHARED_KEY: &str = "sk-shared";

/// Serves a double.
pub fn serve(args: ServeArgs) -> Result<ExitStatus, CliError> {
    runtime()?.block_on(listen(args))
}

async fn listen(args: ServeArgs) -> Result<ExitStatus, CliError> {
    let address = (args.host, args.port);
    let busy = |error: std::io::Error| {
        CliError::environment(format!(
            "--port {}: cannot listen on {}: {error}",
            args.port, args.host
        ))
        .hint("take another port, or 0 for a free one")
    };
    let listener = TcpListener::bind(address).await.map_err(busy)?;
    let own = listener.local_addr().map_err(busy)?;
    let control = secret(control::TOKEN_VARIABLE, "");
    let mut hosts = args.allow_host.clone();
    let router = match args.double {
        Double::Auth0 => {
            let config = auth0_config(&args, &format!("http://{own}/"))?;
            let passwords = config.users.iter().map(|user| &user.password);
            not_known(&args, passwords.chain([&config.client_secret]))?;
            hosts.extend(config.issuer.host_str().map(str::to_owned));
            auth0::Auth0::new(config)
                .map_err(|error| CliError::usage(format!("--issuer: {error}")))?
                .controlled_by(control)
                .router()
        }
        Double::Litellm => {
            let config = litellm::Config {
                master_key: secret("LITELLM_MASTER_KEY", MASTER_KEY),
                shared_key: secret("LITELLM_SHARED_KEY", SHARED_KEY),
                models: args.model.clone(),
            };
            not_known(&args, [&config.master_key, &config.shared_key])?;
            litellm::LiteLlm::new(config)
                .map_err(|error| CliError::environment(error.to_string()))?
                .controlled_by(control)
                .router()
        }
    };
    // A program that compares what was received reads it from a pipe's or a container's double.
    let masked = io::stdout().is_terminal();
    let router = shield::shielded(router, hosts, masked);
    let failed = |error: std::io::Error| CliError::environment(format!("cannot serve: {error}"));
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let running = doubles::serve(listener, router).await;
    out::print(&format!("listening on http://{own}\n"))?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.map_err(failed)?,
        _ = term.recv() => {}
    }
    running.stop().await;
    Ok(ExitStatus::Pass)
}

/// Refuses secrets that everybody knows where others than this machine can connect.
fn not_known<'a>(
    args: &ServeArgs,
    secrets: impl IntoIterator<Item = &'a SecretString>,
) -> Result<(), CliError> {
    let mut secrets = secrets.into_iter();
    if args.host.is_loopback()
        || args.insecure_test_secrets
        || !secrets.any(|secret| KNOWN.contains(&secret.expose_secret()))
    {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "--host {}: refused with a default or test secret, which everybody knows",
        args.host
    ))
    .hint(match args.double {
        Double::Auth0 => "set VERIFY_CLIENT_SECRET and VERIFY_USERS (or --user)",
        Double::Litellm => "set LITELLM_MASTER_KEY and LITELLM_SHARED_KEY",
    })
    .hint("in a private network, --insecure-test-secrets"))
}

fn secret(name: &str, default: &str) -> SecretString {
    SecretString::from(env::var(name).unwrap_or_else(|_| default.to_owned()))
}

fn auth0_config(args: &ServeArgs, own: &str) -> Result<auth0::Config, CliError> {
    let issuer = args.issuer.as_deref().unwrap_or(own);
    let users = if args.user.is_empty() {
        vec![USER.to_owned()]
    } else {
        args.user.clone()
    };
    Ok(auth0::Config {
        issuer: issuer
            .parse()
            .map_err(|error| CliError::usage(format!("--issuer {issuer}: {error}")))?,
        client_id: args.client_id.clone(),
        client_secret: secret("VERIFY_CLIENT_SECRET", CLIENT_SECRET),
        callback_prefixes: args.callback.clone(),
        logout_urls: if args.logout.is_empty() {
            args.callback.clone()
        } else {
            args.logout.clone()
        },
        users: users
            .iter()
            .map(|user| auth0_user(user))
            .collect::<Result<_, _>>()?,
    })
}

fn auth0_user(text: &str) -> Result<auth0::User, CliError> {
    let (email, password) = text
        .split_once(':')
        .ok_or_else(|| CliError::usage("--user: write EMAIL:PASSWORD"))?;
    Ok(auth0::User {
        email: email.to_owned(),
        password: SecretString::from(password.to_owned()),
        name: email.split('@').next().unwrap_or_default().to_owned(),
    })
}
