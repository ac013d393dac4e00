//! One tab: the addresses that are typed in it, and what came of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cookie_store::CookieStore;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use url::Url;

use super::{
    cookies,
    error::{BrowseError, ChromiumError, text},
    exchanges::{Exchange, Exchanges, State},
    pipe::{Event, Pipe},
};
use crate::probe::{http::Http, message::Hop};

/// How long a page may take to be there as a whole.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// What a browser asks for by itself and not for the person.
const BY_ITSELF: &str = "*/favicon.ico";

/// How long what belongs to a page is waited for when the page itself is there.
const REST: Duration = Duration::from_secs(2);

/// What the browser says where it gives a way up that never ends.
const TOO_MANY_REDIRECTS: &str = "net::ERR_TOO_MANY_REDIRECTS";

/// How wide a window is, in CSS pixels.
pub(super) const WIDTH: u32 = 1000;
/// How high.
pub(super) const HEIGHT: u32 = 700;

/// Makes a browser blind: every page is empty when it is looked at.
#[cfg(feature = "fault-injection")]
#[derive(Clone)]
pub struct ShutEyes(Arc<dyn Fn() + Send + Sync>);

#[cfg(feature = "fault-injection")]
impl ShutEyes {
    /// `looked` is called whenever a page is looked at, and not seen.
    pub fn new(looked: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(looked))
    }
}

/// A private window: it goes, with all that it holds, when no tab of it is left.
pub(super) struct Window {
    id: String,
    pipe: Arc<Pipe>,
    #[cfg(feature = "fault-injection")]
    shut_eyes: Option<ShutEyes>,
}

impl Window {
    pub(super) async fn open(
        pipe: Arc<Pipe>,
        #[cfg(feature = "fault-injection")] shut_eyes: Option<ShutEyes>,
    ) -> Result<Self, ChromiumError> {
        let method = "Target.createBrowserContext";
        let made = pipe.call(None, method, json!({})).await?;
        Ok(Self {
            id: text(&made, "browserContextId")?,
            pipe,
            #[cfg(feature = "fault-injection")]
            shut_eyes,
        })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let what = json!({"browserContextId": self.id});
        self.pipe.tell("Target.disposeBrowserContext", what);
    }
}

/// A tab of a private window.
pub struct Tab {
    window: Arc<Window>,
    session: String,
    target: String,
    http: Http,
    events: UnboundedReceiver<Event>,
    exchanges: Exchanges,
    /// Whether a document was loaded as a whole, and whether the page goes elsewhere by itself.
    loaded: bool,
    leaving: bool,
}

impl std::fmt::Debug for Tab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tab({})", self.target)
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        let what = json!({"targetId": self.target});
        self.window.pipe.tell("Target.closeTarget", what);
    }
}

impl Tab {
    pub(super) async fn open(window: Arc<Window>, http: Http) -> Result<Self, ChromiumError> {
        let pipe = Arc::clone(&window.pipe);
        let asked = json!({"url": "about:blank", "browserContextId": window.id});
        let target = text(
            &pipe.call(None, "Target.createTarget", asked).await?,
            "targetId",
        )?;
        let asked = json!({"targetId": target, "flatten": true});
        let attached = pipe.call(None, "Target.attachToTarget", asked).await?;
        let session = text(&attached, "sessionId")?;
        let tab = Self {
            events: pipe.events(&session),
            window,
            session,
            target,
            http,
            exchanges: Exchanges::default(),
            loaded: false,
            leaving: false,
        };
        let block = json!({"urlPatterns": [{"urlPattern": "*://*:*/favicon.ico", "block": true}], "urls": [BY_ITSELF]});
        let size = json!({"width": WIDTH, "height": HEIGHT,
            "deviceScaleFactor": 1, "mobile": false});
        tokio::try_join!(
            tab.call("Page.enable", json!({})),
            tab.call("Network.enable", json!({})),
            tab.call("Network.setBlockedURLs", block),
            tab.call("Emulation.setDeviceMetricsOverride", size),
        )?;
        Ok(tab)
    }

    /// Another tab of the same window.
    pub async fn beside(&self) -> Result<Self, ChromiumError> {
        Self::open(Arc::clone(&self.window), self.http.clone()).await
    }

    pub(super) async fn call(&self, method: &str, params: Value) -> Result<Value, ChromiumError> {
        let pipe = &self.window.pipe;
        pipe.call(Some(&self.session), method, params).await
    }

    /// Whether nothing of the page is to be seen: whoever asks looks at it.
    pub(super) fn is_blind(&self) -> bool {
        #[cfg(feature = "fault-injection")]
        if let Some(shut) = &self.window.shut_eyes {
            (shut.0)();
            return true;
        }
        false
    }

