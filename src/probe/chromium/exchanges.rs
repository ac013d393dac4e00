//! What a page asked for and was answered, put together from the browser's events.

use std::collections::HashMap;

use serde_json::Value;
use url::Url;

use super::pipe::Event;
use crate::probe::message::{Hop, Request, Response};

/// How far a request with its redirects has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum State {
    /// It is under way.
    #[default]
    Pending,
    /// Its last answer is there as a whole.
    Done,
    /// It came to nothing; what the browser says.
    Failed(String),
}

/// One request with its redirects.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// The browser's name for it.
    pub id: String,
    /// What it is for: `Document`, `Fetch`, ...
    pub kind: String,
    /// The frame that it is for.
    pub frame: String,
    /// How far it has come.
    pub state: State,
    /// Whether the last answer came out of the browser's own cache.
    pub cached: bool,
    legs: Vec<Leg>,
}

/// One request and its answer.
#[derive(Clone, Debug)]
struct Leg {
    request: Request,
    response: Option<Response>,
    /// Whether its answer was told already.
    told: bool,
    /// Whether the browser tells the header fields as they were on the wire, apart.
    apart: bool,
}

/// Header fields as they were on the wire, cookies included: in the order of the requests.
#[derive(Debug, Default)]
struct Wire {
    requests: Vec<Vec<(String, String)>>,
    responses: Vec<Vec<(String, String)>>,
}

/// What a page asked for and was answered.
#[derive(Debug, Default)]
pub struct Exchanges {
    list: Vec<Exchange>,
    // The browser tells these apart from the rest, sometimes earlier, sometimes later.
    wire: HashMap<String, Wire>,
}

impl Exchanges {
    /// Takes an event in. A request that it tells of is returned.
    pub fn feed(&mut self, event: &Event) -> Option<&Request> {
        let params = &event.params;
        let id = text(&params["requestId"]);
        match event.method.as_str() {
            "Network.requestWillBeSent" => return self.asked(&id, params),
            "Network.requestWillBeSentExtraInfo" => {
                let wire = self.wire.entry(id).or_default();
                wire.requests.push(headers(&params["headers"]));
            }
            "Network.responseReceivedExtraInfo" => {
                let wire = self.wire.entry(id).or_default();
                wire.responses.push(headers(&params["headers"]));
            }
            "Network.requestServedFromCache" => {
                if let Some(one) = self.find(&id) {
                    one.cached = true;
                }
            }
            "Network.responseReceived" => {
                if let Some(one) = self.find(&id)
                    && let Some(leg) = one.legs.last_mut()
                {
                    let told = &params["response"];
                    leg.response = Some(response(told));
                    leg.apart = params["hasExtraInfo"] == true;
                    one.cached |= told["fromDiskCache"] == true;
                }
            }
            "Network.loadingFinished" => self.ended(&id, State::Done),
            "Network.loadingFailed" => {
                self.ended(&id, State::Failed(text(&params["errorText"])));
            }
            _ => {}
        }
        None
    }

    fn asked(&mut self, id: &str, params: &Value) -> Option<&Request> {
        let request = request(&params["request"])?;
        let leg = Leg {
            request,
            response: None,
            told: false,
            apart: false,
        };
        let redirect = &params["redirectResponse"];
        let known = self.list.iter().position(|one| one.id == id);
        let at = known.unwrap_or_else(|| {
            self.list.push(Exchange {
                id: id.to_owned(),
                kind: text(&params["type"]),
                frame: text(&params["frameId"]),
                ..Exchange::default()
            });
            self.list.len() - 1
        });
        let one = self.list.get_mut(at)?;
        if let Some(before) = one.legs.last_mut().filter(|_| redirect.is_object()) {
            before.response = Some(response(redirect));
            before.apart = params["redirectHasExtraInfo"] == true;
        }
        one.legs.push(leg);
        one.legs.last().map(|leg| &leg.request)
    }

    fn ended(&mut self, id: &str, state: State) {
        if let Some(one) = self.find(id) {
            one.state = state;
        }
    }

    fn find(&mut self, id: &str) -> Option<&mut Exchange> {
        self.list.iter_mut().find(|one| one.id == id)
    }

    /// How many there are: what comes later is counted from here.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Those since there were so many.
    pub fn since(&self, count: usize) -> &[Exchange] {
        self.list.get(count..).unwrap_or_default()
    }

    /// The answers that have come since this was asked, each with its request.
    pub fn answers(&mut self) -> Vec<(&Request, u16)> {
        let legs = self.list.iter_mut().flat_map(|one| &mut one.legs);
        legs.filter(|leg| !leg.told && leg.response.is_some())
            .filter_map(|leg| {
                leg.told = true;
                Some((&leg.request, leg.response.as_ref()?.status))
            })
            .collect()
    }

    /// The hops of a request, without a body; header fields as they were on the wire, where that is
    /// known.
    pub fn hops(&self, exchange: &Exchange) -> Vec<Hop> {
        let wire = self.wire.get(&exchange.id);
        let mut requests = wire.map(|wire| wire.requests.iter()).into_iter().flatten();
        let mut responses = wire.map(|wire| wire.responses.iter()).into_iter().flatten();
        let mut hops = Vec::new();
        for leg in &exchange.legs {
            let Some(mut response) = leg.response.clone() else {
                break;
            };
            let mut request = leg.request.clone();
            if leg.apart {
                if let Some(headers) = requests.next() {
                    request.headers.clone_from(headers);
                }
                if let Some(headers) = responses.next() {
                    response.headers.clone_from(headers);
                }
            }
            hops.push(Hop { request, response });
        }
        hops
    }
}

