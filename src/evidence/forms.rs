//! Known secrets in the encodings that a gateway may put them in: plain, base64, hex, and any of
//! these with percent or backslash escapes.

use std::{collections::HashMap, ops::Range};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use crate::digest::hex;

/// A shorter text is no secret, in bytes: redacting it would blacken ordinary words. The shortest
/// encoded form of one this long has 7 characters.
pub(super) const SHORTEST: usize = 6;

/// Every form is at least this long, and is indexed by so many of its first bytes.
const KEY: usize = SHORTEST;

/// The forms of the secrets, indexed: a search reads its text once, however many there are, and a
/// new secret costs no rebuild.
#[derive(Default)]
pub struct Forms {
    by_key: HashMap<u64, Vec<Box<[u8]>>>,
    filter: Filter,
}

/// Holds secrets: shows none.
impl std::fmt::Debug for Forms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Forms")
    }
}

impl Forms {
    /// Adds the forms of a secret.
    pub fn add(&mut self, secret: &str) {
        for form in forms(secret.as_bytes()) {
            let Some(key) = form.get(..KEY).map(key_of) else {
                continue;
            };
            self.filter.insert(key);
            let known = self.by_key.entry(key).or_default();
            if !known.contains(&form) {
                known.push(form);
            }
        }
    }

    /// Where secrets stand in `text`, in order; what overlaps is one range.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Range<usize>> {
        if self.by_key.is_empty() {
            return Vec::new();
        }
        let mut found = self.scan(text.as_bytes());
        if let Some(decoded) = Decoded::of(text.as_bytes()) {
            let ranges = self.scan(&decoded.bytes).into_iter();
            found.extend(ranges.map(|range| decoded.origin(&range)));
            found.sort_by_key(|range| range.start);
        }
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for range in found {
            match merged.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        merged
    }

    /// The longest form at each place where one begins.
    fn scan(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut key = 0;
        for (at, byte) in text.iter().enumerate() {
            key = shifted(key, *byte);
            if at + 1 < KEY || !self.filter.may_hold(key) {
                continue;
            }
            let start = at + 1 - KEY;
            let rest = text.get(start..).unwrap_or_default();
            let here = self.by_key.get(&key).into_iter().flatten();
            let here = here.filter(|form| rest.starts_with(form));
            if let Some(length) = here.map(|form| form.len()).max() {
                found.push(start..start + length);
            }
        }
        found
    }
}

/// A secret in each form that is looked for.
fn forms(secret: &[u8]) -> Vec<Box<[u8]>> {
    let hex = hex(secret);
    let mut forms: Vec<Vec<u8>> = vec![
        secret.to_vec(),
        hex.to_ascii_uppercase().into_bytes(),
        hex.into_bytes(),
        STANDARD_NO_PAD.encode(secret).into_bytes(),
        URL_SAFE_NO_PAD.encode(secret).into_bytes(),
    ];
    if secret.contains(&b' ') {
        // A form's own way to encode a space.
        let joined = secret.iter().map(|byte| match byte {
            b' ' => b'+',
            byte => *byte,
        });
        forms.push(joined.collect());
    }
    // Within a longer text: the characters that the secret alone determines, of each alignment.
    for before in 0..3 {
        let shifted = [vec![0; before], secret.to_vec()].concat();
        let own = (before * 8).div_ceil(6)..shifted.len() * 8 / 6;
        for encoded in [
            STANDARD_NO_PAD.encode(&shifted),
            URL_SAFE_NO_PAD.encode(&shifted),
        ] {
            forms.extend(encoded.get(own.clone()).map(|own| own.as_bytes().to_vec()));
        }
    }
    forms.into_iter().map(Vec::into_boxed_slice).collect()
}

fn shifted(key: u64, byte: u8) -> u64 {
    (key << 8 | u64::from(byte)) & ((1 << (8 * KEY)) - 1)
}

fn key_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |key, byte| shifted(key, *byte))
}

/// A bit for each hash of a key: most places of a text need no more than a look at it.
struct Filter(Box<[u64; 1024]>);

impl Default for Filter {
    fn default() -> Self {
        Self(Box::new([0; 1024]))
    }
}

impl Filter {
    fn place(key: u64) -> (usize, u64) {
        // Fibonacci hashing; its upper bits are the good ones.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        (usize::try_from(hash >> 6).unwrap_or(0), 1 << (hash & 63))
    }

    fn insert(&mut self, key: u64) {
        let (word, bit) = Self::place(key);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn may_hold(&self, key: u64) -> bool {
        let (word, bit) = Self::place(key);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// A text with its escapes undone: `%2F` of URLs, `\x2F` of nginx's logs, `\u002f` and `\/` of
/// JSON.
struct Decoded {
    bytes: Vec<u8>,
    /// Behind each escape, where the bytes go on and where the text does.
    resumes: Vec<(usize, usize)>,
}

impl Decoded {
    /// `None` where nothing is escaped.
    fn of(text: &[u8]) -> Option<Self> {
        let escape = |byte: &u8| matches!(byte, b'%' | b'\\');
        let first = text.iter().position(escape)?;
        let mut bytes = text.get(..first)?.to_vec();
        let mut resumes = Vec::new();
        let mut at = first;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (byte, length) = unescaped(rest);
            bytes.push(byte);
            at += length;
            if length > 1 {
                resumes.push((bytes.len(), at));
            }
            let plain = rest.get(length..).unwrap_or_default();
            let plain = plain.get(..plain.iter().position(escape).unwrap_or(plain.len()));
            let plain = plain.unwrap_or_default();
            bytes.extend_from_slice(plain);
            at += plain.len();
        }
        Some(Self { bytes, resumes })
    }

    /// The part of the text that a part of the bytes was made of.
    fn origin(&self, range: &Range<usize>) -> Range<usize> {
        let at = |place: usize| {
            let behind = self.resumes.partition_point(|(byte, _)| *byte <= place);
            let last = behind
                .checked_sub(1)
                .and_then(|last| self.resumes.get(last));
            last.map_or(place, |(byte, at)| at + (place - byte))
        };
        at(range.start)..at(range.end)
    }
}

/// The first byte of a text and how many bytes it is written with.
fn unescaped(text: &[u8]) -> (u8, usize) {
    let hex = |from: usize| {
        let digits = std::str::from_utf8(text.get(from..from + 2)?).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let escaped = match text {
        [b'%', ..] => hex(1).map(|byte| (byte, 3)),
        [b'\\', b'x' | b'X', ..] => hex(2).map(|byte| (byte, 4)),
        [b'\\', b'u', b'0', b'0', ..] => hex(4).filter(u8::is_ascii).map(|byte| (byte, 6)),
        [b'\\', byte @ (b'/' | b'"' | b'\\'), ..] => Some((*byte, 2)),
        _ => None,
    };
    escaped.unwrap_or((text.first().copied().unwrap_or_default(), 1))
}
