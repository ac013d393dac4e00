//! The traces of an item's requests at a terminal.

use super::style::{BOLD, Style};
use crate::report::{
    ItemReport,
    text::line,
    trace::{Trace, traces},
    view::trace_stops,
    words::{self, fill},
};

/// Every request of an item that was followed, place by place; `None` where there is none.
#[must_use]
pub fn trace(item: &ItemReport, style: Style) -> Option<String> {
    let found = traces(item);
    if found.is_empty() {
        return None;
    }
    let outcome = words::outcome(item.outcome(), style.lang);
    let title = format!("{} {}: {outcome}", item.id, item.title.get(style.lang));
    let mut parts = vec![style.paint(BOLD, &style.paragraph(2, &line(&title)))];
    parts.extend(found.iter().map(|trace| one(trace, style)));
    Some(parts.join("\n\n") + "\n")
}

fn one(trace: &Trace<'_>, style: Style) -> String {
    let nonce = line(trace.nonce);
    let mut text = fill(words::words(style.lang).trace_of, &[("nonce", &nonce)]);
    for (stop, no) in trace_stops(trace, style.lang).iter().zip(1..) {
        let name = style.paint(BOLD, stop.place);
        text.push_str(&format!("\n\n  {no}. {name}"));
        let parts = stop.text.iter().map(|part| part.text.clone());
        let change = (stop.change.iter())
            .map(|(label, value)| format!("{label}:\n  {}", value.replace('\n', "\n  ")));
        for part in parts.chain(change).chain([stop.unseen.to_owned()]) {
            for line in part.lines() {
                text.push_str(format!("\n     {line}").trim_end());
            }
        }
    }
    text
}
