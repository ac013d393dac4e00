//! What a page shows, read and worked as a person would. Scripts run in a world of their own:
//! the page's scripts see nothing of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    error::{ChromiumError, text},
    tab::{DEADLINE, Tab},
};

/// How often a page is looked at while something is waited for.
pub const POLL: Duration = Duration::from_millis(15);

/// The middle of an element that can be seen, or nothing.
const MIDDLE: &str = "(element => {
    if (!element) return null;
    element.scrollIntoView({block: 'center', behavior: 'instant'});
    const box = element.getBoundingClientRect();
    return box.width && box.height ? [box.x + box.width / 2, box.y + box.height / 2] : null;
})";

/// Chooses an option of a list, where the element is one.
const CHOOSE: &str = "((field, value) => {
    if (!field || field.tagName !== 'SELECT') return false;
    field.value = value;
    for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {bubbles: true}));
    return true;
})";

/// The document of a page that has nothing.
const BLANK: &str = "<html><head></head><body></body></html>";

/// The button that sends the form of an element.
const BUTTON: &str = "(field => field && field.form &&
    field.form.querySelector('button:not([type=button]):not([type=reset]), input[type=submit]'))";

impl Tab {
    /// The value of an expression in the page, in a world of the harness's own.
    ///
    /// # Errors
    /// A browser that cannot be used, or an expression that throws.
    pub(super) async fn value(&self, expression: &str) -> Result<Value, ChromiumError> {
        let world = self.world().await?;
        let params = json!({"expression": expression, "contextId": world,
            "returnByValue": true, "awaitPromise": true});
        let told = self.call("Runtime.evaluate", params).await?;
        if told["exceptionDetails"].is_object() {
            return Err(ChromiumError::Refused {
                method: "Runtime.evaluate".to_owned(),
                why: told["exceptionDetails"]["exception"]["description"].to_string(),
            });
        }
        Ok(told["result"]["value"].clone())
    }

    /// The harness's own world in the page that is shown: the same one for as long as it is.
    async fn world(&self) -> Result<Value, ChromiumError> {
        let params = json!({"frameId": self.frame(), "worldName": "verify"});
        let made = self.call("Page.createIsolatedWorld", params).await?;
        Ok(made["executionContextId"].clone())
    }

    /// Puts a page with this text into the tab, and tells whether it is seen there: what makes
    /// believe that the browser shows what is there.
    pub async fn shows(&self, words: &str) -> Result<bool, ChromiumError> {
        let page = json!({"frameId": self.frame(), "html": format!("<!DOCTYPE html><p>{words}")});
        self.call("Page.setDocumentContent", page).await?;
        Ok(self.shown().await?.text.contains(words))
    }

