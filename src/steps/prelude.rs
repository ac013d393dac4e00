//! What nearly every file of step definitions needs.

pub(super) use super::{
    check::{NOT_OK, OK, REDIRECT, REFUSED, Status, check, lines, none},
    definition::steps,
    error::{Coded as _, Seen, StepError, StepResult, lacks, skip},
    run::Run,
    state::{Sent, Session, Token},
    world::{Args, World},
};
pub(super) use crate::{
    evidence::{EvidenceKind, Stage},
    probe::{
        NONCE,
        browser::Hop,
        http::{Request, Response},
        nonce,
        poll::poll,
    },
    stack::{Act, Service},
};
