//! 4.1 as a person does it: a token is made in the form of the admin page.

use serde_json::json;

use super::{
    operations::Answer,
    prelude::*,
    session::way,
    tokens::{is_jwt_of, list_unchanged},
};
use crate::{probe::jwt, profile::TokenForm};

/// What the form's token is called.
const NAME: &str = "verify-in-the-form";

steps! {
    /// With `--browser chromium`: the admin page's form is filled in and sent; the page then shows
    /// a token and its id, and the token is held against what 4.1 asks of the API's, the list
    /// included. Where there is no such browser, or the profile names no form, a remark says that this
    /// was not looked at.
    Then "^the form of the admin page makes such a token for (?P<days>[0-9]+) days, and shows it with its id$" => form_makes_token, "token.form", super::tokens::FORM_CODES;
}

async fn form_makes_token(world: &mut World, run: &Run, args: Args) -> StepResult {
    let days: i64 = args.number("days")?;
    let title = "the form of the admin page was not looked at";
    let form = match (&run.profile.admin_page.form, &run.plan.browser) {
        (Some(form), Some(_)) => form,
        (None, _) => {
            world.remark(title, "The profile names none (admin_page.form).");
            return Ok(());
        }
        (_, None) => {
            world.remark(title, "Needs --browser chromium.");
            return Ok(());
        }
    };
    open_page(world, run).await?;
    let email = world.email();
    let act = Act::AskToken {
        name: NAME,
        email: &email,
    };
    run.stack.may(act).await?;
    send(world, run, form, days).await?;
    let did = "make a token in the form of the admin page";
    let (Some(jwt), Some(id)) = read(world, run, form).await? else {
        world.saw_page("after the form was sent").await?;
        let shown = check(did, text(world, run).await?);
        return shown.must("the page shows a token and its id", false);
    };
    run.redactor.learn(&jwt);
    world.saw_page("the token that the form made").await?;
    let token = made(world, run, jwt, id).await?;
    world.tokens.push(token.clone());
    is_jwt_of(world, run, &token, &email, days).await?;
    list_unchanged(world, run, did).await
}

/// Opens the admin page; that it is there is another item's.
async fn open_page(world: &mut World, run: &Run) -> StepResult {
    let (page, _) = run.page(&run.profile.admin_page.path)?;
    let hops = run.walk(world.browser()?, page).await?;
    world.saw_hops(&hops);
    let marker = run.admin_page_marker()?;
    let is_page = |hop: &Hop| hop.response.status == 200 && hop.response.body.contains(&marker);
    if hops.last().is_some_and(is_page) {
        return Ok(());
    }
    let way = way(&hops);
    lacks(format!(
        "the admin page is needed, and it does not come: {way}"
    ))
}

/// Fills the form in and sends it.
async fn send(world: &mut World, run: &Run, form: &TokenForm, days: i64) -> StepResult {
    let models = run.profile.llm.models.join(",");
    let days = days.to_string();
    let mut fields = vec![(&form.name, NAME), (&form.days, days.as_str())];
    if let Some(field) = &form.models {
        fields.push((field, models.as_str()));
    }
    let mut missing = None;
    if let Some(tab) = world.browser()?.tab().await? {
        tab.settle().await?;
        for selector in fields.iter().map(|(field, _)| *field).chain([&form.submit]) {
            if !tab.has(selector).await? {
                missing = Some(selector);
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
        let shown = text(world, run).await?;
        return check("look at the form of the admin page", shown)
            .must(format!("an element {missing}"), false)
            .code("token.form-fields");
    }
    if let Some(tab) = world.browser()?.tab().await? {
        tab.click(&form.submit).await?;
    }
    Ok(())
}

/// What the page shows for a token and its id.
async fn read(
    world: &mut World,
    run: &Run,
    form: &TokenForm,
) -> StepResult<(Option<String>, Option<String>)> {
    let browser = world.browser()?;
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
async fn made(world: &mut World, run: &Run, jwt: String, id: String) -> StepResult<Token> {
    let operation = run.operation("generate token")?;
    run.stack.may(Act::KeepToken(&id)).await?;
    let asked = match world.browser()?.tab().await? {
        Some(tab) => tab.asked_by_page().await?,
        None => Vec::new(),
    };
    let mut answers = asked.into_iter().map(|hop| Answer {
        hop,
        operation: operation.clone(),
    });
    let answer = answers.find(|answer| answer.value("id") == Some(json!(id)));
    if let Some(answer) = &answer {
        world.saw_hop(&answer.hop);
    }
    let answered = answer.and_then(|answer| run.profile.moment(&answer.value("expires_at")?));
    let decoded = jwt::decode(&jwt).ok();
    let exp = decoded.and_then(|decoded| decoded.claims["exp"].as_i64());
    Ok(Token {
        name: NAME.to_owned(),
        id,
        expires_at: answered.or(exp).unwrap_or_default(),
        jwt,
        email: world.email(),
    })
}

/// The text that the page shows.
async fn text(world: &mut World, run: &Run) -> StepResult<String> {
    Ok(match world.browser()?.tab().await? {
        Some(tab) => run.redactor.redact(&tab.shown().await?.text),
        None => String::new(),
    })
}
