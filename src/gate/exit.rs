//! The exit codes of `verify`: the one documented list.

use std::process::ExitCode;

use crate::plan::Lang;

/// How `verify` ends. Everything that ends the program goes through this.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExitStatus {
    /// 0: pass; with `--allow-conditional` a conditional pass too; for a partial run,
    /// everything chosen passed.
    Pass,
    /// 1: fail, roll back; for a partial run, the candidate failed something chosen.
    Fail,
    /// 2: what was typed, configured or given as a report is wrong.
    Usage,
    /// 3: conditional pass.
    Conditional,
    /// 4: no judgement: the harness or its environment failed, or a required item did not run.
    Inconclusive,
    /// 130: interrupted.
    Interrupted,
}

impl ExitStatus {
    /// Every status, in the order of the codes.
    pub const ALL: [Self; 6] = [
        Self::Pass,
        Self::Fail,
        Self::Usage,
        Self::Conditional,
        Self::Inconclusive,
        Self::Interrupted,
    ];

    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Usage => 2,
            Self::Conditional => 3,
            Self::Inconclusive => 4,
            Self::Interrupted => 130,
        }
    }

    /// What it means, in one line.
    #[must_use]
    pub fn meaning(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (Self::Pass, Lang::En) => "pass; for a partial run, everything chosen passed",
            (Self::Pass, Lang::Ja) => "合格（部分実行では、選択した項目が全て成功）",
            (Self::Fail, Lang::En) => {
                "fail, roll back; for a partial run, the candidate failed something chosen"
            }
            (Self::Fail, Lang::Ja) => {
                "不合格、ロールバックが必要（部分実行では、新しい設定が原因の失敗あり）"
            }
            (Self::Usage, Lang::En) => "usage or configuration error, or an invalid report",
            (Self::Usage, Lang::Ja) => "使用方法または設定の誤り、または不正なレポート",
            (Self::Conditional, Lang::En) => "conditional pass (0 with --allow-conditional)",
            (Self::Conditional, Lang::Ja) => "条件付き合格（--allow-conditional では 0）",
            (Self::Inconclusive, Lang::En) => {
                "inconclusive: the harness or its environment failed, or a required item did not run"
            }
            (Self::Inconclusive, Lang::Ja) => {
                "判定不能：検証環境の問題、または必須項目が実施されなかった"
            }
            (Self::Interrupted, Lang::En) => "interrupted",
            (Self::Interrupted, Lang::Ja) => "中断",
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_the_documented_ones() {
        let codes: Vec<u8> = ExitStatus::ALL.map(ExitStatus::code).to_vec();
        assert_eq!(codes, [0, 1, 2, 3, 4, 130]);
    }

    #[test]
    fn the_process_ends_with_the_code_of_the_status() {
        for status in ExitStatus::ALL {
            let (ended, meant) = (ExitCode::from(status), ExitCode::from(status.code()));
            assert_eq!(format!("{ended:?}"), format!("{meant:?}"));
        }
    }

    #[test]
    fn every_status_has_a_meaning_of_its_own_in_each_language() {
        let of = |lang| ExitStatus::ALL.map(|status| status.meaning(lang));
        let mut meanings = [of(Lang::En), of(Lang::Ja)].concat();
        assert!(meanings.iter().all(|meaning| meaning.len() > 5));
        meanings.sort_unstable();
        meanings.dedup();
        assert_eq!(meanings.len(), 2 * ExitStatus::ALL.len());
    }
}
