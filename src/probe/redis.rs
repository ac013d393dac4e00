//! Redis, read as the plan's `redis-cli` would.

use std::net::SocketAddr;

use redis::{AsyncCommands as _, aio::MultiplexedConnection};

/// Redis could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("asking Redis for {what} failed: {source}")]
pub struct RedisError {
    what: String,
    source: redis::RedisError,
}

/// A connection to the stack's Redis.
#[derive(Clone, Debug)]
pub struct Redis {
    address: SocketAddr,
}

impl Redis {
    /// Redis at an address. A connection is made for every question: it may be restarted
    /// in between.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    async fn connection(&self, what: &str) -> Result<MultiplexedConnection, RedisError> {
        let connect = async {
            redis::Client::open(format!("redis://{}/", self.address))?
                .get_multiplexed_async_connection()
                .await
        };
        connect.await.map_err(|source| RedisError {
            what: what.to_owned(),
            source,
        })
    }

    /// The value of a key, whatever its type, as text; `None` where it does not exist.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn get(&self, key: &str) -> Result<Option<String>, RedisError> {
        let error = |source| RedisError {
            what: key.to_owned(),
            source,
        };
        let mut redis = self.connection(key).await?;
        let kind: String = redis::cmd("TYPE")
            .arg(key)
            .query_async(&mut redis)
            .await
            .map_err(error)?;
        Ok(match kind.as_str() {
            "none" => None,
            "string" => redis
                .get::<_, Option<Vec<u8>>>(key)
                .await
                .map_err(error)?
                .map(lossy),
            "set" => Some(
                redis
                    .smembers::<_, Vec<Vec<u8>>>(key)
                    .await
                    .map_err(error)?
                    .into_iter()
                    .map(lossy)
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
            other => Some(format!("({other})")),
        })
    }

    /// Whether a key exists.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn exists(&self, key: &str) -> Result<bool, RedisError> {
        let mut redis = self.connection(key).await?;
        redis.exists(key).await.map_err(|source| RedisError {
            what: key.to_owned(),
            source,
        })
    }

    /// How long a key has to live, in seconds; `None` where it does not exist or does not end.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn ttl(&self, key: &str) -> Result<Option<i64>, RedisError> {
        let mut redis = self.connection(key).await?;
        let seconds: i64 = redis.ttl(key).await.map_err(|source| RedisError {
            what: key.to_owned(),
            source,
        })?;
        Ok((seconds >= 0).then_some(seconds))
    }

    /// Replaces the value of a key that exists, and leaves its TTL.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn replace(&self, key: &str, value: &str) -> Result<(), RedisError> {
        self.command(
            key,
            redis::cmd("SET")
                .arg(key)
                .arg(value)
                .arg("XX")
                .arg("KEEPTTL"),
        )
        .await
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn delete(&self, key: &str) -> Result<(), RedisError> {
        self.command(key, redis::cmd("DEL").arg(key)).await
    }

    /// Holds every write back for a while, or until [`Redis::unpause`]; reads pass.
    ///
    /// # Errors
    /// Where Redis does not answer.
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
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn blocked_clients(&self) -> Result<usize, RedisError> {
        let what = "its clients";
        let error = |source| RedisError {
            what: what.to_owned(),
            source,
        };
        let mut redis = self.connection(what).await?;
        let mut command = redis::cmd("INFO");
        let info: String = command
            .arg("clients")
            .query_async(&mut redis)
            .await
            .map_err(error)?;
        let count = info
            .lines()
            .find_map(|line| line.strip_prefix("blocked_clients:"));
        Ok(count
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0))
    }

    /// Lets writes pass again.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn unpause(&self) -> Result<(), RedisError> {
        self.command("the end of a pause", redis::cmd("CLIENT").arg("UNPAUSE"))
            .await
    }

    async fn command(&self, what: &str, command: &redis::Cmd) -> Result<(), RedisError> {
        let mut redis = self.connection(what).await?;
        command
            .query_async(&mut redis)
            .await
            .map_err(|source| RedisError {
                what: what.to_owned(),
                source,
            })
    }

    /// Whether it answers.
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
