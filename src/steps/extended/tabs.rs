//! X.18: the tabs of a window are one person: they share the session, and its end.

use url::Url;

use crate::{
    probe::browser::{Browser, Hop},
    steps,
    steps::{
        phase2::{marker, way},
        run::Run,
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
};

steps! {
    /// Opens a second tab in the session's window, and types the admin page's address there. Only a
    /// real browser has tabs.
    When "^a second tab of the same window asks for the admin page$" => second_tab_asks, "tab.asked";
    /// The site answers with the page at once, and the tab shows it.
    Then "^the second tab shows the admin page, without a login$" => second_tab_shows, "tab.shown";
    /// Types the address under which the first tab saw the page; the way ends at the login form, and the tab shows nothing of the page.
    Then "^the second tab, asked for the admin page again, shows the login form$" => second_tab_has_ended, "tab.ended";
}

/// The document that a browser shows.
pub(super) async fn shown(browser: &mut Browser) -> Result<String, StepError> {
    Ok(match browser.tab().await? {
        Some(tab) => tab.shown().await?.html,
        None => String::new(),
    })
}

async fn ask(world: &mut World, run: &Run, page: Url) -> StepResult {
    let none = || StepError::harness("use the second tab", "a tab", "there is none");
    let tab = world.scene.second_tab.as_mut().ok_or_else(none)?;
    let hops: Vec<Hop> = run.walk(tab, page).await?;
    hops.iter().for_each(|hop| world.saw_hop(hop));
    world.scene.hops = hops;
    Ok(())
}

async fn second_tab_asks(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let (page, _) = run.page(&run.profile.admin_page.path)?;
    world.scene.second_tab = world.session()?.browser.second_tab().await?;
    ask(world, &run, page).await?;
    world.saw_second_tab("the second tab").await
}

async fn second_tab_shows(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let marker = marker(&run)?;
    let html = match world.scene.second_tab.as_mut() {
        Some(tab) => shown(tab).await?,
        None => String::new(),
    };
    let hops = &world.scene.hops;
    let at_once = hops.len() == 1 && hops.iter().all(|hop| hop.response.status == 200);
    expect(
        Blame::Candidate,
        at_once && html.contains(&marker),
        "ask for the admin page in a second tab",
        format!("200 at once, and the tab shows {marker}"),
        format!("{}\nshows it: {}", way(hops), html.contains(&marker)),
    )
}

async fn second_tab_has_ended(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let marker = marker(&run)?;
    // As it stands in a bookmark, or in the history: the window has seen it before.
    let seen = world.scene.address.clone();
    let none = || StepError::harness("ask again", "an address that was seen before", "none");
    ask(world, &run, seen.ok_or_else(none)?).await?;
    world
        .saw_second_tab("the second tab after the logout in the first")
        .await?;
    let html = match world.scene.second_tab.as_mut() {
        Some(tab) => shown(tab).await?,
        None => String::new(),
    };
    let form = run.login_form(&world.scene.hops).is_some();
    expect(
        Blame::Candidate,
        form && !html.contains(&marker),
        "ask for the admin page in the second tab after a logout in the first",
        "the login form",
        format!(
            "{}\nshows the page: {}",
            way(&world.scene.hops),
            html.contains(&marker)
        ),
    )
}