    /// The text of the first element that a CSS selector finds; a field's is what stands in it.
    pub async fn text_of(&self, selector: &str) -> Result<Option<String>, ChromiumError> {
        if self.is_blind() {
            return Ok(None);
        }
        let found = format!(
            "(element => element && ('value' in element && element.value !== undefined
                ? String(element.value) : element.textContent))({})",
            query(selector)
        );
        Ok(self.value(&found).await?.as_str().map(str::to_owned))
    }

    /// Waits until an element has a text, and returns it; nothing where the time is over.
    pub async fn wait_for_text(
        &mut self,
        selector: &str,
        deadline: Duration,
    ) -> Result<Option<String>, ChromiumError> {
        let mut patience = Patience::of(deadline);
        loop {
            let over = patience.is_over(self);
            let text = self.text_of(selector).await?;
            let text = text.filter(|text| !text.trim().is_empty());
            if text.is_some() || over {
                return Ok(text);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether the page has an element that can be seen.
    pub async fn has(&self, selector: &str) -> Result<bool, ChromiumError> {
        if self.is_blind() {
            return Ok(false);
        }
        let middle = self
            .value(&format!("{MIDDLE}({})", query(selector)))
            .await?;
        Ok(middle.is_array())
    }

    /// Clicks on an element, as a mouse does.
    ///
    /// # Errors
    /// A page without that element, or a browser that cannot be used.
    pub async fn click(&self, selector: &str) -> Result<(), ChromiumError> {
        self.click_on(&query(selector), selector).await
    }

    /// Clicks on the button that sends the form of a field.
    ///
    /// # Errors
    /// A page without such a button, or a browser that cannot be used.
    pub async fn send_form_of(&self, field: &str) -> Result<(), ChromiumError> {
        let button = format!("{BUTTON}({})", query(field));
        self.click_on(&button, "the form's button").await
    }

    async fn click_on(&self, element: &str, name: &str) -> Result<(), ChromiumError> {
        let middle = self.value(&format!("{MIDDLE}({element})")).await?;
        let (Some(x), Some(y)) = (middle[0].as_f64(), middle[1].as_f64()) else {
            return Err(ChromiumError::Refused {
                method: "click".to_owned(),
                why: format!("the page shows no {name}"),
            });
        };
        for kind in ["mousePressed", "mouseReleased"] {
            let params = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", params).await?;
        }
        Ok(())
    }

    /// The text that can be read in an element; hidden text is not, that of fields neither.
    pub async fn readable(&self, selector: &str) -> Result<Option<String>, ChromiumError> {
        if self.is_blind() {
            return Ok(None);
        }
        let text = format!(
            "(element => element && element.innerText)({})",
            query(selector)
        );
        Ok(self.value(&text).await?.as_str().map(str::to_owned))
    }

    /// Puts a text into a field in place of what stands there, as if it was typed; of a list, the
    /// option of that value is chosen.
    ///
    /// # Errors
    /// A page without that field, or a browser that cannot be used.
    pub async fn fill(&self, field: &str, text: &str) -> Result<(), ChromiumError> {
        if self
            .value(&format!("{CHOOSE}({}, {})", query(field), json!(text)))
            .await?
            == true
        {
            return Ok(());
        }
        self.click(field).await?;
        self.value(&format!(
            "(field => {{ field.focus(); field.select && field.select(); }})({})",
            query(field)
        ))
        .await?;
        self.call("Input.insertText", json!({"text": text})).await?;
        Ok(())
    }

    /// Where the page that is shown comes from, and its HTML as it is now.
    pub async fn shown(&self) -> Result<Shown, ChromiumError> {
        let told = self
            .value(
                "({url: location.href, title: document.title,
                   html: document.documentElement.outerHTML,
                   text: document.body ? document.body.innerText : ''})",
            )
            .await?;
        if self.is_blind() {
            return Ok(Shown {
                url: text(&told, "url")?,
                title: String::new(),
                html: BLANK.to_owned(),
                text: String::new(),
            });
        }
        Ok(Shown {
            url: text(&told, "url")?,
            title: text(&told, "title")?,
            html: text(&told, "html")?,
            text: text(&told, "text")?,
        })
    }
}

/// How long a page is waited for that is to change by itself: for as long as an answer is under
/// way that it asked for, and the deadline from there on. What comes late on a busy machine is
/// seen.
pub struct Patience {
    deadline: Duration,
    started: Instant,
    quiet_since: Instant,
}

impl Patience {
    /// For this long after the page's last answer.
    pub fn of(deadline: Duration) -> Self {
        let now = Instant::now();
        Self {
            deadline,
            started: now,
            quiet_since: now,
        }
    }

    /// Whether the time is over. Asked before the page is looked at, so that what came just
    /// before the end is seen.
    pub fn is_over(&mut self, tab: &mut Tab) -> bool {
        if !tab.is_at_rest() {
            self.quiet_since = Instant::now();
        }
        self.quiet_since.elapsed() >= self.deadline || self.started.elapsed() >= DEADLINE
    }
}

/// What a page shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The address in the address bar.
    pub url: String,
    /// Its title.
    pub title: String,
    /// The document as it is now.
    pub html: String,
    /// The text that can be read.
    pub text: String,
}

fn query(selector: &str) -> String {
    format!("document.querySelector({})", json!(selector))
}
