//! Flags for the harness's own tests.

use clap::Args;

use crate::stack::fake::{Injection, Sense, Trouble};

/// What is to be wrong in a sandbox.
#[derive(Clone, Debug, Default, Args)]
pub struct FaultArgs {
    /// The harness is blind in one sense.
    #[arg(long, value_name = "SENSE", hide = true)]
    blind: Option<Sense>,
    /// A service fails in the middle of a run.
    #[arg(
        long,
        value_name = "SERVICE:FAULT@PHASE",
        hide = true,
        conflicts_with = "blind"
    )]
    trouble: Option<Trouble>,
    /// Other people use the gateway, too.
    #[arg(long, hide = true, conflicts_with_all = ["blind", "trouble"])]
    foreign_traffic: bool,
}

impl FaultArgs {
    /// What they ask for.
    pub fn injection(&self) -> Option<Injection> {
        let blind = self.blind.map(Injection::Blind);
        blind
            .or(self.trouble.map(Injection::Trouble))
            .or(self.foreign_traffic.then_some(Injection::Traffic))
    }
}
