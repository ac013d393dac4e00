//! The images of the containers stack: here already, pulled, or built.

use std::{collections::BTreeMap, fs, io, path::Path, time::Duration};

use bollard::query_parameters::{BuildImageOptionsBuilder, CreateImageOptionsBuilder};
use futures::{StreamExt as _, TryStreamExt as _};

use super::{
    archive::Archive,
    compose_file::{self, Variables},
    engine::{Context as _, Engine, EngineError, is_missing},
};
use crate::{digest::sha256, input};

/// The variable of `docker-compose.test.yml` that names the image of the doubles.
pub const DOUBLES: &str = "VERIFY_DOUBLES_IMAGE";

/// The variable that names what the image of the doubles is built on.
const BASE: &str = "VERIFY_BASE_IMAGE";

/// The default: its libc is new enough for a binary built elsewhere.
const BASE_DEFAULT: &str = "debian:trixie-slim";

/// The label with the hash of the binary in an image.
const BINARY: &str = "verify.binary.sha256";

/// The label of the images that are `verify`'s own.
pub const ROLE: &str = "verify.image";

/// How long a registry has to say whether it has an image.
const REGISTRY_ANSWER: Duration = Duration::from_secs(3);

/// How long a pull may take.
const PULL: Duration = Duration::from_secs(300);

/// An image that the engine has.
#[derive(Clone, Debug)]
pub struct Image {
    pub name: String,
    /// `sha256:…`
    pub id: String,
    pub labels: BTreeMap<String, String>,
}

pub async fn find(engine: &Engine, name: &str) -> Result<Option<Image>, EngineError> {
    let found = match engine.docker.inspect_image(name).await {
        Err(error) if is_missing(&error) => return Ok(None),
        found => found.context(format_args!("looking for the image {name}"))?,
    };
    let labels = found.config.and_then(|config| config.labels);
    Ok(Some(Image {
        name: name.to_owned(),
        id: found.id.unwrap_or_default(),
        labels: labels.unwrap_or_default().into_iter().collect(),
    }))
}

/// The image of that name, pulled where the engine has none.
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

/// That the engine or a registry has an image.
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
pub async fn doubles(engine: &Engine, variables: &Variables) -> Result<Image, EngineError> {
    let sha256 = own_sha256()?;
    if let Some(image) = fitting(engine, variables, &sha256).await? {
        return Ok(image);
    }
    let base = need(engine, &base(variables)).await?;
    build(engine, &base.name, &sha256).await
}

/// That the engine has the image of the doubles, or can build it.
pub async fn doubles_in_reach(engine: &Engine, variables: &Variables) -> Result<(), EngineError> {
    if fitting(engine, variables, &own_sha256()?).await?.is_some() {
        return Ok(());
    }
    in_reach(engine, &base(variables)).await
}

fn base(variables: &Variables) -> String {
    let named = variables.get(BASE).filter(|name| !name.is_empty());
    named.map_or(BASE_DEFAULT, String::as_str).to_owned()
}

fn own_image(sha256: &str) -> String {
    format!("verify-doubles:{}", sha256.get(..12).unwrap_or(sha256))
}

async fn fitting(
    engine: &Engine,
    variables: &Variables,
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
    let dockerfile = format!(
        "FROM {base}\nLABEL {ROLE}=doubles {BINARY}={sha256}\nCOPY verify /usr/local/bin/verify\n"
    );
    let binary = own_binary()?;
    let context = Archive::of(|context| {
        context.file("Dockerfile", 0o644, dockerfile.as_bytes())?;
        context.file("verify", 0o755, &binary)
    });
    let context = context.context(format_args!("packing the image {name}"))?;
    let options = BuildImageOptionsBuilder::default()
        .t(&name)
        .rm(true)
        .forcerm(true)
        .build();
    let mut building =
        engine
            .docker
            .build_image(options, None, Some(bollard::body_full(context.into())));
    while let Some(progress) = building.next().await {
        let progress = progress.context(format_args!("building the image {name}"))?;
        if let Some(error) = progress.error_detail {
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
pub fn environment(folder: &Path) -> Result<Variables, EngineError> {
    let file = folder.join(".env");
    let mut variables = match input::text(&file, input::TEXT_LIMIT) {
        Ok(text) => compose_file::variables(&text),
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
