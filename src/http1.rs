//! An HTTP/1 response, read as it arrives (RFC 9112).
//!
//! What a library refuses is read as far as it can be: a check that attacks a gateway must see what
//! really came back.

use std::mem::{self, MaybeUninit};

use httparse::{Error, ParserConfig, Status};

/// The most that is kept of a response, in bytes. One that goes on is no answer.
pub const LIMIT: usize = 4 * 1024 * 1024;

/// More header fields than any HTTP client takes.
const MOST_FIELDS: usize = 1000;

/// Why no response was read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    #[error("the answer is longer than 4 MiB: the rest was not read")]
    TooLong,
    #[error("the answer has more than {MOST_FIELDS} header fields")]
    TooManyFields,
    #[error("the answer is no HTTP response: {0}")]
    Head(Error),
    #[error("the answer is no HTTP response: invalid chunk")]
    Chunk,
    #[error("the connection closed before the answer was complete")]
    Incomplete,
}

/// Status and header fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        let fields = self.headers.iter().filter(move |(known, _)| known == name);
        fields.map(|(_, value)| value.as_slice())
    }

    /// Whether the last element of a list header is `word`.
    pub fn ends_in(&self, name: &str, word: &str) -> bool {
        let last = self.values(name).next_back();
        last.and_then(|list| list.rsplit(|byte| *byte == b',').next())
            .is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// How the body ends (RFC 9112, section 6.3).
    fn body(&self) -> Part {
        if matches!(self.status, 204 | 304) {
            return Part::End;
        }
        if self.values("transfer-encoding").next().is_some() {
            return match self.ends_in("transfer-encoding", "chunked") {
                true => Part::ChunkSize,
                false => Part::UntilClose,
            };
        }
        let length = self.values("content-length").next();
        match length.and_then(|length| std::str::from_utf8(length).ok()?.parse().ok()) {
            Some(0) => Part::End,
            Some(length) => Part::Length(length),
            None => Part::UntilClose,
        }
    }
}

/// What of a response comes next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Part {
    #[default]
    Head,
    /// So many bytes of the body.
    Length(u64),
    UntilClose,
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    End,
}

/// A response of which more may arrive.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    pub head: Option<Head>,
    /// What has arrived of the body, its chunks joined. A reader that passes it on as it comes may
    /// take it out.
    pub body: Vec<u8>,
    next: Part,
    /// Not parsed yet, or behind the end.
    unread: Vec<u8>,
    wrong: Option<Unreadable>,
}

impl Incoming {
    pub fn take(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let unread = mem::take(&mut self.unread);
        let mut rest = unread.as_slice();
        while self.wrong.is_none() {
            match self.step(rest) {
                Ok(Some(after)) => rest = after,
                Ok(None) => break,
                Err(wrong) => self.wrong = Some(wrong),
            }
        }
        self.unread = rest.to_vec();
        if self.body.len() + self.unread.len() > LIMIT {
            self.wrong.get_or_insert(Unreadable::TooLong);
        }
    }

    /// Whether it is no response, whatever follows.
    pub fn is_wrong(&self) -> bool {
        self.wrong.is_some()
    }

    /// Whether nothing more belongs to it. One without a length is over when its connection closes.
    pub fn is_over(&self) -> bool {
        self.next == Part::End || self.is_wrong()
    }

    /// Whether it is whole if its connection closes now.
    pub fn may_end(&self) -> bool {
        matches!(self.next, Part::End | Part::UntilClose) && !self.is_wrong()
    }

