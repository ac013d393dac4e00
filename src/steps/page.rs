//! What a person does on a page and sees there, by CSS selectors. Only a real browser has pages:
//! without `--browser chromium` these steps skip their scenario.

use super::prelude::*;
use crate::{
    model::event::NEEDS_BROWSER,
    probe::chromium::{POLL, Patience, Tab},
};

steps! {
    /// Puts a text into a field of the page that the session shows, or chooses the option of that
    /// value. Needs a real browser.
    When "^the session fills \"(?P<field>[^\"]+)\" with \"(?P<text>[^\"]*)\"$" => fills, "page.field";
    /// Clicks on an element of the page that the session shows; what the page asks back is agreed
    /// to. Needs a real browser.
    When "^the session clicks on \"(?P<element>[^\"]+)\"$" => clicks, "page.element";
    /// The text that can be read on the page holds this one, or comes to hold it within the
    /// deadline. Needs a real browser.
    Then "^the page shows \"(?P<text>[^\"]+)\"$" => shows, "page.text";
    /// As above, of one element of the page.
    Then "^\"(?P<element>[^\"]+)\" of the page shows \"(?P<text>[^\"]+)\"$" => element_shows, "page.element-text";
}

/// The tab that the session looks at.
async fn tab(world: &mut World) -> StepResult<&mut Tab> {
    let tab = world.browser()?.tab().await?;
    tab.ok_or_else(|| StepError::Skip(NEEDS_BROWSER.to_owned()))
}

async fn fills(world: &mut World, run: &Run, args: Args) -> StepResult {
    let field = args.text("field");
    on_the_page(world, run, field).await?;
    Ok(tab(world).await?.fill(field, args.text("text")).await?)
}

async fn clicks(world: &mut World, run: &Run, args: Args) -> StepResult {
    let element = args.text("element");
    on_the_page(world, run, element).await?;
    let tab = tab(world).await?;
    tab.click(element).await?;
    tab.settle().await?;
    world.browser()?.looked().await?;
    world.saw_page(&format!("after a click on {element}")).await
}

/// The element must be there before something is done with it: it is the page's to have it.
async fn on_the_page(world: &mut World, run: &Run, element: &str) -> StepResult {
    let tab = tab(world).await?;
    tab.settle().await?;
    let mut patience = Patience::of(run.deadline());
    loop {
        let over = patience.is_over(tab);
        if tab.has(element).await? {
            return Ok(());
        }
        if over {
            let shown = tab.shown().await?;
            let did = format!("look for {element} on {}", shown.url);
            return check(did, shown.text).must("an element that can be seen", false);
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn shows(world: &mut World, run: &Run, args: Args) -> StepResult {
    look(world, run, "body", args.text("text")).await
}

async fn element_shows(world: &mut World, run: &Run, args: Args) -> StepResult {
    look(world, run, args.text("element"), args.text("text")).await
}

async fn look(world: &mut World, run: &Run, element: &str, text: &str) -> StepResult {
    let mut patience = Patience::of(run.deadline());
    let tab = tab(world).await?;
    let mut seen;
    loop {
        let over = patience.is_over(tab);
        seen = tab.readable(element).await?.unwrap_or_default();
        if seen.contains(text) || over {
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    let did = format!("look at {element} of the page");
    check(did, run.redactor.redact(&seen)).must(text, seen.contains(text))
}