impl Exchange {
    /// The request that has no answer yet, or else the last one.
    pub fn last_request(&self) -> Option<&Request> {
        self.legs.last().map(|leg| &leg.request)
    }

    /// Whether it is of a kind that goes on for as long as the page is there.
    pub fn is_endless(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "EventSource" | "WebSocket" | "Media" | "Ping"
        )
    }

    /// Whether its last request has an answer.
    pub fn is_answered(&self) -> bool {
        self.legs.last().is_some_and(|leg| leg.response.is_some())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn request(told: &Value) -> Option<Request> {
    Some(Request {
        method: told["method"].as_str()?.to_owned(),
        // Without the fragment, which is never sent.
        url: told["url"].as_str()?.parse::<Url>().ok()?,
        headers: headers(&told["headers"]),
        body: told["postData"].as_str().map(str::to_owned),
    })
}

fn response(told: &Value) -> Response {
    Response {
        status: told["status"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok())
            .unwrap_or_default(),
        headers: headers(&told["headers"]),
        body: String::new(),
    }
}

/// Header fields, names in lower case. The browser joins those of one name by newlines.
fn headers(told: &Value) -> Vec<(String, String)> {
    let fields = told.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| !name.starts_with(':'))
        .flat_map(|(name, value)| {
            let values: Vec<String> = text(value).lines().map(str::to_owned).collect();
            let name = name.to_ascii_lowercase();
            values.into_iter().map(move |value| (name.clone(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fed(events: &[(&str, Value)]) -> Exchanges {
        let mut exchanges = Exchanges::default();
        for (method, params) in events {
            let mut params = params.clone();
            params["requestId"] = json!("1");
            exchanges.feed(&Event {
                method: format!("Network.{method}"),
                params,
                session: None,
            });
        }
        exchanges
    }

    fn sent(path: &str) -> Value {
        json!({"type": "Document", "frameId": "F", "request":
            {"method": "GET", "url": format!("http://gateway.example.com{path}"), "headers": {}}})
    }

    #[test]
    fn redirects_become_hops_with_the_cookies_that_were_on_the_wire() {
        let mut second = sent("/second");
        second["redirectResponse"] = json!({"status": 302, "headers": {"Location": "/second"}});
        second["redirectHasExtraInfo"] = json!(true);
        // As Chromium tells them: the second request before the first answer's own fields.
        let exchanges = fed(&[
            ("requestWillBeSent", sent("/first")),
            (
                "requestWillBeSentExtraInfo",
                json!({"headers": {"Accept": "*/*"}}),
            ),
            ("requestWillBeSent", second),
            (
                "responseReceivedExtraInfo",
                json!({"headers": {"Location": "/second", "Set-Cookie": "a=1; HttpOnly\nb=2"}}),
            ),
            (
                "requestWillBeSentExtraInfo",
                json!({"headers": {"Cookie": "a=1; b=2"}}),
            ),
            (
                "responseReceivedExtraInfo",
                json!({"headers": {"Content-Type": "text/html"}}),
            ),
            (
                "responseReceived",
                json!({"response": {"status": 200, "headers": {}}, "hasExtraInfo": true}),
            ),
            ("loadingFinished", json!({})),
        ]);
        let one = &exchanges.since(0)[0];
        assert_eq!(one.state, State::Done);
        let hops = exchanges.hops(one);
        assert_eq!(hops.len(), 2);
        let cookies: Vec<&str> = (hops[0].response.headers.iter())
            .filter(|(name, _)| name == "set-cookie")
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(cookies, ["a=1; HttpOnly", "b=2"]);
        assert_eq!(hops[0].response.location(), Some("/second"));
        assert!(
            hops[1]
                .request
                .headers
                .contains(&("cookie".to_owned(), "a=1; b=2".to_owned()))
        );
        assert_eq!(hops[1].response.status, 200);
    }

    #[test]
    fn a_redirect_out_of_the_cache_takes_no_other_requests_fields() {
        let mut second = sent("/second");
        second["redirectResponse"] = json!({"status": 301, "headers": {"Location": "/second"}});
        second["redirectHasExtraInfo"] = json!(false);
        let exchanges = fed(&[
            ("requestWillBeSent", sent("/first")),
            ("requestWillBeSent", second),
            (
                "requestWillBeSentExtraInfo",
                json!({"headers": {"Cookie": "second=1"}}),
            ),
            (
                "responseReceivedExtraInfo",
                json!({"headers": {"X-Second": "1"}}),
            ),
            (
                "responseReceived",
                json!({"response": {"status": 200, "headers": {}}, "hasExtraInfo": true}),
            ),
        ]);
        let hops = exchanges.hops(&exchanges.since(0)[0]);
        assert_eq!(hops[0].response.header("location"), Some("/second"));
        assert_eq!(hops[0].response.header("x-second"), None);
        assert_eq!(hops[1].response.header("x-second"), Some("1"));
    }

    #[test]
    fn what_comes_to_nothing_has_no_answer() {
        let exchanges = fed(&[
            ("requestWillBeSent", sent("/first")),
            (
                "loadingFailed",
                json!({"errorText": "net::ERR_CONNECTION_REFUSED"}),
            ),
        ]);
        let one = &exchanges.since(0)[0];
        assert_eq!(
            one.state,
            State::Failed("net::ERR_CONNECTION_REFUSED".to_owned())
        );
        assert!(exchanges.hops(one).is_empty() && !one.is_answered());
    }
}
