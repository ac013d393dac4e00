//! The files that this program reads and writes, as JSON Schemas (draft 2020-12) made from the
//! very types that read and write them.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::{
    mutation::Mutant,
    plan::{PlanFile, Rule},
    profile::Profile,
    report::RunReport,
};

/// A file that has a schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Document {
    /// `report.json`, as a run writes it.
    Report,
    /// A plan bundle's `plan.yaml`.
    Plan,
    /// A plan bundle's `diagnosis.yaml`.
    Diagnosis,
    /// A gateway's profile.
    Profile,
    /// A catalogue of mutants.
    Mutants,
}

impl Document {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Report,
        Self::Plan,
        Self::Diagnosis,
        Self::Profile,
        Self::Mutants,
    ];

    /// Its name, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Plan => "plan",
            Self::Diagnosis => "diagnosis",
            Self::Profile => "profile",
            Self::Mutants => "mutants",
        }
    }
}

/// The schema of a document.
#[must_use]
pub fn of(document: Document) -> Value {
    let written = SchemaGenerator::new(SchemaSettings::draft2020_12().for_serialize());
    let read = SchemaGenerator::new(SchemaSettings::draft2020_12());
    match document {
        Document::Report => written.into_root_schema_for::<RunReport>().to_value(),
        Document::Plan => read.into_root_schema_for::<PlanFile>().to_value(),
        Document::Diagnosis => read.into_root_schema_for::<Vec<Rule>>().to_value(),
        Document::Profile => whole_or_like(read.into_root_schema_for::<Profile>().to_value()),
        Document::Mutants => read.into_root_schema_for::<Vec<Mutant>>().to_value(),
    }
}

/// A profile that says `like` may leave out every section.
fn whole_or_like(mut profile: Value) -> Value {
    if let Some(required) = profile.as_object_mut().and_then(|it| it.remove("required")) {
        profile["anyOf"] = json!([
            { "required": ["name", "like"] },
            { "required": required },
        ]);
    }
    profile
}
