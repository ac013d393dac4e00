//! The images of the containers stack: here already, pulled, or built.

use std::{collections::BTreeMap, fs, io, path::Path, time::Duration};

use bollard::{
    errors::Error,
    query_parameters::{BuildImageOptionsBuilder, CreateImageOptionsBuilder},
};
use futures::{StreamExt as _, TryStreamExt as _};

use super::{
    archive::Archive,
    engine::{Engine, EngineError, is_missing},
};
use crate::{digest::sha256, input};

/// The variable of `docker-compose.test.yml` that names the image of the doubles.
pub const DOUBLES: &str = "VERIFY_DOUBLES_IMAGE";

/// The variable that names what the image of the doubles is built on.
const BASE: &str = "VERIFY_BASE_IMAGE";

/// What it is built on where nobody says: new enough a libc for a binary built elsewhere.
const BASE_DEFAULT: &str = "debian:trixie-slim";

/// The label that tells which binary an image holds.
const BINARY: &str = "verify.binary.sha256";

/// The label of the images that are `verify`'s own.
pub const ROLE: &str = "verify.image";

/// How long a registry has to say whether it has an image.
const REGISTRY_ANSWER: Duration = Duration::from_secs(3);

/// How long a pull may take.
const PULL: Duration = Duration::from_secs(300);

/// An image that is here.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its name.
    pub name: String,
    /// Its id: `sha256:…`.
    pub id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// The image of that name, where it is here.
///
/// # Errors
/// What the engine says.
pub async fn find(engine: &Engine, name: &str) -> Result<Option<Image>, EngineError> {
    match engine.docker.inspect_image(name).await {
        Ok(found) => Ok(Some(Image {
            name: name.to_owned(),
            id: found.id.unwrap_or_default(),
            labels: found
                .config
                .and_then(|config| config.labels)
                .unwrap_or_default()
                .into_iter()
                .collect(),
        })),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(EngineError::of(
            &format!("looking for the image {name}"),
            &error,
        )),
    }
}

/// The image of that name: here, or pulled now.
///
/// # Errors
/// An image that is not here and cannot be pulled.
pub async fn need(engine: &Engine, name: &str) -> Result<Image, EngineError> {
    if let Some(image) = find(engine, name).await? {
        return Ok(image);
    }
    let cannot = |why: String| {
        EngineError::new(format!(
            "the image {name} is not here and cannot be pulled: {why}"
        ))
        .hint("`scripts/images` pulls the images, or builds equals where no registry answers")
    };
    let options = CreateImageOptionsBuilder::default()
        .from_image(name)
        .build();
    let pull = engine
        .docker
        .create_image(Some(options), None, None)
        .try_for_each(|_| async { Ok(()) });
    match tokio::time::timeout(PULL, pull).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(cannot(error.to_string())),
        Err(_) => return Err(cannot(format!("no end after {} s", PULL.as_secs()))),
    }
    find(engine, name)
        .await?
        .ok_or_else(|| cannot("it was pulled and is not here".to_owned()))
}

/// Whether an image is here or a registry has it; else why not.
///
/// # Errors
/// Where neither is so.
pub async fn in_reach(engine: &Engine, name: &str) -> Result<(), EngineError> {
    if find(engine, name).await?.is_some() {
        return Ok(());
    }
    let asked = engine.docker.inspect_registry_image(name, None);
    match tokio::time::timeout(REGISTRY_ANSWER, asked).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(EngineError::new(format!(
            "the image {name} is not here and no registry has it"
        ))),
    }
}

/// The image of the doubles: one that holds this very binary. Built where there is none.
///
/// # Errors
/// A base image that cannot be had, a build that fails.
pub async fn doubles(
    engine: &Engine,
    variables: &BTreeMap<String, String>,
) -> Result<Image, EngineError> {
    let sha256 = own_sha256()?;
    if let Some(image) = fitting(engine, variables, &sha256).await? {
        return Ok(image);
    }
    let base = need(engine, &base(variables)).await?;
    build(engine, &base.name, &sha256).await
}

