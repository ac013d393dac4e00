//! One piece of evidence as it was seen.

use serde::Serialize;

use super::{
    items::{Decisive, Shown},
    plot::{Plot, plot},
};
use crate::{
    evidence::{Evidence, EvidenceKind, Image},
    plan::Lang,
    report::{
        render::{
            text::{line, lines},
            words::evidence_kind,
        },
        trace::halves,
    },
};

/// A piece of evidence.
#[derive(Serialize)]
pub struct EvidenceView {
    id: String,
    kind: &'static str,
    title: String,
    /// Where the same body stands already: its id and label.
    same: Option<(String, String)>,
    /// What was asked, where it is an exchange.
    request: String,
    /// What it says, in parts that decide and parts that do not.
    body: Vec<Segment>,
    image: Option<String>,
    plot: Option<Plot>,
}

/// Lines that belong together.
#[derive(Serialize)]
pub struct Segment {
    decisive: bool,
    text: String,
}

/// How a piece of evidence is shown.
pub fn view(
    one: &Evidence,
    item: &str,
    no: usize,
    decisive: &Decisive,
    lang: Lang,
    shown: &mut Shown,
) -> EvidenceView {
    let id = format!("e-{item}-{no}");
    let title = line(&one.title);
    let same = shown.before(&one.body, &id, &format!("{item}: {title}"));
    let (request, body) = match one.kind {
        EvidenceKind::Exchange => halves(&one.body),
        _ => (String::new(), one.body.clone()),
    };
    let is_log = matches!(one.kind, EvidenceKind::Log);
    let body = segments(lines(&body).trim_end(), |line| is_log && decisive.is(line));
    EvidenceView {
        id,
        kind: evidence_kind(one.kind, lang),
        title,
        request: match same {
            None => lines(&request).trim_end().to_owned(),
            Some(_) => String::new(),
        },
        body: match same {
            None => body,
            Some(_) => Vec::new(),
        },
        same,
        image: one.image.as_ref().and_then(source),
        plot: one.figures.as_ref().map(|figures| plot(figures, lang)),
    }
}

/// A text in parts, by whether their lines decide.
pub fn segments(text: &str, decides: impl Fn(&str) -> bool) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for line in text.lines() {
        let decisive = decides(line);
        match segments.last_mut() {
            Some(last) if last.decisive == decisive => {
                last.text.push('\n');
                last.text.push_str(line);
            }
            _ => segments.push(Segment {
                decisive,
                text: line.to_owned(),
            }),
        }
    }
    segments
}

/// A picture as the address of its own bytes; `None` for what is no picture.
fn source(image: &Image) -> Option<String> {
    let known = matches!(image.media_type.as_str(), "image/png" | "image/jpeg");
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    (known && image.data.bytes().all(base64))
        .then(|| format!("data:{};base64,{}", image.media_type, image.data))
}
