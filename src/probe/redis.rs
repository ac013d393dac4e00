//! Redis, read as the plan's `redis-cli` would.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use redis::{
    Arg, AsyncConnectionConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo as _, Value, aio::MultiplexedConnection,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

/// How long an answer may take: several times what it takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
#[error("asking Redis for {what} failed: {source}")]
pub struct RedisError {
    what: String,
    source: redis::RedisError,
}

/// `redis-cli` in a place that only the stack can reach.
#[async_trait]
pub trait RedisCli: Send + Sync {
    /// Runs `redis-cli` with these words as a command: what it prints with `--no-raw`, or
    /// what went wrong.
    async fn run(&self, words: Vec<String>) -> Result<String, String>;
}

#[derive(Clone)]
enum Way {
    Address(Address),
    Cli(Arc<dyn RedisCli>),
}

#[derive(Clone, Debug)]
enum Place {
    Tcp(SocketAddr),
    Socket(PathBuf),
}

/// Where Redis listens, and as whom it is asked.
#[derive(Clone)]
struct Address {
    place: Place,
    user: Option<(String, SecretString)>,
    /// The one that was made for the first question, for as long as it holds.
    connection: Arc<Mutex<Option<MultiplexedConnection>>>,
}

impl Address {
    fn info(&self) -> Result<ConnectionInfo, redis::RedisError> {
        let address = match &self.place {
            Place::Tcp(address) => ConnectionAddr::Tcp(address.ip().to_string(), address.port()),
            Place::Socket(path) => ConnectionAddr::Unix(path.clone()),
        };
        let info = address.into_connection_info()?;
        let Some((name, password)) = &self.user else {
            return Ok(info);
        };
        let settings = info
            .redis_settings()
            .clone()
            .set_username(name)
            .set_password(password.expose_secret());
        Ok(info.set_redis_settings(settings))
    }

    async fn connect(&self) -> Result<MultiplexedConnection, redis::RedisError> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(TIMEOUT));
        redis::Client::open(self.info()?)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// The answer. A connection that Redis has ended since the last question, as a restart does,
    /// is made anew; one that is new and fails is Redis's own failure.
    async fn ask(&self, command: &Cmd) -> Result<Value, redis::RedisError> {
        let kept = self.connection.lock().await.take();
        if let Some(mut kept) = kept {
            let answer = command.query_async(&mut kept).await;
            match answer {
                Err(error) if error.is_connection_dropped() => {}
                answer => {
                    self.keep(kept).await;
                    return answer;
                }
            }
        }
        let mut connection = self.connect().await?;
        let answer = command.query_async(&mut connection).await;
        self.keep(connection).await;
        answer
    }

    async fn keep(&self, connection: MultiplexedConnection) {
        *self.connection.lock().await = Some(connection);
    }
}

/// What stands between Redis and who reads its answers: from a command's name and the answer to
/// what is seen of it.
#[cfg(feature = "fault-injection")]
pub type Filter = Arc<dyn Fn(&str, Value) -> Value + Send + Sync>;

#[derive(Clone)]
pub struct Redis {
    way: Way,
    #[cfg(feature = "fault-injection")]
    filter: Option<Filter>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.way {
            Way::Address(address) => match &address.place {
                Place::Tcp(address) => write!(f, "Redis at {address}"),
                Place::Socket(path) => write!(f, "Redis at {}", path.display()),
            },
            Way::Cli(_) => f.write_str("Redis by redis-cli"),
        }
    }
}

impl Redis {
    /// Redis at an address. It may be restarted between two questions.
    pub fn at(address: SocketAddr) -> Self {
        Self::in_place(Place::Tcp(address))
    }

    /// Redis at a unix socket, as [`Redis::at`].
    pub fn at_socket(path: &Path) -> Self {
        Self::in_place(Place::Socket(path.to_owned()))
    }

    fn in_place(place: Place) -> Self {
        Self {
            way: Way::Address(Address {
                place,
                user: None,
                connection: Arc::default(),
            }),
            #[cfg(feature = "fault-injection")]
            filter: None,
        }
    }

    /// The same, asked as this user.
    #[must_use]
    pub fn as_user(mut self, name: &str, password: SecretString) -> Self {
        if let Way::Address(address) = &mut self.way {
            address.user = Some((name.to_owned(), password));
        }
        self
    }

    /// Redis by its own command-line client.
    pub fn by_cli(cli: Arc<dyn RedisCli>) -> Self {
        Self {
            way: Way::Cli(cli),
            #[cfg(feature = "fault-injection")]
            filter: None,
        }
    }

