//! A step definition, and the table of those of a file.

use cucumber::{gherkin::StepType, step::Step};

use super::world::World;

/// The keyword that a step definition answers to. `And` and `But` take the one before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keyword {
    /// What must be so before: made when it is not.
    Given,
    /// What is done.
    When,
    /// What must be seen.
    Then,
}

impl From<StepType> for Keyword {
    fn from(kind: StepType) -> Self {
        match kind {
            StepType::Given => Self::Given,
            StepType::When => Self::When,
            StepType::Then => Self::Then,
        }
    }
}

/// One step definition.
pub struct StepDef {
    /// Its keyword.
    pub keyword: Keyword,
    /// The pattern that a step's text matches as a whole.
    pub pattern: &'static str,
    /// What it does, and what it takes to fail.
    pub doc: &'static str,
    /// The source file that holds it.
    pub file: &'static str,
    /// The code of the check that it is.
    pub code: &'static str,
    /// The codes of checks within it, each in [`super::codes`].
    pub finer: &'static [&'static str],
    /// What cucumber calls.
    pub run: Step<World>,
}

/// Makes a table of step definitions of one file:
/// `/// doc`, keyword, pattern, `=>`, the async function that takes `(&mut World, &Run, Args)`, the
/// code that its failure has, and the codes of checks within it.
macro_rules! steps {
    (@finer) => { &[] };
    (@finer $finer:expr) => { $finer };
    ($( $(#[doc = $doc:literal])+ $keyword:ident $pattern:literal => $function:path, $code:literal $(, $finer:expr)?; )*) => {
        pub(in $crate::steps) static STEPS: &[$crate::steps::definition::StepDef] = &[$(
            $crate::steps::definition::StepDef {
                keyword: $crate::steps::definition::Keyword::$keyword,
                pattern: $pattern,
                doc: concat!($($doc, "\n"),+),
                file: file!(),
                code: $code,
                finer: $crate::steps::definition::steps!(@finer $($finer)?),
                run: |world, context| {
                    let args = $crate::steps::world::Args::new(context);
                    ::std::boxed::Box::pin(async move {
                        let result = match world.run() {
                            Ok(run) => $function(&mut *world, &run, args).await,
                            Err(error) => Err(error),
                        };
                        let finer = $crate::steps::definition::steps!(@finer $($finer)?);
                        world.conclude(result, $code, finer).await;
                    })
                },
            },
        )*];
    };
}

pub(super) use steps;
