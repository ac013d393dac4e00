//! A picture of what a tab shows, without the secrets in it.

use serde_json::{Value, json};

use super::{
    error::{ChromiumError, text},
    tab::Tab,
};
use crate::evidence::{Image, Redactor};

/// The most bytes of a picture.
const SIZE_LIMIT: usize = 60 * 1024;

/// How well a picture is kept, in percent: the first that is small enough.
const QUALITIES: [u32; 3] = [60, 35, 15];

/// Every text that the page shows: of its text nodes, fields and button labels, those in shadow trees
/// and in frames of the same site among them. They are kept for the next two scripts.
const COLLECT: &str = "(() => {
    const found = [];
    const walk = root => {
        const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) found.push([texts.currentNode, 'nodeValue']);
        for (const element of root.querySelectorAll('*')) {
            if (element.shadowRoot) walk(element.shadowRoot);
            if (element.matches('input, textarea')) found.push([element, 'value'], [element, 'placeholder']);
            if (element.matches('option')) found.push([element, 'label']);
            if (element.tagName === 'IFRAME' && element.contentDocument) walk(element.contentDocument);
        }
    };
    walk(document);
    globalThis.verifyShown = found.map(([node, name]) => [node, name, String(node[name])]);
    return globalThis.verifyShown.map(one => one[2]);
})()";

/// Puts other texts in their place; whether that has been drawn.
const REPLACE: &str = "(changes => {
    for (const [at, text] of changes) {
        const [node, name] = globalThis.verifyShown[at];
        node[name] = text;
    }
    return new Promise(done => {
        requestAnimationFrame(() => requestAnimationFrame(() => done(true)));
        setTimeout(() => done(false), 2000);
    });
})";

/// Puts all back as it was.
const RESTORE: &str = "(at => {
    for (const one of at) { const [node, name, text] = globalThis.verifyShown[one]; node[name] = text; }
    delete globalThis.verifyShown;
    return true;
})";

impl Tab {
    /// A picture of what is shown. Texts that hold a secret are without it while the picture is
    /// taken; where one stands over several texts, no picture is taken. The secrets stay here: the
    /// page is only told what to show in the place of its own texts.
    pub async fn picture(&self, redactor: &Redactor) -> Result<Option<Image>, ChromiumError> {
        self.to_front().await?;
        let shown = self.value(COLLECT).await?;
        let texts: Vec<&str> = (shown.as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .collect();
        let Some(changes) = masks(redactor, &texts) else {
            return Ok(None);
        };
        let told: Vec<Value> = changes.iter().map(|(at, text)| json!([at, text])).collect();
        let changed: Vec<usize> = changes.iter().map(|(at, _)| *at).collect();
        let drawn = self.value(&format!("{REPLACE}({})", json!(told))).await?;
        let taken = if drawn == true {
            self.take().await
        } else {
            Ok(None)
        };
        self.value(&format!("{RESTORE}({})", json!(changed)))
            .await?;
        taken
    }

    async fn take(&self) -> Result<Option<Image>, ChromiumError> {
        for quality in QUALITIES {
            let params = json!({"format": "jpeg", "quality": quality, "optimizeForSpeed": true});
            let taken = self.call("Page.captureScreenshot", params).await?;
            let data = text(&taken, "data")?;
            if data.len() / 4 * 3 <= SIZE_LIMIT {
                return Ok(Some(Image {
                    media_type: "image/jpeg".to_owned(),
                    data,
                }));
            }
        }
        Ok(None)
    }
}

/// What must stand in the place of which texts; `None` where a secret would still be seen.
fn masks(redactor: &Redactor, texts: &[&str]) -> Option<Vec<(usize, String)>> {
    let clean: Vec<String> = texts.iter().map(|text| redactor.redact(text)).collect();
    let together = clean.concat();
    if redactor.redact(&together) != together {
        return None;
    }
    let changed = clean.into_iter().enumerate().zip(texts);
    Some(
        changed
            .filter(|((_, clean), text)| clean != *text)
            .map(|(change, _)| change)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiIxIn0.c2lnbmF0dXJl";

    #[test]
    fn only_texts_with_a_secret_are_replaced() {
        let redactor = Redactor::new();
        redactor.learn("hunter22");
        let texts = ["Name", JWT, "the password is hunter22", "30"];
        let masks = masks(&redactor, &texts).unwrap();
        assert_eq!(masks.len(), 2);
        assert_eq!(masks[0], (1, "eyJhbGciOiJIUzI1NiJ9.[redacted]".to_owned()));
        assert_eq!(masks[1], (2, "the password is [redacted]".to_owned()));
    }

    #[test]
    fn a_secret_in_pieces_is_no_picture() {
        let redactor = Redactor::new();
        let (head, tail) = JWT.split_at(30);
        assert!(masks(&redactor, &[head, tail]).is_none());
        redactor.learn("hunter22");
        assert!(masks(&redactor, &["hunt", "er22"]).is_none());
        assert!(masks(&redactor, &["hunt", "", "ing"]).is_some());
    }
}