    /// The same, with every answer filtered.
    #[cfg(feature = "fault-injection")]
    #[must_use]
    pub fn filtered(self, filter: Filter) -> Self {
        Self {
            filter: Some(filter),
            ..self
        }
    }

    ///
    /// # Errors
    /// Where it does not answer, or answers something else than a `T`.
    pub async fn ask<T: FromRedisValue>(&self, what: &str, command: &Cmd) -> Result<T, RedisError> {
        let error = |source| RedisError {
            what: what.to_owned(),
            source,
        };
        let value = match &self.way {
            Way::Address(address) => address.ask(command).await.map_err(error)?,
            Way::Cli(cli) => {
                let failed =
                    |why: String| error(redis::RedisError::from((ErrorKind::Io, "redis-cli", why)));
                let printed = cli.run(words(command)).await.map_err(failed)?;
                printed_value(&printed)
                    .ok_or_else(|| failed(format!("printed {printed:?}")))?
                    .extract_error()
                    .map_err(error)?
            }
        };
        #[cfg(feature = "fault-injection")]
        let value = match &self.filter {
            Some(filter) => filter(&name(command), value),
            None => value,
        };
        T::from_redis_value(value).map_err(|wrong| error(wrong.into()))
    }

    async fn command(&self, what: &str, command: &Cmd) -> Result<(), RedisError> {
        self.ask::<Value>(what, command).await.map(drop)
    }

    /// The value of a key, whatever its type, as text; `None` where it does not exist.
    pub async fn get(&self, key: &str) -> Result<Option<String>, RedisError> {
        let kind: String = self.ask(key, redis::cmd("TYPE").arg(key)).await?;
        Ok(match kind.as_str() {
            "none" => None,
            "string" => self
                .ask::<Option<Vec<u8>>>(key, redis::cmd("GET").arg(key))
                .await?
                .map(lossy),
            "set" => Some(
                self.ask::<Vec<Vec<u8>>>(key, redis::cmd("SMEMBERS").arg(key))
                    .await?
                    .into_iter()
                    .map(lossy)
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
            // As JSON, so that a place in it is found as in one.
            "hash" => {
                let fields: Vec<(Vec<u8>, Vec<u8>)> =
                    self.ask(key, redis::cmd("HGETALL").arg(key)).await?;
                let fields = fields.into_iter();
                let fields = fields.map(|(name, value)| {
                    let text = lossy(value);
                    let number = text.parse::<i64>().map(serde_json::Value::from);
                    (lossy(name), number.unwrap_or_else(|_| text.into()))
                });
                Some(serde_json::Value::Object(fields.collect()).to_string())
            }
            other => Some(format!("({other})")),
        })
    }

    /// Has Redis write everything that it holds to its disk, and returns when it has.
    ///
    /// # Errors
    /// Where Redis does not answer or cannot write.
    pub async fn save(&self) -> Result<(), RedisError> {
        self.command("SAVE", &redis::cmd("SAVE")).await
    }

    pub async fn exists(&self, key: &str) -> Result<bool, RedisError> {
        self.ask(key, redis::cmd("EXISTS").arg(key)).await
    }

    /// How long a key has to live, in seconds; `None` where it does not exist or does not end.
    pub async fn ttl(&self, key: &str) -> Result<Option<i64>, RedisError> {
        let seconds: i64 = self.ask(key, redis::cmd("TTL").arg(key)).await?;
        Ok((seconds >= 0).then_some(seconds))
    }

    /// Replaces the value of a key that exists by this object, as JSON or as the fields of a hash,
    /// whichever it is, and leaves its TTL.
    pub async fn replace(&self, key: &str, object: &serde_json::Value) -> Result<(), RedisError> {
        let kind: String = self.ask(key, redis::cmd("TYPE").arg(key)).await?;
        let mut command = redis::cmd("HSET");
        command.arg(key);
        match object.as_object().filter(|_| kind == "hash") {
            Some(fields) => {
                for (name, value) in fields {
                    let text = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    command.arg(name).arg(text);
                }
            }
            None => {
                command = redis::cmd("SET");
                command
                    .arg(key)
                    .arg(object.to_string())
                    .arg("XX")
                    .arg("KEEPTTL");
            }
        }
        self.command(key, &command).await
    }

    /// A key as Redis itself writes it down, with its TTL in milliseconds (0: it does not end);
    /// `None` where it does not exist. For [`Redis::restore`].
    pub async fn dump(&self, key: &str) -> Result<Option<(Vec<u8>, i64)>, RedisError> {
        let dumped: Option<Vec<u8>> = self.ask(key, redis::cmd("DUMP").arg(key)).await?;
        let ttl: i64 = self.ask(key, redis::cmd("PTTL").arg(key)).await?;
        // -2: it ended in between.
        Ok(dumped
            .filter(|_| ttl != -2)
            .map(|bytes| (bytes, ttl.max(0))))
    }

    /// Puts a key back as it was dumped.
    ///
    /// # Errors
    /// Where Redis does not answer or does not take it.
    pub async fn restore(&self, key: &str, dumped: &[u8], ttl: i64) -> Result<(), RedisError> {
        let mut command = redis::cmd("RESTORE");
        command.arg(key).arg(ttl).arg(dumped).arg("REPLACE");
        self.command(key, &command).await
    }

    /// Writes a text, to end after so many seconds.
    pub async fn write(&self, key: &str, value: &str, seconds: i64) -> Result<(), RedisError> {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("EX").arg(seconds);
        self.command(key, &command).await
    }

    /// The keys that fit a pattern.
    pub async fn keys(&self, pattern: &str) -> Result<Vec<String>, RedisError> {
        let mut found = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let mut command = redis::cmd("SCAN");
            command
                .arg(&cursor)
                .arg("MATCH")
                .arg(pattern)
                .arg("COUNT")
                .arg(1000);
            let (next, keys): (String, Vec<String>) = self.ask(pattern, &command).await?;
            found.extend(keys);
            if next == "0" {
                found.sort();
                found.dedup();
                return Ok(found);
            }
            cursor = next;
        }
    }