    /// The tab's main frame, which has its target's name.
    pub(super) fn frame(&self) -> &str {
        &self.target
    }

    /// Puts the tab before the others of its window: one that is hidden draws nothing.
    pub(super) async fn to_front(&self) -> Result<(), ChromiumError> {
        self.call("Page.bringToFront", json!({})).await.map(drop)
    }

    /// Types an address and waits until the page is there. The hops are those of the page itself,
    /// not those of what belongs to it.
    ///
    /// # Errors
    /// Where no answer came, or a browser that cannot be used.
    pub async fn go(&mut self, url: &Url) -> Result<Vec<Hop>, BrowseError> {
        self.to_front().await?;
        let before = self.begin();
        let params = json!({"url": url.as_str()});
        self.call("Page.navigate", params).await?;
        self.arrived(before, url.as_str()).await
    }

    /// Fills in fields, by their CSS selectors, sends their form and waits until the page that it
    /// leads to is there.
    ///
    /// # Errors
    /// As [`Tab::go`], or a page without such a form.
    pub async fn submit(&mut self, fields: &[(&str, &str)]) -> Result<Vec<Hop>, BrowseError> {
        self.to_front().await?;
        for (field, text) in fields {
            self.fill(field, text).await?;
        }
        let before = self.begin();
        if let Some((field, _)) = fields.last() {
            self.send_form_of(field).await?;
        }
        self.arrived(before, "the form that was sent").await
    }

    /// Presses the back button, and waits until a page is there. The hops are none where the
    /// browser shows what it kept.
    ///
    /// # Errors
    /// As [`Tab::go`], or a tab that has nothing to go back to.
    pub async fn back(&mut self, steps: usize) -> Result<Vec<Hop>, BrowseError> {
        self.to_front().await?;
        let history = self.call("Page.getNavigationHistory", json!({})).await?;
        let current = history["currentIndex"].as_u64().unwrap_or_default();
        let entry = usize::try_from(current)
            .ok()
            .and_then(|current| current.checked_sub(steps))
            .and_then(|at| history["entries"].get(at))
            .ok_or_else(|| ChromiumError::Unreadable("nothing to go back to".to_owned()))?;
        let before = self.begin();
        let params = json!({"entryId": entry["id"]});
        self.call("Page.navigateToHistoryEntry", params).await?;
        self.until("the page before", DEADLINE, |tab| {
            tab.loaded && tab.quiet(before)
        })
        .await?;
        self.hops(before).await
    }

    /// Forgets what was, so that what comes can be told from it; how many exchanges there were.
    fn begin(&mut self) -> usize {
        self.take_in();
        self.loaded = false;
        self.leaving = false;
        self.exchanges.len()
    }

    async fn arrived(&mut self, before: usize, what: &str) -> Result<Vec<Hop>, BrowseError> {
        let there = |tab: &Self| {
            let failed = |one: &Exchange| matches!(one.state, State::Failed(_));
            match tab.document(before) {
                Some(one) => {
                    failed(one) || (tab.loaded && !tab.leaving && one.state != State::Pending)
                }
                None => false,
            }
        };
        self.until(what, DEADLINE, there).await?;
        self.settle().await?;
        self.hops(before).await
    }

    /// Whether nothing is under way that the page asked for.
    pub(super) fn is_at_rest(&mut self) -> bool {
        self.take_in();
        self.quiet(0)
    }

    /// Waits a while until nothing is under way that the page asked for. Of what its own policy
    /// forbids the browser tells no end: such a page is taken as it is.
    ///
    /// # Errors
    /// A browser that has ended.
    pub async fn settle(&mut self) -> Result<(), ChromiumError> {
        match self.until("rest", REST, |tab| tab.quiet(0)).await {
            Err(ChromiumError::Silent { .. }) => Ok(()),
            other => other,
        }
    }

    async fn until(
        &mut self,
        what: &str,
        deadline: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), ChromiumError> {
        let until = tokio::time::Instant::from_std(Instant::now() + deadline);
        self.take_in();
        while !done(self) {
            match tokio::time::timeout_at(until, self.events.recv()).await {
                Ok(Some(event)) => self.hear(&event),
                Ok(None) => return Err(ChromiumError::Ended),
                Err(_) => {
                    return Err(ChromiumError::Silent {
                        what: what.to_owned(),
                        after: deadline,
                    });
                }
            }
        }
        Ok(())
    }

