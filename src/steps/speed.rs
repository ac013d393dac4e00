//! The candidate is not slower than the baseline.

use super::prelude::*;
use crate::{
    probe::stats::{Comparison, Slower},
    stack::Version,
};

/// How often the comparison is made longer when its noise is wider than the margin.
const ROUNDS: usize = 3;

steps! {
    /// The baseline and the candidate side by side: one client each over keep-alive, blocks of
    /// requests for the health check in turn, the order alternating too.
    When "^the health check of baseline and candidate is measured side by side, in (?P<blocks>[0-9]+) blocks of (?P<count>[0-9]+) requests each$" => measure, "latency.measured";
    /// The whole interval of the ratio of the medians is within the profile's margin. Noise
    /// wider than the margin is inconclusive.
    Then "^the candidate is not slower than the margin allows$" => not_slower, "latency.margin";
}

/// `None` where nothing was measured.
struct Measured(Option<Comparison>);

async fn measure(world: &mut World, run: &Run, args: Args) -> StepResult {
    let (blocks, count): (usize, u32) = (args.number("blocks")?, args.number("count")?);
    let path = &run.profile.health.path;
    let mut pair = run.stack.side_by_side().await?;
    // The first block of each is not counted: caches and branches are cold.
    for version in [Version::Baseline, Version::Candidate] {
        pair.measure(version, path, count).await?;
    }
    let (mut baseline, mut candidate) = (Vec::new(), Vec::new());
    let mut measured = None;
    for _ in 0..ROUNDS {
        for block in 0..blocks {
            let mut order = [Version::Baseline, Version::Candidate];
            order.rotate_left(block % 2);
            for version in order {
                let durations = pair.measure(version, path, count).await?;
                match version {
                    Version::Baseline => baseline.push(durations),
                    Version::Candidate => candidate.push(durations),
                }
            }
        }
        measured = Comparison::of(&baseline, &candidate);
        let slower = measured.as_ref().map(|found| slower(run, found));
        if slower != Some(Slower::CannotTell) {
            break;
        }
    }
    world.keep(Measured(measured));
    Ok(())
}

fn slower(run: &Run, found: &Comparison) -> Slower {
    let thresholds = &run.profile.thresholds;
    found.slower_than(thresholds.slower_ratio, thresholds.slower_ms)
}

async fn not_slower(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Measured(found) = world.kept()?;
    let missing = || StepError::missing("a measurement");
    let found = found.as_ref().ok_or_else(missing)?;
    let thresholds = &run.profile.thresholds;
    let (ratio, ms) = (thresholds.slower_ratio, thresholds.slower_ms);
    let figures = found.figures(ratio, ms);
    let title = "GET /health, baseline -> candidate";
    world.saw_more(EvidenceKind::Measurement, title, found, |evidence| {
        evidence.figures = Some(figures);
    });
    let did = "measure the health check of both side by side";
    let percent = ratio * 100.0;
    let expected = format!("not slower than the margin ({percent:.0} % and at least {ms} ms)");
    match slower(run, found) {
        Slower::No => Ok(()),
        Slower::Yes => check(did, found).must(expected, false),
        Slower::CannotTell => {
            let seen = format!("the noise is wider than the margin: {found}");
            check(did, seen).control(expected, false)
        }
    }
}