    /// The response, when nothing more arrives. Part of its body may be missing, but not of a chunk;
    /// what came behind its end follows its body.
    ///
    /// # Errors
    /// Why it is none.
    pub fn finish(self) -> Result<(Head, Vec<u8>), Unreadable> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        // The answer to a HEAD announces a body and has none.
        let cut = match self.next {
            Part::ChunkSize => !(self.body.is_empty() && self.unread.is_empty()),
            Part::Chunk(_) | Part::ChunkEnd => true,
            _ => false,
        };
        let (Some(head), false) = (self.head, cut) else {
            return Err(Unreadable::Incomplete);
        };
        let mut body = self.body;
        if self.next == Part::End {
            body.extend(self.unread);
        }
        Ok((head, body))
    }

    /// Reads the next part from `bytes`: what follows it, `None` where more must arrive first.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Unreadable> {
        let behind = |length: usize| bytes.get(length..).unwrap_or_default();
        Ok(match self.next {
            Part::End => None,
            Part::Head => read_head(bytes)?.map(|(head, length)| {
                // RFC 9110, section 15.2: interim responses precede the one that counts.
                if !(100..200).contains(&head.status) || head.status == 101 {
                    self.next = head.body();
                    self.head = Some(head);
                }
                behind(length)
            }),
            Part::ChunkSize => match httparse::parse_chunk_size(bytes) {
                Ok(Status::Complete((length, size))) => {
                    self.next = match size {
                        0 => Part::Trailers,
                        size => Part::Chunk(size),
                    };
                    Some(behind(length))
                }
                Ok(Status::Partial) => None,
                Err(_) => return Err(Unreadable::Chunk),
            },
            Part::ChunkEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    self.next = Part::ChunkSize;
                    Some(behind(2))
                }
                [] | [b'\r'] => None,
                _ => return Err(Unreadable::Chunk),
            },
            Part::Trailers => {
                let mut fields = [httparse::EMPTY_HEADER; 64];
                match httparse::parse_headers(bytes, &mut fields) {
                    Ok(Status::Complete((length, _))) => {
                        self.next = Part::End;
                        Some(behind(length))
                    }
                    Ok(Status::Partial) => None,
                    Err(_) => return Err(Unreadable::Chunk),
                }
            }
            _ if bytes.is_empty() => None,
            Part::UntilClose => {
                self.body.extend_from_slice(bytes);
                Some(&[])
            }
            Part::Length(left) => {
                let (left, rest) = self.keep(bytes, left);
                self.next = match left {
                    0 => Part::End,
                    left => Part::Length(left),
                };
                Some(rest)
            }
            Part::Chunk(left) => {
                let (left, rest) = self.keep(bytes, left);
                self.next = match left {
                    0 => Part::ChunkEnd,
                    left => Part::Chunk(left),
                };
                Some(rest)
            }
        })
    }

    /// Takes at most `most` bytes into the body: how many of them are missing, and what follows.
    fn keep<'a>(&mut self, bytes: &'a [u8], most: u64) -> (u64, &'a [u8]) {
        let count = usize::try_from(most).map_or(bytes.len(), |most| most.min(bytes.len()));
        let (body, rest) = bytes.split_at(count);
        self.body.extend_from_slice(body);
        (most - count as u64, rest)
    }
}

/// A head and its length in bytes, `None` where it is not complete.
fn read_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Unreadable> {
    let parsed = match parse(bytes) {
        Err(error) if error != Error::TooManyHeaders => parse(&without_controls(bytes)),
        parsed => parsed,
    };
    parsed.map_err(|error| match error {
        Error::TooManyHeaders => Unreadable::TooManyFields,
        error => Unreadable::Head(error),
    })
}

fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Error> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default()
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields)?;
    let Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let field = |field: &httparse::Header<'_>| {
        // A folded line continues the one before (RFC 9112, section 5.2).
        let unfolded = field.value.iter().map(|byte| match byte {
            b'\r' | b'\n' => b' ',
            byte => *byte,
        });
        (field.name.to_ascii_lowercase(), unfolded.collect())
    };
    let head = Head {
        status: response.code.unwrap_or_default(),
        headers: response.headers.iter().map(field).collect(),
    };
    Ok(Some((head, length)))
}