    /// Takes in what has happened up to now.
    fn take_in(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.hear(&event);
        }
    }

    fn hear(&mut self, event: &Event) {
        let own = event.params["frameId"] == self.target.as_str();
        match event.method.as_str() {
            "Page.frameStartedNavigating" if own => {
                let whole = event.params["navigationType"] != "sameDocument";
                self.loaded &= !whole;
                self.leaving = false;
            }
            "Page.frameRequestedNavigation" | "Page.frameScheduledNavigation" if own => {
                self.leaving = true;
            }
            "Page.frameClearedScheduledNavigation" if own => self.leaving = false,
            "Page.loadEventFired" => self.loaded = true,
            // Out of the cache of whole pages nothing is loaded.
            "Page.frameNavigated" if event.params["type"] == "BackForwardCacheRestore" => {
                self.loaded = true;
            }
            _ => {
                if let Some(request) = self.exchanges.feed(event) {
                    self.http.announce(&request.method, &request.url);
                }
                for (request, status) in self.exchanges.answers() {
                    self.http.answered_with(request, status);
                }
            }
        }
    }

    /// Whether nothing is under way of what was asked for since.
    fn quiet(&self, before: usize) -> bool {
        let pending = |one: &Exchange| one.state == State::Pending && !one.is_endless();
        !self.leaving && !self.exchanges.since(before).iter().any(pending)
    }

    /// The last document of the main frame that was asked for since.
    fn document(&self, before: usize) -> Option<&Exchange> {
        let since = self.exchanges.since(before).iter();
        since.rev().find(|one| self.is_document(one))
    }

    fn is_document(&self, one: &Exchange) -> bool {
        one.kind == "Document" && one.frame == self.target
    }

    /// The hops of all documents of the main frame since, as one way.
    async fn hops(&self, before: usize) -> Result<Vec<Hop>, BrowseError> {
        let mut hops = Vec::new();
        let since = self.exchanges.since(before).iter();
        for one in since.filter(|one| self.is_document(one)) {
            if let (State::Failed(why), false, Some(request)) =
                (&one.state, one.is_answered(), one.last_request())
            {
                // The way ends at its last redirect, as the built-in browser's does.
                if why == TOO_MANY_REDIRECTS {
                    hops.extend(self.exchanges.hops(one));
                    continue;
                }
                return Err(self.http.no_answer(request, why.clone()).into());
            }
            hops.extend(self.with_body(one).await?);
        }
        Ok(hops)
    }

    /// What the page itself has asked for since its document, with its answers.
    pub async fn asked_by_page(&mut self) -> Result<Vec<Hop>, ChromiumError> {
        self.take_in();
        let is_document = |one: &Exchange| self.is_document(one);
        let all = self.exchanges.since(0);
        let from = all.iter().rposition(is_document).map_or(0, |at| at + 1);
        let mut hops = Vec::new();
        let since = self.exchanges.since(from).iter();
        for one in since.filter(|one| one.state == State::Done) {
            hops.extend(self.with_body(one).await?);
        }
        Ok(hops)
    }

    /// The hops of a request, the last one with its body.
    async fn with_body(&self, one: &Exchange) -> Result<Vec<Hop>, ChromiumError> {
        let mut hops = self.exchanges.hops(one);
        let asked = json!({"requestId": one.id});
        match self.call("Network.getResponseBody", asked).await {
            // What is no text is no page that a check reads.
            Ok(told) if told["base64Encoded"] == true => {}
            Ok(told) => {
                if let Some(last) = hops.last_mut() {
                    last.response.body = text(&told, "body")?;
                }
            }
            // A body that the browser has not kept: an answer without one, a download.
            Err(ChromiumError::Refused { .. }) => {}
            Err(other) => return Err(other),
        }
        Ok(hops)
    }

    /// The cookies of the window, all of them.
    pub async fn jar(&self) -> Result<CookieStore, ChromiumError> {
        let asked = json!({"browserContextId": self.window.id});
        let pipe = &self.window.pipe;
        let told = pipe.call(None, "Storage.getCookies", asked).await?;
        Ok(cookies::jar(&told))
    }

    /// Puts these cookies into the window in place of those that it has.
    ///
    /// # Errors
    /// A browser that cannot be used, or does not take one.
    pub async fn put(&self, jar: &CookieStore) -> Result<(), ChromiumError> {
        let pipe = &self.window.pipe;
        let asked = json!({"browserContextId": self.window.id});
        pipe.call(None, "Storage.clearCookies", asked.clone())
            .await?;
        let mut asked = asked;
        asked["cookies"] = json!(cookies::told(jar));
        pipe.call(None, "Storage.setCookies", asked).await?;
        Ok(())
    }
}
