//! The plan and its features.

use super::{super::config::At, Finding, Inputs, Level, finding, text};

/// Items without a scenario, steps without a definition: what keeps a run from starting.
pub fn uncovered(inputs: &Inputs) -> Vec<Finding> {
    let problems = inputs.plan.iter();
    problems
        .map(|problem| {
            let at = At {
                file: problem.path.as_path().into(),
                line: problem.line,
            };
            finding(
                "plan-problem",
                Level::Error,
                &at,
                text(problem.text.clone(), problem.text.clone()),
                text(
                    "such a plan cannot be run: an item would be checked by nothing",
                    "この計画は実行できません。検証されない項目が残ります",
                ),
                text(
                    "correct the plan bundle; `verify steps` lists the steps that there are",
                    "計画のファイルを修正してください。使用できるステップは `verify steps` で確認できます",
                ),
            )
        })
        .collect()
}