/// RFC 9110, section 5.5: NUL and a CR that ends no line are refused within a field, or read as
/// spaces.
fn without_controls(bytes: &[u8]) -> Vec<u8> {
    let next = bytes.iter().skip(1).chain([&b'\n']);
    let pairs = bytes.iter().zip(next);
    pairs
        .map(|pair| match pair {
            (0, _) => b' ',
            (b'\r', next) if *next != b'\n' => b' ',
            (byte, _) => *byte,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bytes: &[u8]) -> Incoming {
        let mut incoming = Incoming::default();
        incoming.take(bytes);
        incoming
    }

    fn read(text: &str) -> Result<(u16, String), Unreadable> {
        let (head, body) = taken(text.as_bytes()).finish()?;
        Ok((head.status, String::from_utf8(body).unwrap()))
    }

    const CHUNKED: &str = "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n";

    #[test]
    fn a_response_is_read_whole_or_chunked() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}";
        assert_eq!(read(plain).unwrap(), (200, "{\"a\":1}".to_owned()));
        assert_eq!(read(CHUNKED).unwrap(), (503, "abcde".to_owned()));
        assert!(matches!(read("garbage"), Err(Unreadable::Head(_))));
        assert_eq!(read("HTTP/1.1 200"), Err(Unreadable::Incomplete));
        let bad = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n";
        assert_eq!(read(bad), Err(Unreadable::Chunk));
    }

    #[test]
    fn a_chunk_is_counted_in_bytes_whatever_they_are() {
        let mut wire =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\xff\xe3\r\n".to_vec();
        wire.extend_from_slice(b"2\r\n\x81\x82\r\n0\r\n\r\n");
        let (_, body) = taken(&wire).finish().unwrap();
        assert_eq!(body, b"a\xff\xe3\x81\x82");
    }

    #[test]
    fn it_is_over_when_all_that_it_announces_is_there() {
        let plain = b"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nabc".as_slice();
        for wire in [plain, CHUNKED.as_bytes()] {
            for end in 0..wire.len() {
                assert!(!taken(&wire[..end]).is_over(), "{end}");
            }
            assert!(taken(wire).is_over());
        }
        assert!(!taken(b"HTTP/1.1 200 OK\r\n\r\nuntil it closes").is_over());
        for bodiless in ["204 No", "304 No", "200 OK\r\nContent-Length: 0"] {
            assert!(taken(format!("HTTP/1.1 {bodiless}\r\n\r\n").as_bytes()).is_over());
        }
    }

    #[test]
    fn it_is_the_same_in_pieces() {
        let wire = format!("HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n{CHUNKED}HTTP/1.1 200 smuggled");
        let whole = taken(wire.as_bytes()).finish().unwrap();
        assert_eq!(whole.1, b"abcdeHTTP/1.1 200 smuggled");
        for size in 1..wire.len() {
            let mut pieces = Incoming::default();
            wire.as_bytes()
                .chunks(size)
                .for_each(|piece| pieces.take(piece));
            assert_eq!(pieces.finish().unwrap(), whole, "in pieces of {size}");
        }
    }

    #[test]
    fn what_breaks_off_is_a_response_but_not_within_a_chunk() {
        let announced = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
        assert_eq!(read(announced).unwrap(), (200, "abc".to_owned()));
        let to_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(read(to_head).unwrap(), (200, String::new()));
        let cut = CHUNKED.find("bc").unwrap();
        assert_eq!(read(&CHUNKED[..cut]), Err(Unreadable::Incomplete));
    }

    #[test]
    fn a_head_that_a_library_refuses_is_read() {
        let wire = "HTTP/1.1  302  Found\r\nno colon\r\nA b: ignored\r\nLocation : /a\rb\0c\r\n\
                    X-Folded: one\r\n two\nX-Bare: \u{e9}\r\n\r\n";
        let (head, _) = taken(wire.as_bytes()).finish().unwrap();
        let field = |name| head.values(name).next().map(String::from_utf8_lossy);
        assert_eq!(head.status, 302);
        assert_eq!(field("location").unwrap(), "/a b c");
        assert_eq!(
            field("x-folded")
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>(),
            ["one", "two"]
        );
        assert_eq!(field("x-bare").unwrap(), "\u{e9}");
    }

    #[test]
    fn header_fields_are_counted_and_the_whole_is_bounded() {
        let many = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(count));
        assert_eq!(
            taken(many(MOST_FIELDS).as_bytes())
                .finish()
                .unwrap()
                .0
                .headers
                .len(),
            MOST_FIELDS
        );
        assert_eq!(read(&many(MOST_FIELDS + 1)), Err(Unreadable::TooManyFields));
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(LIMIT));
        assert_eq!(read(&endless), Err(Unreadable::TooLong));
    }
}
