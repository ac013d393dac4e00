//! X.19: who logs out and leaves the browser leaves nothing behind the back button.

use super::tabs::{Address, shown};
use crate::steps::{prelude::*, session::way};

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

async fn sees_page(world: &mut World, run: &Run, _: Args) -> StepResult {
    let (page, _) = run.page(&run.profile.admin_page.path)?;
    world.keep(Address(page.clone()));
    let browser = world.browser()?;
    let hops = run.walk(browser, page).await?;
    if let Some(tab) = browser.tab().await? {
        // What it asks for while it is left is another matter.
        tab.settle().await?;
    }
    let html = shown(browser).await?;
    world.saw_hops(&hops);
    world.saw_page("before the logout").await?;
    if html.contains(&run.admin_page_marker()?) {
        return Ok(());
    }
    let way = way(&hops);
    lacks(format!(
        "the admin page is needed, and it is not shown: {way}"
    ))
}

async fn goes_back(world: &mut World, run: &Run, _: Args) -> StepResult {
    let (out, _) = run.page(&run.profile.login.sign_out)?;
    let browser = world.browser()?;
    let hops = run.walk(browser, out).await?;
    let left = run.session_cookie(browser)?.is_some();
    world.saw_hops(&hops);
    if left {
        let way = way(&hops);
        return lacks(format!(
            "a logout is needed, and the session's cookie stays: {way}"
        ));
    }
    let browser = world.browser()?;
    let hops = match browser.tab().await? {
        Some(tab) => tab.back(1).await?,
        None => Vec::new(),
    };
    browser.looked().await?;
    world.saw_hops(&hops);
    world.hops = hops;
    world.saw_page("after the back button").await
}

async fn shows_nothing(world: &mut World, run: &Run, _: Args) -> StepResult {
    let marker = run.admin_page_marker()?;
    let html = shown(world.browser()?).await?;
    let asked = match world.hops.as_slice() {
        [] => "the browser showed what it had kept, and asked nobody".to_owned(),
        hops => way(hops),
    };
    let title = "what the back button led to";
    world.saw(EvidenceKind::Exchange, title, &asked);
    let did = "press the back button after the logout";
    check(did, format!("{asked}\nthe window shows {marker}")).must(
        "nothing that only the admin page has",
        !html.contains(&marker),
    )
}
