//! Why a verdict is what it is, in a person's words.

use crate::{
    engine::event::RunEnd,
    plan::{Checklist, ItemId, Lang, Text},
    report::ItemReport,
};

use super::judge::{Standing, standing};

/// One reason of a verdict.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Only some of the plan's items were chosen.
    Partial {
        /// How many.
        chosen: usize,
        /// Of how many.
        of: usize,
    },
    /// The plan has no required item, so nothing can be concluded from it.
    NothingRequired,
    /// Items that did not pass: one, or several for the very same cause.
    Items {
        /// Their numbers and titles; never empty.
        items: Vec<(ItemId, Text)>,
        /// Their place in the checklist; `None` for extended checks.
        checklist: Option<Checklist>,
        /// What they count as.
        standing: Standing,
        /// Why they did not run or could not tell.
        why: Option<String>,
    },
    /// The run was not gone through to its end; `None` where it was killed.
    NotCompleted(Option<RunEnd>),
    /// Nothing to hold against it.
    AllPassed {
        /// The plan's items.
        items: usize,
        /// The extended checks.
        extended: usize,
    },
}

impl Reason {
    fn item(item: &ItemReport) -> Self {
        let extended = matches!(item.id, ItemId::Extended(_));
        let standing = standing(item);
        Self::Items {
            items: vec![(item.id, item.title.clone())],
            checklist: (!extended).then_some(item.checklist),
            standing,
            why: match standing {
                Standing::Passed | Standing::Failed => None,
                Standing::Skipped | Standing::Unclear => item.reason.clone(),
            },
        }
    }