/// Whether the image of the doubles is here or can be built; else why not.
///
/// # Errors
/// Where neither is so.
pub async fn doubles_in_reach(
    engine: &Engine,
    variables: &BTreeMap<String, String>,
) -> Result<(), EngineError> {
    if fitting(engine, variables, &own_sha256()?).await?.is_some() {
        return Ok(());
    }
    in_reach(engine, &base(variables)).await
}

fn base(variables: &BTreeMap<String, String>) -> String {
    let named = variables.get(BASE).filter(|name| !name.is_empty());
    named.map_or(BASE_DEFAULT, String::as_str).to_owned()
}

fn own_image(sha256: &str) -> String {
    format!("verify-doubles:{}", sha256.get(..12).unwrap_or(sha256))
}

async fn fitting(
    engine: &Engine,
    variables: &BTreeMap<String, String>,
    sha256: &str,
) -> Result<Option<Image>, EngineError> {
    let named = variables.get(DOUBLES).cloned();
    for name in named
        .into_iter()
        .chain(["verify-doubles:local".to_owned(), own_image(sha256)])
    {
        if let Some(image) = find(engine, &name).await?
            && image
                .labels
                .get(BINARY)
                .is_some_and(|found| found == sha256)
        {
            return Ok(Some(image));
        }
    }
    Ok(None)
}

fn own_binary() -> Result<Vec<u8>, EngineError> {
    std::env::current_exe()
        .and_then(fs::read)
        .map_err(|error| EngineError::new(format!("verify's own program cannot be read: {error}")))
}

fn own_sha256() -> Result<String, EngineError> {
    Ok(sha256(&own_binary()?))
}

async fn build(engine: &Engine, base: &str, sha256: &str) -> Result<Image, EngineError> {
    let name = own_image(sha256);
    let packing = |error: std::io::Error| {
        EngineError::new(format!("the image {name} cannot be packed: {error}"))
    };
    let dockerfile = format!(
        "FROM {base}\nLABEL {ROLE}=doubles {BINARY}={sha256}\nCOPY verify /usr/local/bin/verify\n"
    );
    let mut context = Archive::default();
    context
        .file("Dockerfile", 0o644, dockerfile.as_bytes())
        .map_err(packing)?;
    context
        .file("verify", 0o755, &own_binary()?)
        .map_err(packing)?;
    let context = context.finish().map_err(packing)?;
    let options = BuildImageOptionsBuilder::default()
        .t(&name)
        .rm(true)
        .forcerm(true)
        .build();
    let failed = |error: &Error| EngineError::of(&format!("building the image {name}"), error);
    let mut building =
        engine
            .docker
            .build_image(options, None, Some(bollard::body_full(context.into())));
    while let Some(told) = building.next().await {
        let told = told.map_err(|error| failed(&error))?;
        if let Some(error) = told.error_detail {
            return Err(EngineError::new(format!(
                "building the image {name}: {}",
                error.message.unwrap_or_default()
            )));
        }
    }
    find(engine, &name)
        .await?
        .ok_or_else(|| EngineError::new(format!("the image {name} was built and is not here")))
}

/// The variables that the compose file is read with: those of a `.env` beside it, replaced by
/// the environment's, as `docker compose` does.
///
/// # Errors
/// A `.env` that cannot be read.
pub fn environment(folder: &Path) -> Result<BTreeMap<String, String>, EngineError> {
    let file = folder.join(".env");
    let mut variables = match input::text(&file, input::TEXT_LIMIT) {
        Ok(text) => super::compose_file::variables(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => {
            let file = file.display();
            return Err(EngineError::new(format!("cannot read {file}: {error}")));
        }
    };
    variables.extend(std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let image = name.starts_with("VERIFY_") && name.ends_with("_IMAGE");
        image.then_some((name, value.into_string().ok()?))
    }));
    Ok(variables)
}
