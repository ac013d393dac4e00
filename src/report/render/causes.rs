//! What the failures come from: each cause once, with the failures that it accounts for.

use super::{
    Style,
    failure::fields,
    table::{BOLD, RED},
    text::{line, lines, md_fence, md_inline, md_prose},
    words::say,
};
use crate::{
    plan::{ItemId, Lang},
    report::{Cause, RunReport},
};

/// The number of the cause that accounts for an item's failure, from 1.
pub fn number(report: &RunReport, item: ItemId) -> Option<usize> {
    let of = |cause: &Cause| cause.explains.contains(&item);
    report.causes.iter().position(of).map(|at| at + 1)
}

/// Whether a cause shows the failure of an item, so that it need not be shown again.
pub fn is_told(report: &RunReport, item: ItemId) -> bool {
    report
        .causes
        .iter()
        .any(|cause| cause.explains.contains(&item) && cause.shown_by != item)
}

fn explains(cause: &Cause) -> String {
    let items: Vec<String> = cause.explains.iter().map(ItemId::to_string).collect();
    items.join(", ")
}

/// At a terminal, a block a cause.
pub fn table(report: &RunReport, style: Style) -> Vec<String> {
    let lang = style.lang;
    let block = |(cause, no): (&Cause, usize)| {
        let title = match lang {
            Lang::En => format!("Cause {no}: {}", cause.cause.en),
            Lang::Ja => format!("原因{no}：{}", cause.cause.ja),
        };
        let mut look = lines(cause.remedy.get(lang)).trim_end().to_owned();
        for command in &cause.look {
            look.push_str(&format!("\n    {}", line(command)));
        }
        let seen = format!("({}) {}", cause.shown_by, lines(&cause.seen));
        let shown = [
            (say(lang, "explains", "該当項目"), explains(cause)),
            (say(lang, "seen", "結果"), seen),
            (say(lang, "next", "対応"), look),
        ];
        let head = style.paint(RED, &style.paragraph(2, &line(&title)));
        head + &fields(&shown, style)
    };
    let mut blocks: Vec<String> = report.causes.iter().zip(1..).map(block).collect();
    if let Some(first) = blocks.first_mut() {
        let title = say(lang, "What it comes from", "推定原因");
        *first = format!("{}\n{first}", style.paint(BOLD, title));
    }
    blocks
}

/// In the file, a section where there is a cause.
pub fn markdown(report: &RunReport, lang: Lang) -> Option<String> {
    if report.causes.is_empty() {
        return None;
    }
    let mut text = String::from(say(lang, "### What it comes from\n", "### 推定原因\n"));
    for (cause, no) in report.causes.iter().zip(1..) {
        text.push_str(&format!(
            "\n{no}. **{}** ({} {})\n\n",
            md_inline(cause.cause.get(lang)),
            say(lang, "explains", "該当項目："),
            explains(cause)
        ));
        let seen = md_fence(&format!("({}) {}", cause.shown_by, lines(&cause.seen)));
        text.push_str(&seen);
        let remedy = md_prose(cause.remedy.get(lang));
        text.push_str(&format!("\n{}\n", remedy.trim_end()));
        if !cause.look.is_empty() {
            text.push_str(&format!("\n{}", md_fence(&cause.look.join("\n"))));
        }
    }
    Some(text)
}
