//! Why a verdict is what it is, in a person's words.

use crate::{
    engine::event::RunEnd,
    model::outcome::Outcome,
    plan::{Checklist, ItemId, Lang, Text},
    report::ItemReport,
    words::{self, fill},
};

/// One reason of a verdict.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Only some of the plan's items were selected.
    Partial { selected: usize, of: usize },
    /// The plan has no required item, so nothing can be concluded from it.
    NothingRequired,
    /// Items that did not pass: one, or several for the very same cause.
    Items {
        /// Their numbers and titles; never empty.
        items: Vec<(ItemId, Text)>,
        /// Their place in the checklist; `None` for extended checks.
        checklist: Option<Checklist>,
        outcome: Outcome,
        /// Why they did not run or are inconclusive.
        why: Option<String>,
    },
    /// The run did not come to its end; `None` where it was killed.
    NotCompleted(Option<RunEnd>),
    /// Nothing to hold against it.
    AllPassed { items: usize, extended: usize },
}

impl Reason {
    fn item(item: &ItemReport) -> Self {
        let outcome = item.outcome();
        Self::Items {
            items: vec![(item.id, item.title.clone())],
            checklist: matches!(item.id, ItemId::Plan { .. }).then_some(item.checklist),
            outcome,
            why: match outcome {
                Outcome::Passed | Outcome::Failed => None,
                _ => item.reason.clone(),
            },
        }
    }

    /// The reasons of these items: one each, but for those that share their cause.
    pub(super) fn of_items<'a>(items: impl IntoIterator<Item = &'a ItemReport>) -> Vec<Self> {
        let mut reasons: Vec<Self> = Vec::new();
        for item in items {
            let reason = Self::item(item);
            let cause = reason.cause();
            match reasons
                .iter_mut()
                .find(|known| cause.is_some() && known.cause() == cause)
            {
                Some(Self::Items { items, .. }) => items.push((item.id, item.title.clone())),
                _ => reasons.push(reason),
            }
        }
        reasons
    }

    /// What reasons have in common that are told as one.
    fn cause(&self) -> Option<(Option<Checklist>, Outcome, String)> {
        match self {
            Self::Items {
                checklist,
                outcome,
                why: Some(why),
                ..
            } => Some((*checklist, *outcome, why.clone())),
            _ => None,
        }
    }

    /// The reason as one sentence.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        let w = words::words(lang);
        let sentence = |sentence, reason: &String| fill(sentence, &[("reason", reason)]);
        match self {
            Self::Partial { selected, of } => {
                fill(w.because_partial, &[("selected", selected), ("of", of)])
            }
            Self::NothingRequired => w.because_nothing_required.to_owned(),
            Self::Items {
                items,
                checklist,
                outcome,
                why,
            } => {
                let weight = checklist.map_or(w.extended_check, |it| words::checklist(it, lang));
                let sentence = match outcome {
                    Outcome::Passed => w.because_passed,
                    Outcome::Failed => w.because_failed,
                    Outcome::Inconclusive => w.because_inconclusive,
                    Outcome::Skipped | Outcome::NotSelected => w.because_skipped,
                };
                let items = names(items, lang);
                let told = fill(sentence, &[("items", &items), ("weight", &weight)]);
                match why {
                    None => told,
                    Some(why) => fill(w.because, &[("told", &told), ("why", why)]),
                }
            }
            Self::NotCompleted(None) => w.because_killed.to_owned(),
            Self::NotCompleted(Some(RunEnd::Completed)) => w.because_completed.to_owned(),
            Self::NotCompleted(Some(RunEnd::Interrupted { signal })) => {
                fill(w.because_interrupted, &[("signal", signal)])
            }
            Self::NotCompleted(Some(RunEnd::Broken { reason })) => {
                sentence(w.because_broken, reason)
            }
            Self::NotCompleted(Some(RunEnd::Integrity { reason })) => {
                sentence(w.because_integrity, reason)
            }
            Self::AllPassed { items, extended: 0 } => {
                fill(w.because_all_passed, &[("items", items)])
            }
            Self::AllPassed { items, extended } => fill(
                w.because_all_passed_extended,
                &[("items", items), ("extended", extended)],
            ),
        }
    }
}

/// One item with its title, several by their numbers.
fn names(items: &[(ItemId, Text)], lang: Lang) -> String {
    if let [(id, title)] = items {
        return format!("{id} {}", title.get(lang));
    }
    let ids: Vec<String> = items.iter().map(|(id, _)| id.to_string()).collect();
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::id;

    #[test]
    fn every_reason_is_told_in_both_languages() {
        let items = |outcome, checklist, why: Option<&str>| Reason::Items {
            items: vec![(
                id("3.1"),
                Text {
                    en: "Context".to_owned(),
                    ja: "文脈".to_owned(),
                },
            )],
            checklist,
            outcome,
            why: why.map(str::to_owned),
        };
        let signal = "SIGINT".to_owned();
        let reason = "redis died".to_owned();
        for (told, en, ja) in [
            (
                Reason::Partial {
                    selected: 2,
                    of: 25,
                },
                "partial run: 2 of 25 items were selected, so there is no verdict",
                "部分実行：25項目のうち2項目のみを選択したため、総合評価はありません",
            ),
            (
                Reason::NothingRequired,
                "the plan has no required item, so nothing can be concluded",
                "計画に必須項目がないため、判定できません",
            ),
            (
                items(Outcome::Failed, Some(Checklist::Required), None),
                "3.1 Context (required): failed (candidate)",
                "3.1 文脈（必須項目）は新しい設定が原因で失敗しました",
            ),
            (
                items(Outcome::Skipped, Some(Checklist::Unlisted), Some("why")),
                "3.1 Context (not in the checklist): did not run: why",
                "3.1 文脈（チェックリスト外）は実施されませんでした：why",
            ),
            (
                items(Outcome::Inconclusive, None, Some("why")),
                "3.1 Context (extended check): inconclusive (harness error): why",
                "3.1 文脈（追加検証）は検証環境の問題で判定できませんでした：why",
            ),
            (
                Reason::NotCompleted(None),
                "the run was killed before its end",
                "検証は途中で強制終了されました",
            ),
            (
                Reason::NotCompleted(Some(RunEnd::Interrupted { signal })),
                "the run was interrupted by SIGINT",
                "検証は SIGINT により中断されました",
            ),
            (
                Reason::NotCompleted(Some(RunEnd::Broken { reason })),
                "the run broke off (harness error): redis died",
                "検証環境の問題で検証が途中で終了しました：redis died",
            ),
            (
                Reason::AllPassed {
                    items: 25,
                    extended: 0,
                },
                "all 25 items passed",
                "全25項目が成功しました",
            ),
            (
                Reason::AllPassed {
                    items: 25,
                    extended: 17,
                },
                "all 25 items and 17 extended checks passed",
                "全25項目と追加検証17項目が成功しました",
            ),
        ] {
            assert_eq!((&*told.text(Lang::En), &*told.text(Lang::Ja)), (en, ja));
        }
    }
}
