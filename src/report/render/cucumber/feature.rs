//! The features that the messages bring along: written from a report's items.

use serde_json::{Value, json};

use crate::{
    engine::event::StepStatus,
    report::{
        view::{Group, Item},
        words::Words,
    },
    verdict::Outcome,
};

/// The words that a step begins with.
const KEYWORDS: [&str; 5] = ["Given", "When", "Then", "And", "But"];

/// A phase as a feature.
pub struct Feature {
    /// Its text.
    pub source: Value,
    /// The text as it is understood.
    pub document: Value,
    /// What is run of each item.
    pub pickles: Vec<Value>,
    /// Its items.
    pub scenarios: Vec<Scenario>,
}

/// An item as a scenario.
pub struct Scenario {
    /// The id of its pickle.
    pub pickle: String,
    /// Its steps; one at least.
    pub steps: Vec<Step>,
}

/// A step by the ids that the messages call it.
pub struct Step {
    /// Of the pickle.
    pub pickle: String,
    /// Of the test case.
    pub test: String,
    /// What became of it.
    pub status: StepStatus,
    /// How long it took.
    pub duration_ms: f64,
    keyword: String,
    text: String,
}

impl Scenario {
    /// The step that tells what became of the whole: the one that failed, else the last.
    pub fn telling(&self) -> Option<usize> {
        let failed = |step: &Step| step.status == StepStatus::Failed;
        let last = self.steps.len().checked_sub(1);
        self.steps.iter().position(failed).or(last)
    }
}

/// A phase as a feature.
pub fn feature(group: &Group, w: &Words) -> Feature {
    let uri = match group.phase {
        0 => "extended.feature".to_owned(),
        no => format!("phase-{no}.feature"),
    };
    let mut text = Text(vec![format!("Feature: {}", group.title)]);
    let mut children = Vec::new();
    let mut pickles = Vec::new();
    let mut scenarios = Vec::new();
    for item in &group.items {
        text.0.push(String::new());
        let (child, pickle, scenario) = scenario(item, &uri, &mut text, w);
        children.push(Value::Object(
            [("scenario".to_owned(), child)].into_iter().collect(),
        ));
        pickles.push(pickle);
        scenarios.push(scenario);
    }
    let mut document = json!({
        "uri": uri,
        "feature": {
            "location": {"line": 1, "column": 1},
            "tags": [],
            "language": "en",
            "keyword": "Feature",
            "name": group.title,
            "description": "",
        },
        "comments": [],
    });
    document["feature"]["children"] = Value::Array(children);
    Feature {
        source: json!({
            "uri": uri,
            "data": text.0.join("\n") + "\n",
            "mediaType": "text/x.cucumber.gherkin+plain",
        }),
        document,
        pickles,
        scenarios,
    }
}

/// The lines so far.
struct Text(Vec<String>);

impl Text {
    /// One more, and where it stands.
    fn push(&mut self, line: String) -> Value {
        let column = line.len() - line.trim_start().len() + 1;
        self.0.push(line);
        json!({"line": self.0.len(), "column": column})
    }
}

/// The scenario in the document, its pickle, and what the test cases need of it.
fn scenario(item: &Item, uri: &str, text: &mut Text, w: &Words) -> (Value, Value, Scenario) {
    let id = &item.id;
    let name = item.name();
    let tags = [
        format!("@item-{id}"),
        format!("@{}", item.weight_for_programs.replace(' ', "-")),
    ];
    let at = text.push(format!("  {}", tags.join(" ")));
    let tag_id = |no: usize| format!("tag-{id}-{no}");
    let ast_tags: Vec<Value> = tags
        .iter()
        .enumerate()
        .map(|(no, tag)| json!({"location": at, "name": tag, "id": tag_id(no)}))
        .collect();
    let pickle_tags: Vec<Value> = tags
        .iter()
        .enumerate()
        .map(|(no, tag)| json!({"name": tag, "astNodeId": tag_id(no)}))
        .collect();
    let at = text.push(format!("  Scenario: {name}"));
    let steps = steps(item, w);
    let mut ast_steps = Vec::new();
    let mut pickle_steps = Vec::new();
    for (step, no) in steps.iter().zip(1..) {
        let ast_id = format!("step-{id}-{no}");
        let (keyword, words) = (&step.keyword, &step.text);
        let at = text.push(format!("    {keyword}{words}"));
        ast_steps.push(json!({"location": at, "keyword": keyword, "text": words, "id": ast_id}));
        pickle_steps.push(json!({"id": step.pickle, "text": words, "astNodeIds": [ast_id]}));
    }
    let scenario_id = format!("scenario-{id}");
    let mut child = json!({
        "location": at,
        "tags": ast_tags,
        "keyword": "Scenario",
        "name": name,
        "description": "",
        "examples": [],
        "id": scenario_id,
    });
    child["steps"] = Value::Array(ast_steps);
    let pickle_id = format!("pickle-{id}");
    let mut pickle = json!({
        "id": pickle_id,
        "uri": uri,
        "location": at,
        "name": name,
        "language": "en",
        "tags": pickle_tags,
        "astNodeIds": [scenario_id],
    });
    pickle["steps"] = Value::Array(pickle_steps);
    let scenario = Scenario {
        pickle: pickle_id,
        steps,
    };
    (child, pickle, scenario)
}

/// The item's steps; and where none of them says why it did not pass, one that does.
fn steps(item: &Item, w: &Words) -> Vec<Step> {
    let step = |no: usize, keyword: &str, text: &str, status, duration_ms| Step {
        pickle: format!("pickle-step-{}-{no}", item.id),
        test: format!("test-step-{}-{no}", item.id),
        status,
        duration_ms,
        keyword: format!("{keyword} "),
        text: text.to_owned(),
    };
    let own = item.steps.iter().zip(1..).map(|(record, no)| {
        let words = record.text.split_once(' ');
        let known = words.filter(|(first, _)| KEYWORDS.contains(first));
        let (keyword, text) = known.unwrap_or(("*", &record.text));
        step(no, keyword, text, record.status, record.duration_ms)
    });
    let mut steps: Vec<Step> = own.collect();
    let says_why = steps.iter().any(|step| step.status == StepStatus::Failed);
    let (text, status) = match item.outcome {
        Outcome::Passed if steps.is_empty() => (w.step_holds, StepStatus::Passed),
        Outcome::Passed => return steps,
        Outcome::Skipped | Outcome::NotSelected => (w.step_skipped, StepStatus::Skipped),
        Outcome::Failed | Outcome::Inconclusive if says_why => return steps,
        Outcome::Failed | Outcome::Inconclusive => (w.step_judged, StepStatus::Failed),
    };
    steps.push(step(steps.len() + 1, "*", text, status, 0.0));
    steps
}
