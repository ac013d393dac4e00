//! What each user of Redis may do, in a real one.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use redis::{Cmd, Value};
use secrecy::{ExposeSecret as _, SecretString};
use verify::{
    probe::redis::Redis,
    profile::{Profile, SessionKeys},
    stack::{
        keys::Keys,
        redis_acl::{self, Dialect, acl},
    },
};

use super::support::root;

/// oauth2-proxy's cookie.
const COOKIE: &str = "_oauth2_proxy";

/// A session's key.
const SESSION: &str = "_oauth2_proxy-0123456789abcdef";

struct Rig {
    server: Child,
    folder: tempfile::TempDir,
    keys: Keys,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn version() -> String {
    let output = Command::new("redis-server").arg("--version").output();
    String::from_utf8_lossy(&output.expect("redis-server").stdout).into_owned()
}

async fn rig(cookie: &str, sessions: SessionKeys, dialect: Dialect) -> Rig {
    let profile = Profile::load(&root().join("fixtures/profiles/plan.yaml")).expect("a profile");
    let keys = Keys::fresh(&profile).expect("keys");
    let folder = tempfile::tempdir().expect("a folder");
    let users: String = acl(cookie, sessions, &keys, dialect)
        .iter()
        .map(|rules| format!("user {rules}\n"))
        .collect();
    std::fs::write(folder.path().join("users.acl"), users).expect("a file");
    // Refused by the rules, not by the server's own default.
    let debug: &[&str] = match dialect {
        Dialect::Seven => &["--enable-debug-command", "yes"],
        Dialect::Six => &[],
    };
    let server = Command::new("redis-server")
        .args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""])
        .args(["--aclfile", "users.acl"])
        .args(debug)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server");
    let rig = Rig {
        server,
        folder,
        keys,
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while rig.gateway().ping().await.is_err() {
        assert!(Instant::now() < deadline, "Redis does not take these users");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rig
}

impl Rig {
    fn gateway(&self) -> Redis {
        Redis::at_socket(&self.folder.path().join("redis.sock"))
    }

    fn user(&self, name: &str, password: &SecretString) -> Redis {
        self.gateway().as_user(name, password.clone())
    }

    fn verify(&self) -> Redis {
        self.user(redis_acl::VERIFY, &self.keys.redis_verify)
    }
}

fn command(words: &str) -> Cmd {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().expect("a command"));
    for word in words {
        command.arg(word.replace('_', " ").replace("  ", "_"));
    }
    command
}

/// Asks with words, of which `_` is a space and `__` an underscore.
async fn ask(redis: &Redis, words: &str) -> Result<Value, String> {
    let words = words.replace("_oauth2_proxy", "__oauth2__proxy");
    let asked = redis.ask::<Value>(&words, &command(&words)).await;
    asked.map_err(|error| error.to_string())
}

#[track_caller]
fn refused(answer: &Result<Value, String>, words: &str) {
    let error = answer.as_ref().expect_err(words);
    let by_acl = [
        "NoPerm",
        "The user executing the script",
        "insufficient ACL permissions",
        // Older servers refuse some commands to every script, before they ask for a permission.
        "not allowed from script",
    ];
    assert!(
        by_acl.iter().any(|part| error.contains(part)),
        "{words}: {error}"
    );
}

/// What a gateway may not do, with sessions readable or hidden.
const FORBIDDEN: [&str; 27] = [
    "CONFIG GET *",
    "CONFIG SET maxmemory 1",
    "DEBUG SLEEP 0",
    "SHUTDOWN NOSAVE",
    "MODULE LIST",
    "REPLICAOF localhost 1",
    "SLAVEOF localhost 1",
    "ACL LIST",
    "ACL SETUSER default +@all",
    "ACL GETUSER verify",
    "MONITOR",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "CLIENT PAUSE 1",
    "CLIENT UNPAUSE",
    "FLUSHALL",
    "FLUSHDB",
    "SWAPDB 0 1",
    "SAVE",
    "BGSAVE",
    "BGREWRITEAOF",
    "MIGRATE localhost 1 key 0 1",
    "CLUSTER INFO",
    "RESTORE key 0 x",
    "PSYNC ? -1",
    "SLOWLOG GET",
    "EVAL return_redis.call('CONFIG','GET','*') 0",
];

/// What real gateways do.
const NEEDED: [&str; 30] = [
    "PING",
    "SET active__user:a@b {} EX 60",
    "GET active__user:a@b",
    "EXISTS active__user:a@b",
    "TTL active__user:a@b",
    "EXPIRE active__user:a@b 50",
    "SCAN 0 MATCH active__user:* COUNT 500",
    "KEYS active__user:*",
    "DEL active__user:a@b",
    "ZADD tokens 1 id",
    "ZREVRANGE tokens 0 -1",
    "ZREM tokens id",
    "SADD user:tokens:a@b id",
    "SMEMBERS user:tokens:a@b",
    "SREM user:tokens:a@b id",
    "HSET _ field value",
    "HGETALL o",
    "INCR __",
    "INCR __o",
    "INCR __oauth2",
    "INCR __oauth2__proxyless",
    "INCR Oauth2",
    "RPUSH list x",
    "MULTI",
    "INFO server",
    "CLIENT SETNAME gateway",
    "CLIENT GETNAME",
    "SUBSCRIBE channel",
    "PUBLISH channel x",
    "EVAL redis.call('SET',KEYS[1],ARGV[1],'EX',9)_return_redis.call('TTL',KEYS[1]) 1 active__user:c@d x",
];

