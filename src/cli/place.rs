//! Where a run takes place: what `--stack` comes to on this machine.

use super::{args::StackKind, error::CliError, out, settings::shipped};
use crate::{
    engine::Place,
    stack::{
        docker::{EngineError, containers, labels},
        fake::Twist,
        programs,
    },
};

/// The test deployment that the containers stack is made from.
pub const COMPOSE_FILE: &str = "docker-compose.test.yml";

/// The place of a run. `auto` takes containers where an engine answers and the images are
/// there or can be pulled, else the sandbox, and says in one line why. Only a sandbox can
/// have a `twist`.
///
/// # Errors
/// What a stack needs and is not there: exit 4.
pub async fn find(kind: StackKind, twist: Option<Twist>) -> Result<Place, CliError> {
    match kind {
        StackKind::Sandbox => Ok(match twist {
            Some(twist) => Place::Fake(programs::find()?, twist),
            None => Place::Sandbox(programs::find()?),
        }),
        StackKind::Containers => {
            containers::available(&shipped(COMPOSE_FILE)).await?;
            Ok(own_containers())
        }
        StackKind::Auto => match containers::available(&shipped(COMPOSE_FILE)).await {
            Ok(()) => {
                out::complain(
                    "stack: containers (a Docker engine answers and the images are there)",
                );
                Ok(own_containers())
            }
            Err(why) => {
                out::complain(format_args!("stack: sandbox ({why})"));
                Ok(Place::Sandbox(programs::find()?))
            }
        },
        // A deployment is prepared for, not found: `super::deployment`.
        StackKind::Compose => Err(CliError::usage("--stack compose needs a deployment")),
    }
}

fn own_containers() -> Place {
    Place::Containers(containers::Setup {
        compose_file: shipped(COMPOSE_FILE),
        owner: labels::this_process(),
    })
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        let text = Self::environment(error.to_string());
        match error.hint {
            Some(hint) => text.hint(hint),
            None => text,
        }
    }
}
