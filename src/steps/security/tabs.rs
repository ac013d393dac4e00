//! X.18: the tabs of a window are one person: they share the session, and its end.

use url::Url;

use crate::{
    probe::browser::Browser,
    steps::{prelude::*, session::way, world::picture},
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

/// Another tab of the session's window.
#[derive(Default)]
struct SecondTab(Option<Browser>);

/// The address that the session's window was at when its page was looked at.
pub(super) struct Address(pub Url);

/// The document that a browser shows.
pub(super) async fn shown(browser: &mut Browser) -> StepResult<String> {
    Ok(match browser.tab().await? {
        Some(tab) => tab.shown().await?.html,
        None => String::new(),
    })
}

fn second_tab(world: &mut World) -> StepResult<&mut Browser> {
    let tab = world.kept_mut::<SecondTab>()?.0.as_mut();
    tab.ok_or_else(|| StepError::missing("a second tab"))
}

/// Asks for a page in the second tab, and looks at it.
async fn ask(world: &mut World, run: &Run, page: Url, title: &str) -> StepResult {
    let item = world.item();
    let tab = second_tab(world)?;
    let hops = run.walk(tab, page).await?;
    if let Some(item) = item {
        picture(run, item, tab, title).await?;
    }
    world.saw_hops(&hops);
    world.hops = hops;
    Ok(())
}

async fn second_tab_asks(world: &mut World, run: &Run, _: Args) -> StepResult {
    let (page, _) = run.page(&run.profile.admin_page.path)?;
    let tab = world.browser()?.second_tab().await?;
    world.keep(SecondTab(tab));
    ask(world, run, page, "the second tab").await
}

async fn second_tab_shows(world: &mut World, run: &Run, _: Args) -> StepResult {
    let marker = run.admin_page_marker()?;
    let shows = shown(second_tab(world)?).await?.contains(&marker);
    let at_once = matches!(&world.hops[..], [hop] if hop.response.status == 200);
    let seen = format!("{}\nshows it: {shows}", way(&world.hops));
    let expected = format!("200 at once, and the tab shows {marker}");
    check("ask for the admin page in a second tab", seen).must(expected, at_once && shows)
}

async fn second_tab_has_ended(world: &mut World, run: &Run, _: Args) -> StepResult {
    let marker = run.admin_page_marker()?;
    // As it stands in a bookmark, or in the history: the window has seen it before.
    let Address(page) = world.kept()?;
    let title = "the second tab after the logout in the first";
    ask(world, run, page.clone(), title).await?;
    let shows = shown(second_tab(world)?).await?.contains(&marker);
    let form = run.login_form(&world.hops).is_some();
    let seen = format!("{}\nshows the page: {shows}", way(&world.hops));
    check(
        "ask for the admin page in the second tab after a logout in the first",
        seen,
    )
    .must("the login form", form && !shows)
}