#[tokio::test]
async fn a_gateway_can_neither_change_redis_nor_read_sessions() {
    for dialect in dialects() {
        let rig = rig(COOKIE, SessionKeys::Hidden, dialect).await;
        // A connection of its own for each: MULTI would hold for what comes after it.
        let gateway = || rig.gateway();
        let session = format!("SET {SESSION} secret EX 60");
        ask(&rig.verify(), &session).await.expect("a session");
        for words in FORBIDDEN {
            refused(&ask(&gateway(), words).await, words);
        }
        for words in NEEDED {
            ask(&gateway(), words).await.expect(words);
        }
        for words in [
            "GET KEY",
            "GETRANGE KEY 0 -1",
            "DUMP KEY",
            "TTL KEY",
            "RENAME KEY mine",
            "COPY KEY mine",
            "MGET mine KEY",
            "GETDEL KEY",
            "SORT list BY nosort GET __oauth2__proxy-*",
            "EVAL return_redis.call('GET',KEYS[1]) 1 KEY",
            "EVAL return_redis.call('GET','KEY') 0",
        ] {
            let words = words
                .replace("KEY", SESSION)
                .replace(&format!("{SESSION}S[1]"), "KEYS[1]");
            refused(&ask(&gateway(), &words).await, &words);
        }
        // On Redis 7 whoever may write a key may ask how long it is, and of what type.
        for words in ["STRLEN KEY", "TYPE KEY", "OBJECT ENCODING KEY"] {
            let words = words.replace("KEY", SESSION);
            let asked = ask(&gateway(), &words).await;
            match dialect {
                Dialect::Seven => drop(asked.expect(&words)),
                Dialect::Six => refused(&asked, &words),
            }
        }
        // It may end a session where Redis can tell that from reading it.
        let deleted = ask(&gateway(), &format!("DEL {SESSION}")).await;
        match dialect {
            Dialect::Seven => assert_eq!(deleted, Ok(Value::Int(1))),
            Dialect::Six => refused(&deleted, "DEL"),
        }
    }
}

#[tokio::test]
async fn a_profile_can_let_a_gateway_read_sessions() {
    for dialect in dialects() {
        let rig = rig(COOKIE, SessionKeys::Readable, dialect).await;
        let session = format!("SET {SESSION} secret EX 60");
        ask(&rig.verify(), &session).await.expect("a session");
        let read = ask(&rig.gateway(), &format!("GET {SESSION}")).await;
        assert_eq!(read, Ok(Value::BulkString(b"secret".to_vec())));
        for words in FORBIDDEN {
            refused(&ask(&rig.gateway(), words).await, words);
        }
    }
}

#[tokio::test]
async fn each_user_has_a_password_and_what_it_needs() {
    for dialect in dialects() {
        let rig = rig(COOKIE, SessionKeys::Hidden, dialect).await;
        for words in [
            "CONFIG GET save",
            "CLIENT PAUSE 1 WRITE",
            "CLIENT UNPAUSE",
            "INFO clients",
        ] {
            ask(&rig.verify(), words).await.expect(words);
        }
        let auth = rig.user(redis_acl::AUTH, &rig.keys.redis_auth);
        for words in [
            "SET KEY x EX 9",
            "GET KEY",
            "SET KEY.lock x NX EX 9",
            "DEL KEY KEY.lock",
        ] {
            let words = words.replace("KEY", SESSION);
            ask(&auth, &words).await.expect(&words);
        }
        refused(&ask(&auth, "GET active__user:a@b").await, "GET");
        refused(&ask(&auth, "CONFIG GET save").await, "CONFIG");
        for name in [redis_acl::AUTH, redis_acl::VERIFY] {
            let wrong = ask(&rig.user(name, &"wrong".into()), "PING").await;
            wrong.expect_err("a wrong password is no password");
        }
    }
}

#[tokio::test]
async fn a_cookie_of_any_name_hides_its_own_sessions_only() {
    for cookie in ["s", "a*b?c", "__Host-^session", "[x]\\"] {
        let rig = rig(cookie, SessionKeys::Hidden, dialects()[0]).await;
        let get = |key: &str| {
            let mut command = redis::cmd("GET");
            command.arg(key);
            command
        };
        let gateway = rig.gateway();
        let session = gateway
            .ask::<Value>("", &get(&format!("{cookie}-0f")))
            .await;
        session.expect_err(cookie);
        for key in [
            cookie.to_owned(),
            format!("{cookie}x"),
            "other".to_owned(),
            "-".to_owned(),
        ] {
            gateway.ask::<Value>(&key, &get(&key)).await.expect(&key);
        }
    }
}

#[test]
fn rules_show_no_password_and_the_version_names_the_dialect() {
    let profile = Profile::load(&root().join("fixtures/profiles/plan.yaml")).expect("a profile");
    let keys = Keys::fresh(&profile).expect("keys");
    let rules = acl(COOKIE, SessionKeys::Hidden, &keys, Dialect::Seven).join("\n");
    for secret in [&keys.redis_auth, &keys.redis_verify] {
        assert!(!rules.contains(secret.expose_secret()));
    }
    assert_eq!(Dialect::of("Redis server v=6.0.16 sha=0"), Dialect::Six);
    assert_eq!(Dialect::of("Redis server v=7.4.2 sha=0"), Dialect::Seven);
    assert_eq!(Dialect::of("7.0.15"), Dialect::Seven);
}

/// Those that the Redis here knows.
fn dialects() -> Vec<Dialect> {
    vec![Dialect::of(&version())]
}