    pub async fn delete(&self, key: &str) -> Result<(), RedisError> {
        self.command(key, redis::cmd("DEL").arg(key)).await
    }

    /// Takes a member out of a set; one that is not there does no harm.
    pub async fn take_out(&self, set: &str, member: &str) -> Result<(), RedisError> {
        self.command(set, redis::cmd("SREM").arg(set).arg(member))
            .await
    }

    pub async fn delete_all(&self, keys: &[String]) -> Result<(), RedisError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.command("many keys", redis::cmd("DEL").arg(keys)).await
    }

    /// Holds every write back for a while, or until [`Redis::unpause`]; reads pass.
    pub async fn pause_writes(&self, milliseconds: u64) -> Result<(), RedisError> {
        self.command(
            "a pause",
            redis::cmd("CLIENT")
                .arg("PAUSE")
                .arg(milliseconds)
                .arg("WRITE"),
        )
        .await
    }

    /// How many clients wait for an answer that Redis holds back.
    pub async fn blocked_clients(&self) -> Result<usize, RedisError> {
        let info: String = self
            .ask("its clients", redis::cmd("INFO").arg("clients"))
            .await?;
        let count = info
            .lines()
            .find_map(|line| line.strip_prefix("blocked_clients:"));
        Ok(count
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0))
    }

    pub async fn unpause(&self) -> Result<(), RedisError> {
        self.command("the end of a pause", redis::cmd("CLIENT").arg("UNPAUSE"))
            .await
    }

    ///
    /// # Errors
    /// Where it does not.
    pub async fn ping(&self) -> Result<(), RedisError> {
        self.command("PING", &redis::cmd("PING")).await
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(feature = "fault-injection")]
fn name(command: &Cmd) -> String {
    match command.args_iter().next() {
        Some(Arg::Simple(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

fn words(command: &Cmd) -> Vec<String> {
    command
        .args_iter()
        .map(|word| match word {
            Arg::Simple(bytes) => quoted(bytes),
            _ => String::new(),
        })
        .collect()
}

/// A word as `redis-cli` reads it from its standard input: in double quotes, what is not
/// plain as `\xHH`.
fn quoted(bytes: &[u8]) -> String {
    let inner: String = bytes
        .iter()
        .map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(*byte)),
            b' '..=b'~' => char::from(*byte).to_string(),
            other => format!("\\x{other:02x}"),
        })
        .collect();
    format!("\"{inner}\"")
}

/// What `redis-cli --no-raw` printed, as a value. Its forms: `OK`, `(integer) 1`, `(nil)`,
/// `(error) ERR ...`, `"text\n"`, `1) ...`, `(empty array)`.
fn printed_value(text: &str) -> Option<Value> {
    // `INFO` is printed as it is, whatever was asked for.
    if text.starts_with("# ") {
        return Some(Value::BulkString(text.as_bytes().to_vec()));
    }
    let lines: Vec<&str> = text.lines().collect();
    let (value, rest) = one_value(&lines, 0)?;
    rest.iter()
        .all(|line| line.trim().is_empty())
        .then_some(value)
}

/// The value at the beginning of `lines`, of which `indent` columns are passed over.
fn one_value<'a, 'b>(lines: &'b [&'a str], indent: usize) -> Option<(Value, &'b [&'a str])> {
    let (first, rest) = lines.split_first()?;
    let line = first.get(indent..)?;
    if let Some(number) = line.strip_prefix("(integer) ") {
        return Some((Value::Int(number.trim().parse().ok()?), rest));
    }
    if line.starts_with("(nil)") {
        return Some((Value::Nil, rest));
    }
    if line.starts_with("(empty ") {
        return Some((Value::Array(Vec::new()), rest));
    }
    if let Some(why) = line.strip_prefix("(error) ") {
        let (code, detail) = why.split_once(' ').unwrap_or((why, ""));
        let error = redis::make_extension_error(code.to_owned(), Some(detail.to_owned()));
        return match redis::ServerError::try_from(error) {
            Ok(error) => Some((Value::ServerError(error), rest)),
            Err(_) => None,
        };
    }
    if let Some(quoted) = line.strip_prefix('"') {
        let bytes = unquoted(quoted.strip_suffix('"')?)?;
        return Some((Value::BulkString(bytes), rest));
    }
    if !is_entry(line) {
        return Some((Value::SimpleString(line.to_owned()), rest));
    }
    let mut entries = Vec::new();
    let mut left = lines;
    let mut at = indent;
    while let Some(line) = left.first().and_then(|line| line.get(at..))
        && let Some((width, _)) = entry(line)
    {
        let (value, rest) = one_value(left, at + width)?;
        entries.push(value);
        left = rest;
        // Further entries stand under the first: its number may follow spaces.
        at = indent;
        let under = left.first().is_some_and(|line| {
            line.len() > indent
                && line
                    .get(..indent)
                    .is_some_and(|before| before.trim().is_empty())
        });
        if !under {
            break;
        }
    }
    Some((Value::Array(entries), left))
}

