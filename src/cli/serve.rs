//! `verify serve`: a double by itself, until interrupted.

use std::env;

use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{
    args::{Double, ServeArgs},
    error::CliError,
    out, runtime,
};
use crate::{
    doubles::{self, auth0, control, litellm},
    gate::ExitStatus,
};

/// Who can log in where nobody is named.
const USER: &str = "user@example.com:password";

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
    let router = match args.double {
        Double::Auth0 => {
            let config = auth0_config(&args, &format!("http://{own}/"))?;
            auth0::Auth0::new(config)
                .map_err(|error| CliError::usage(format!("--issuer: {error}")))?
                .controlled_by(control)
                .router()
        }
        Double::Litellm => litellm::LiteLlm::new(litellm::Config {
            master_key: secret("LITELLM_MASTER_KEY", "sk-master"),
            shared_key: secret("LITELLM_SHARED_KEY", "sk-shared"),
            models: args.model.clone(),
        })
        .map_err(|error| CliError::environment(error.to_string()))?
        .controlled_by(control)
        .router(),
    };
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
        client_secret: secret("VERIFY_CLIENT_SECRET", "secret"),
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
