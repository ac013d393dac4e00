//! 4.1 as a person does it: a token is made in the form of the admin page.

use serde_json::json;

use super::{
    operations::Answer,
    phase2::{marker, way},
    phase4::{is_jwt_of, list_unchanged},
    run::{Run, Token},
    world::{Args, Coded as _, StepError, StepResult, World},
};
use crate::{
    evidence::EvidenceKind,
    probe::{browser::Hop, jwt},
    profile::TokenForm,
    stack::Act,
    steps,
};

/// What the form's token is called.
const NAME: &str = "verify-in-the-form";

steps! {
    /// With `--browser chromium`: the admin page's form is filled in and sent; the page then shows
    /// a token and its id, and the token is held against what 4.1 asks of the API's, the list
    /// included. Where there is no such browser, or the profile names no form, a remark says that this
    /// was not looked at.
    Then "^the form of the admin page makes such a token for (?P<days>[0-9]+) days, and shows it with its id$" => form_makes_token, "token.form", super::phase4::FORM_CODES;
}

async fn form_makes_token(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let days: i64 = args.number("days")?;
    let form = match (&run.profile.admin_page.form, &run.plan.browser) {
        (Some(form), Some(_)) => form.clone(),
        (None, _) => return not_looked_at(world, "The profile names none (admin_page.form)."),
        (_, None) => return not_looked_at(world, "Needs --browser chromium."),
    };
    open_page(world, &run).await?;
    let email = world.session()?.email.clone();
    let act = Act::AskToken {
        name: NAME,
        email: &email,
    };
    run.stack.may(act).await?;
    send(world, &run, &form, days).await?;
    let (token, id) = read(world, &run, &form).await?;
    let did = "make a token in the form of the admin page";
    let (Some(jwt), Some(id)) = (token, id) else {
        world.saw_page("after the form was sent").await?;
        let shown = text(world).await?;
        return Err(StepError::candidate(
            did,
            "the page shows a token and its id",
            shown,
        ));
    };
    run.redactor.learn(&jwt);
    world.saw_page("the token that the form made").await?;
    let token = made(world, &run, jwt, id).await?;
    world.scene.tokens.push(token.clone());
    is_jwt_of(world, &token, &email, days).await?;
    list_unchanged(world, did).await
}

fn not_looked_at(world: &World, why: &str) -> StepResult {
    world.saw(
        EvidenceKind::Remark,
        "the form of the admin page was not looked at",
        why,
    );
    Ok(())
}

/// Opens the admin page; that it is there is another item's.
async fn open_page(world: &mut World, run: &Run) -> StepResult {
    let (page, _) = run.page(&run.profile.admin_page.path)?;
    let hops = run.walk(&mut world.session()?.browser, page).await?;
    hops.iter().for_each(|hop| world.saw_hop(hop));
    let marker = marker(run)?;
    let is_page = |hop: &Hop| hop.response.status == 200 && hop.response.body.contains(&marker);
    if hops.last().is_some_and(is_page) {
        return Ok(());
    }
    Err(StepError::Skip(format!(
        "the admin page is needed, and it does not come: {}",
        way(&hops)
    )))
}

/// Fills the form in and sends it.
async fn send(world: &mut World, run: &Run, form: &TokenForm, days: i64) -> StepResult {
    let models = run.profile.llm.models.join(",");
    let days = days.to_string();
    let mut fields = vec![(&form.name, NAME), (&form.days, days.as_str())];
    if let Some(field) = &form.models {
        fields.push((field, models.as_str()));
    }
    let did = "look at the form of the admin page";
    let mut missing = None;
    if let Some(tab) = world.session()?.browser.tab().await? {
        tab.settle().await?;
        for selector in fields.iter().map(|(field, _)| *field).chain([&form.submit]) {
            if !tab.has(selector).await? {
                missing = Some(selector.clone());
            }
        }
        if missing.is_none() {
            for (field, text) in fields {
                tab.fill(field, text).await?;
            }
        }
    }
    world.saw_page("the form of the admin page").await?;
    if let Some(missing) = missing {
        let expected = format!("an element {missing}");
        return Err(
            StepError::candidate(did, expected, text(world).await?).code("token.form-fields")
        );
    }
    if let Some(tab) = world.session()?.browser.tab().await? {
        tab.click(&form.submit).await?;
    }
    Ok(())
}

/// What the page shows for a token and its id.
async fn read(
    world: &mut World,
    run: &Run,
    form: &TokenForm,
) -> Result<(Option<String>, Option<String>), StepError> {
    let browser = &mut world.session()?.browser;
    let Some(tab) = browser.tab().await? else {
        return Ok((None, None));
    };
    let token = tab.wait_for_text(&form.token, run.deadline()).await?;
    let id = match &token {
        Some(_) => tab.wait_for_text(&form.id, run.deadline()).await?,
        None => None,
    };
    tab.settle().await?;
    browser.looked().await?;
    let trim = |text: String| text.trim().to_owned();
    Ok((token.map(trim), id.map(trim)))
}

/// The token that was made, as the answer to the page has it.
async fn made(world: &mut World, run: &Run, jwt: String, id: String) -> Result<Token, StepError> {
    let operation = run.operation("generate token")?;
    run.stack.may(Act::KeepToken(&id)).await?;
    let browser = &mut world.session()?.browser;
    let asked = match browser.tab().await? {
        Some(tab) => tab.asked_by_page().await?,
        None => Vec::new(),
    };
    let answers = asked.into_iter().map(|hop| Answer {
        hop,
        operation: operation.clone(),
    });
    let answer = answers
        .into_iter()
        .find(|answer| answer.value("id") == Some(json!(id)));
    let told = answer
        .as_ref()
        .and_then(|answer| answer.value("expires_at")?.as_i64());
    if let Some(answer) = &answer {
        world.saw_hop(&answer.hop);
    }
    let exp = jwt::decode(&jwt)
        .ok()
        .and_then(|jwt| jwt.claims["exp"].as_i64());
    let email = world.session()?.email.clone();
    Ok(Token {
        name: NAME.to_owned(),
        id,
        expires_at: told.or(exp).unwrap_or_default(),
        jwt,
        email,
    })
}

/// The text that the page shows.
async fn text(world: &mut World) -> Result<String, StepError> {
    let run = world.run()?;
    Ok(match world.session()?.browser.tab().await? {
        Some(tab) => run.redactor.redact(&tab.shown().await?.text),
        None => String::new(),
    })
}
