//! What a person does on a page and sees there, by CSS selectors. Only a real browser has pages:
//! without `--browser chromium` these steps skip their scenario.

use super::world::{Args, Blame, StepError, StepResult, World, expect};
use crate::{
    engine::event::NEEDS_BROWSER,
    probe::chromium::{POLL, Patience, Tab},
    steps,
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
async fn tab(world: &mut World) -> Result<&mut Tab, StepError> {
    let tab = world.session()?.browser.tab().await?;
    tab.ok_or_else(|| StepError::Skip(NEEDS_BROWSER.to_owned()))
}

async fn fills(world: &mut World, args: Args) -> StepResult {
    let (field, text) = (args.text("field").to_owned(), args.text("text").to_owned());
    on_the_page(world, &field).await?;
    Ok(tab(world).await?.fill(&field, &text).await?)
}

async fn clicks(world: &mut World, args: Args) -> StepResult {
    let element = args.text("element").to_owned();
    on_the_page(world, &element).await?;
    tab(world).await?.click(&element).await?;
    let browser = &mut world.session()?.browser;
    if let Some(tab) = browser.tab().await? {
        tab.settle().await?;
    }
    browser.looked().await?;
    world.saw_page(&format!("after a click on {element}")).await
}

/// The element must be there before something is done with it: it is the page's to have it.
async fn on_the_page(world: &mut World, element: &str) -> StepResult {
    let deadline = world.run()?.deadline();
    let tab = tab(world).await?;
    tab.settle().await?;
    let mut patience = Patience::of(deadline);
    loop {
        let over = patience.is_over(tab);
        if tab.has(element).await? {
            return Ok(());
        }
        if over {
            let shown = tab.shown().await?;
            return Err(StepError::candidate(
                format!("look for {element} on {}", shown.url),
                "an element that can be seen",
                shown.text,
            ));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn shows(world: &mut World, args: Args) -> StepResult {
    look(world, "body", args.text("text")).await
}

async fn element_shows(world: &mut World, args: Args) -> StepResult {
    look(world, args.text("element"), args.text("text")).await
}

async fn look(world: &mut World, element: &str, text: &str) -> StepResult {
    let mut patience = Patience::of(world.run()?.deadline());
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
    expect(
        Blame::Candidate,
        seen.contains(text),
        format!("look at {element} of the page"),
        text,
        world.run()?.redactor.redact(&seen),
    )
}
