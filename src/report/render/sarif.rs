//! Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{lint::Finding, plan::Lang};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The findings as a SARIF log with one run, pretty, with a line end.
///
/// # Errors
/// Never for what this program makes; as `serde_json` says otherwise.
pub fn sarif(findings: &[Finding], lang: Lang) -> Result<String, serde_json::Error> {
    let mut rules: BTreeMap<&str, &Finding> = BTreeMap::new();
    for finding in findings {
        rules.entry(&finding.rule).or_insert(finding);
    }
    let index: BTreeMap<&str, usize> = rules.keys().copied().zip(0..).collect();
    let described: Vec<Value> = rules
        .iter()
        .map(|(id, finding)| {
            json!({
                "id": id,
                "shortDescription": {"text": finding.why.get(lang)},
                "help": {"text": finding.remedy.get(lang)},
            })
        })
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let rule = finding.rule.as_str();
            let words = [&finding.what, &finding.why, &finding.remedy];
            json!({
                "ruleId": rule,
                "ruleIndex": index.get(rule),
                "level": finding.level.name(),
                "message": {"text": words.map(|text| text.get(lang)).join("\n")},
                "locations": [{
                    "physicalLocation": {
                        "artifactLocation": {"uri": uri(finding)},
                        "region": {"startLine": finding.line.max(1)},
                    }
                }],
            })
        })
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "verify",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": described,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    super::text::json(&log)
}

/// The file as a URI reference: what may not stand in a path is escaped (RFC 3986).
fn uri(finding: &Finding) -> String {
    let path = finding.file.to_string_lossy().replace('\\', "/");
    let start = if path.starts_with('/') { "file://" } else { "" };
    let escaped = path.bytes().map(|byte| match byte {
        b'A'..=b'Z'
        | b'a'..=b'z'
        | b'0'..=b'9'
        | b'/'
        | b'-'
        | b'.'
        | b'_'
        | b'~'
        | b'+'
        | b'@' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    format!("{start}{}", escaped.collect::<String>())
}