fn is_entry(line: &str) -> bool {
    entry(line).is_some()
}

/// The width and number of an entry's beginning: ` 1) `.
fn entry(line: &str) -> Option<(usize, u64)> {
    let (number, _) = line.split_once(") ")?;
    let width = number.len() + 2;
    Some((width, number.trim_start().parse().ok()?))
}

/// `sdscatrepr`'s escapes undone.
fn unquoted(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 7,
            b'b' => 8,
            b'x' => {
                let hex = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::BulkString(value.as_bytes().to_vec())
    }

    #[test]
    fn what_the_client_prints_is_read() {
        assert_eq!(
            printed_value("OK"),
            Some(Value::SimpleString("OK".to_owned()))
        );
        assert_eq!(printed_value("(integer) -2\n"), Some(Value::Int(-2)));
        assert_eq!(printed_value("(nil)"), Some(Value::Nil));
        assert_eq!(
            printed_value(r#""a\"b\x00\n""#),
            Some(Value::BulkString(b"a\"b\0\n".to_vec()))
        );
        assert_eq!(
            printed_value("(empty array)"),
            Some(Value::Array(Vec::new()))
        );
        let scan = "1) \"0\"\n2)  1) \"a\"\n    2) \"b\"\n   10) \"c\"\n";
        assert_eq!(
            printed_value(scan),
            Some(Value::Array(vec![
                text("0"),
                Value::Array(vec![text("a"), text("b"), text("c")])
            ]))
        );
        assert_eq!(
            printed_value("1) \"0\"\n2) (empty array)\n"),
            Some(Value::Array(vec![text("0"), Value::Array(Vec::new())]))
        );
    }

    #[test]
    fn an_error_of_redis_is_one() {
        let value = printed_value("(error) WRONGTYPE Operation against a key").unwrap();
        assert!(matches!(value, Value::ServerError(_)));
        assert!(value.extract_error().is_err());
    }

    #[test]
    fn words_survive_the_client() {
        let bytes: Vec<u8> = (0..=255).collect();
        let word = quoted(&bytes);
        assert_eq!(unquoted(&word[1..word.len() - 1]), Some(bytes));
    }
}