    /// The reasons of these items: one each, but for those that share their cause.
    pub(super) fn of_items<'a>(items: impl IntoIterator<Item = &'a ItemReport>) -> Vec<Self> {
        let mut reasons: Vec<Self> = Vec::new();
        for item in items {
            let reason = Self::item(item);
            match reasons.iter_mut().find(|known| known.shares_cause(&reason)) {
                Some(Self::Items { items, .. }) => items.push((item.id, item.title.clone())),
                _ => reasons.push(reason),
            }
        }
        reasons
    }

    fn shares_cause(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Items {
                    checklist,
                    standing,
                    why: Some(why),
                    ..
                },
                Self::Items {
                    checklist: other_checklist,
                    standing: other_standing,
                    why: Some(other_why),
                    ..
                },
            ) => (checklist, standing, why) == (other_checklist, other_standing, other_why),
            _ => false,
        }
    }

    /// The reason as one sentence.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::En => self.english(),
            Lang::Ja => self.japanese(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Partial { chosen, of } => {
                format!("partial run: {chosen} of {of} items were chosen, so there is no verdict")
            }
            Self::NothingRequired => {
                "the plan has no required item, so nothing can be concluded".to_owned()
            }
            Self::Items {
                items,
                checklist,
                standing,
                why,
            } => {
                let weight = match checklist {
                    Some(Checklist::Required) => "required",
                    Some(Checklist::Important) => "important",
                    Some(Checklist::Recommended) => "recommended",
                    Some(Checklist::Unlisted) => "not in the checklist",
                    None => "extended check",
                };
                let what = match standing {
                    Standing::Passed => "passed",
                    Standing::Failed => "failed by the candidate's fault",
                    Standing::Skipped => "did not run",
                    Standing::Unclear => "could not tell, by the harness's fault",
                };
                let why = why.as_ref().map_or(String::new(), |why| format!(": {why}"));
                format!("{} ({weight}) {what}{why}", names(items, Lang::En))
            }
            Self::NotCompleted(None) => "the run was killed before its end".to_owned(),
            Self::NotCompleted(Some(RunEnd::Completed)) => "the run was completed".to_owned(),
            Self::NotCompleted(Some(RunEnd::Interrupted { signal })) => {
                format!("the run was interrupted by {signal}")
            }
            Self::NotCompleted(Some(RunEnd::Broken { reason })) => {
                format!("the run broke off by the harness's fault: {reason}")
            }
            Self::NotCompleted(Some(RunEnd::Integrity { reason })) => {
                format!("integrity: no result of this run counts: {reason}")
            }
            Self::AllPassed { items, extended: 0 } => {
                format!("all {items} items passed")
            }
            Self::AllPassed { items, extended } => {
                format!("all {items} items and {extended} extended checks passed")
            }
        }
    }

    fn japanese(&self) -> String {
        match self {
            Self::Partial { chosen, of } => {
                format!(
                    "部分実行：{of}項目のうち{chosen}項目のみを選択したため、総合評価はありません"
                )
            }
            Self::NothingRequired => "計画に必須項目がないため、判定できません".to_owned(),
            Self::Items {
                items,
                checklist,
                standing,
                why,
            } => {
                let weight = match checklist {
                    Some(Checklist::Required) => "必須項目",
                    Some(Checklist::Important) => "重要項目",
                    Some(Checklist::Recommended) => "推奨項目",
                    Some(Checklist::Unlisted) => "チェックリスト外",
                    None => "追加検証",
                };
                let what = match standing {
                    Standing::Passed => "成功しました",
                    Standing::Failed => "新しい設定が原因で失敗しました",
                    Standing::Skipped => "実施されませんでした",
                    Standing::Unclear => "検証環境の問題で判定できませんでした",
                };
                let why = why.as_ref().map_or(String::new(), |why| format!("：{why}"));
                format!("{}（{weight}）は{what}{why}", names(items, Lang::Ja))
            }
            Self::NotCompleted(None) => "検証は途中で強制終了されました".to_owned(),
            Self::NotCompleted(Some(RunEnd::Completed)) => "検証は最後まで行われました".to_owned(),
            Self::NotCompleted(Some(RunEnd::Interrupted { signal })) => {
                format!("検証は {signal} により中断されました")
            }
            Self::NotCompleted(Some(RunEnd::Broken { reason })) => {
                format!("検証環境の問題で検証が途中で終了しました：{reason}")
            }
            Self::NotCompleted(Some(RunEnd::Integrity { reason })) => {
                format!("完全性：この検証の結果はすべて無効です：{reason}")
            }
            Self::AllPassed { items, extended: 0 } => format!("全{items}項目が成功しました"),
            Self::AllPassed { items, extended } => {
                format!("全{items}項目と追加検証{extended}項目が成功しました")
            }
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
        let items = |standing, checklist, why: Option<&str>| Reason::Items {
            items: vec![(
                id("3.1"),
                Text {
                    en: "Context".to_owned(),
                    ja: "文脈".to_owned(),
                },
            )],
            checklist,
            standing,
            why: why.map(str::to_owned),
        };
        let signal = "SIGINT".to_owned();
        let reason = "redis died".to_owned();
        for (told, en, ja) in [
            (
                Reason::Partial { chosen: 2, of: 25 },
                "partial run: 2 of 25 items were chosen, so there is no verdict",
                "部分実行：25項目のうち2項目のみを選択したため、総合評価はありません",
            ),
            (
                Reason::NothingRequired,
                "the plan has no required item, so nothing can be concluded",
                "計画に必須項目がないため、判定できません",
            ),
            (
                items(Standing::Failed, Some(Checklist::Required), None),
                "3.1 Context (required) failed by the candidate's fault",
                "3.1 文脈（必須項目）は新しい設定が原因で失敗しました",
            ),
            (
                items(Standing::Skipped, Some(Checklist::Unlisted), Some("why")),
                "3.1 Context (not in the checklist) did not run: why",
                "3.1 文脈（チェックリスト外）は実施されませんでした：why",
            ),
            (
                items(Standing::Unclear, None, Some("why")),
                "3.1 Context (extended check) could not tell, by the harness's fault: why",
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
                "the run broke off by the harness's fault: redis died",
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
