//! X.19: who logs out and leaves the browser leaves nothing behind the back button.

use super::tabs::shown;
use crate::{
    evidence::EvidenceKind,
    steps,
    steps::{
        phase2::{marker, way},
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
};

steps! {
    /// Control: the admin page is what the window shows, by the same look that finds it afterwards.
    Given "^the session sees the admin page$" => sees_page, "back.page";
    /// Types the address that ends the session, and goes back to the page before. Only a real
    /// browser has a back button.
    When "^the session signs out from there, and presses the back button$" => goes_back, "back.pressed";
    /// The window does not show what only the admin page has, wherever it has it from: the cache of
    /// answers, the cache of whole pages, or the site.
    Then "^nothing of the admin page is shown$" => shows_nothing, "back.shown";
}

async fn sees_page(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let (page, _) = run.page(&run.profile.admin_page.path)?;
    world.scene.address = Some(page.clone());
    let browser = &mut world.session()?.browser;
    let hops = run.walk(browser, page).await?;
    if let Some(tab) = browser.tab().await? {
        // What it asks for while it is left is another matter.
        tab.settle().await?;
    }
    let html = shown(browser).await?;
    hops.iter().for_each(|hop| world.saw_hop(hop));
    world.saw_page("before the logout").await?;
    if html.contains(&marker(&run)?) {
        return Ok(());
    }
    Err(StepError::Skip(format!(
        "the admin page is needed, and it is not shown: {}",
        way(&hops)
    )))
}

async fn goes_back(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let (out, _) = run.page(&run.profile.login.sign_out)?;
    let browser = &mut world.session()?.browser;
    let hops = run.walk(browser, out).await?;
    let left = run.session_cookie(browser)?.is_some();
    hops.iter().for_each(|hop| world.saw_hop(hop));
    if left {
        return Err(StepError::Skip(format!(
            "a logout is needed, and the session's cookie stays: {}",
            way(&hops)
        )));
    }
    let browser = &mut world.session()?.browser;
    let hops = match browser.tab().await? {
        Some(tab) => tab.back(1).await?,
        None => Vec::new(),
    };
    browser.looked().await?;
    hops.iter().for_each(|hop| world.saw_hop(hop));
    world.scene.hops = hops;
    world.saw_page("after the back button").await
}

async fn shows_nothing(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let marker = marker(&run)?;
    let html = shown(&mut world.session()?.browser).await?;
    let asked = match world.scene.hops.as_slice() {
        [] => "the browser showed what it had kept, and asked nobody".to_owned(),
        hops => way(hops),
    };
    world.saw(
        EvidenceKind::Exchange,
        "what the back button led to",
        &asked,
    );
    expect(
        Blame::Candidate,
        !html.contains(&marker),
        "press the back button after the logout",
        "nothing that only the admin page has",
        format!("{asked}\nthe window shows {marker}"),
    )
}
