//! The plan's rollback procedure (ロールバック手順), as a person would type it.

use crate::{plan::Text, report::RollbackStep};

/// Title (English, Japanese) and command of each step, verbatim from the plan.
const STEPS: [(&str, &str, &str); 5] = [
    (
        "Restore from the backup",
        "バックアップからリストア",
        "sudo docker compose exec openresty cp \\\n  \
         /usr/local/openresty/nginx/conf/nginx.conf.backup_v10_20251108 \\\n  \
         /usr/local/openresty/nginx/conf/nginx.conf",
    ),
    (
        "Syntax check",
        "構文チェック",
        "sudo docker compose exec openresty openresty -t",
    ),
    ("Restart", "再起動", "sudo docker compose restart openresty"),
    (
        "Health check",
        "ヘルスチェック",
        "curl -s http://localhost:8080/health | jq .",
    ),
    (
        "Check the logs",
        "ログ確認",
        "sudo docker compose logs --tail=50 openresty",
    ),
];

/// The plan's five steps, none of them tried yet.
#[must_use]
pub fn steps() -> Vec<RollbackStep> {
    STEPS
        .iter()
        .map(|(en, ja, command)| RollbackStep {
            title: Text {
                en: (*en).to_owned(),
                ja: (*ja).to_owned(),
            },
            command: (*command).to_owned(),
            ok: None,
            seen: String::new(),
        })
        .collect()
}
