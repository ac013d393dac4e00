//! What the pages hold of the code: tables and lists, as Markdown.

mod commands;
mod schema;

use std::collections::BTreeMap;

use verify::{
    gate::ExitStatus,
    mutation::{Catalogue, Mutant},
    plan::{Bundle, Checklist, ItemId, Lang, Phase, Priority, Rule},
    schema::Document,
    steps::{
        codes,
        registry::{self, Keyword},
    },
};

use crate::support::root;

/// Every part that some page must have.
pub const PARTS: &[&str] = &[
    "exit-codes",
    "commands",
    "environment",
    "items",
    "steps",
    "codes",
    "rules",
    "catalogue",
    "schema report",
    "schema profile",
    "schema plan",
    "schema diagnosis",
    "schema mutants",
];

/// A part by its name.
pub fn part(name: &str) -> String {
    match name {
        "exit-codes" => exit_codes(),
        "commands" => commands::commands(),
        "environment" => commands::environment(),
        "items" => items(),
        "steps" => steps(),
        "codes" => codes(),
        "rules" => rules(),
        "catalogue" => catalogue(),
        _ => {
            let document = name.strip_prefix("schema ").and_then(|name| {
                Document::ALL
                    .into_iter()
                    .find(|document| document.name() == name)
            });
            schema::fields(document.unwrap_or_else(|| panic!("nothing makes `{name}`")))
        }
    }
}

/// A table; cells may hold what ends one.
fn table<const N: usize>(heads: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", heads.join(" | "), " --- |".repeat(N));
    for row in rows {
        let cells = row.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

fn exit_codes() -> String {
    let row = |status: ExitStatus| {
        let code = status.code().to_string();
        [code, status.meaning(Lang::En).to_owned()]
    };
    table(["code", "meaning"], ExitStatus::ALL.map(row))
}

/// The bundle that is shipped.
fn bundle() -> Bundle {
    Bundle::load(&root().join("features")).expect("the shipped plan")
}

fn shipped_mutants(bundle: &Bundle) -> Vec<Mutant> {
    let known = bundle.items().collect();
    let path = root().join("fixtures/mutants");
    let catalogue = Catalogue::load(&path, &known).expect("the shipped mutants");
    catalogue.mutants
}

fn items() -> String {
    let bundle = bundle();
    let mut caught: BTreeMap<ItemId, usize> = BTreeMap::new();
    for mutant in shipped_mutants(&bundle) {
        for item in mutant.breaks {
            *caught.entry(item).or_default() += 1;
        }
    }
    let phase = |phase: &Phase| {
        let rows = phase.items.iter().map(|item| {
            [
                item.id.to_string(),
                item.title.get(Lang::En).to_owned(),
                weight(item.checklist).to_owned(),
                priority(item.priority).to_owned(),
                caught
                    .get(&item.id)
                    .copied()
                    .unwrap_or_default()
                    .to_string(),
                item.why.get(Lang::En).to_owned(),
            ]
        });
        let heads = ["item", "title", "weight", "priority", "mutants", "why"];
        format!("## {}\n\n{}\n", title(phase), table(heads, rows))
    };
    bundle.phases.iter().map(phase).collect()
}

fn title(phase: &Phase) -> String {
    match phase.no {
        0 => phase.title.get(Lang::En).to_owned(),
        no => format!("Phase {no}: {}", phase.title.get(Lang::En)),
    }
}

fn weight(checklist: Checklist) -> &'static str {
    match checklist {
        Checklist::Required => "required",
        Checklist::Important => "important",
        Checklist::Recommended => "recommended",
        Checklist::Unlisted => "unlisted",
    }
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Highest => "highest",
        Priority::High => "high",
        Priority::Medium => "medium",
    }
}

fn steps() -> String {
    let mut text = String::new();
    let mut file = "";
    for def in registry::all() {
        if def.file != file {
            file = def.file;
            text.push_str(&format!("\n## `{file}`\n\n"));
        }
        let keyword = match def.keyword {
            Keyword::Given => "Given",
            Keyword::When => "When",
            Keyword::Then => "Then",
        };
        let doc: Vec<&str> = def.doc.lines().map(str::trim).collect();
        let step = registry::readable(def.pattern);
        text.push_str(&format!(
            "- `{keyword} {step}`\n\n  {}\n\n",
            doc.join("\n  ").trim()
        ));
    }
    text
}

fn codes() -> String {
    let rows = codes::all().into_iter();
    let row = |(code, told): (&str, &str)| {
        let told: Vec<&str> = told.lines().map(str::trim).collect();
        [format!("`{code}`"), told.join(" ")]
    };
    table(["code", "what holds where it does not fail"], rows.map(row))
}

fn rules() -> String {
    let row = |rule: &Rule| {
        let explains: Vec<String> = rule.explains.iter().map(ToString::to_string).collect();
        [
            format!("`{}`", rule.id),
            rule.cause.get(Lang::En).to_owned(),
            explains.join(", "),
        ]
    };
    table(
        ["rule", "cause", "explains"],
        bundle().rules.iter().map(row),
    )
}

fn catalogue() -> String {
    let bundle = bundle();
    let row = |mutant: Mutant| {
        let breaks: Vec<String> = mutant.breaks.iter().map(ToString::to_string).collect();
        [format!("`{}`", mutant.id), mutant.title, breaks.join(", ")]
    };
    let rows = shipped_mutants(&bundle).into_iter().map(row);
    table(["mutant", "what is broken", "must be caught by"], rows)
}
