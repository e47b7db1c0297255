//! What the commands of Redis do to a conversation, where their keys are, and which of their arguments are secret.
//!
//! Names, key positions and blocking are those of Redis 7.2 (`COMMAND DOCS`); a command that is not listed has its key
//! first, as nearly all of them do.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::super::text::{Text, head_of};

/// Where a command has its first key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyPlace {
    /// Nowhere.
    None,
    /// This argument, counted from the command's name as 0.
    At(u32),
    /// After the argument that says how many keys there are, if there are any.
    AfterCount(u32),
    /// After the word `STREAMS`.
    AfterStreams,
}

/// What a request means for those that follow and for its own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// One answer, nothing else.
    None,
    /// One answer per channel.
    Subscribe,
    /// One answer per channel named, or per channel that there is.
    Unsubscribe,
    /// Commands follow as they come in.
    Monitor,
    /// The connection becomes that of a replica.
    Sync,
    /// The commands that follow are queued.
    Multi,
    /// They are not any more.
    EndMulti,
    /// Everything is as in the beginning.
    Reset,
    /// `CLIENT`, which may turn answers off and on.
    Client,
    /// `REPLCONF`, which may be an acknowledgement without answer.
    Replconf,
}

/// Which arguments are never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    None,
    /// All of them (`AUTH`).
    All,
    /// Those after one of certain words (`HELLO 3 AUTH name password`).
    AfterWord,
}

/// A command's habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Habit {
    pub(super) key: KeyPlace,
    pub(super) effect: Effect,
    pub(super) secret: Secret,
    /// It waits in the server, if the client does not say otherwise.
    pub(super) is_blocking: bool,
}

impl Habit {
    /// Of a command nobody has heard of.
    pub(super) const UNKNOWN: Self = Self::keyed(KeyPlace::At(1));
    const KEYLESS: Self = Self::keyed(KeyPlace::None);

    const fn keyed(key: KeyPlace) -> Self {
        Self { key, effect: Effect::None, secret: Secret::None, is_blocking: false }
    }

    const fn blocking(key: KeyPlace) -> Self {
        Self { is_blocking: true, ..Self::keyed(key) }
    }

    const fn with(effect: Effect, key: KeyPlace) -> Self {
        Self { effect, ..Self::keyed(key) }
    }

    const fn hiding(secret: Secret, key: KeyPlace) -> Self {
        Self { secret, ..Self::keyed(key) }
    }

    /// Of the command with this name, in upper case.
    pub(super) fn of(name: &[u8]) -> Self {
        match short_name(name) {
            Some(name) => SHORT_NAMES.get(name).unwrap_or(Self::UNKNOWN),
            None => HABITS.get(name).copied().unwrap_or(Self::UNKNOWN),
        }
    }
}

/// A command by its name, as long as the same one is sent again and again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latest {
    /// The name as it was sent, where it is short.
    sent: Option<(u64, usize)>,
    command: Text<24>,
    habit: Habit,
}

impl Latest {
    /// The command that is meant by a name, and its habit.
    #[inline]
    pub(super) fn of(&mut self, name: &[u8]) -> (Text<24>, Habit) {
        let sent = (head_of(name), name.len());
        if self.sent != Some(sent) {
            self.command = Text::upper(name);
            self.habit = Habit::of(self.command.octets());
            self.sent = Some(sent).filter(|_| name.len() <= 8);
        }
        (self.command, self.habit)
    }
}

/// Whether it is a command of Redis, in any case of letters.
pub(super) fn is_known(name: &[u8]) -> bool {
    let mut upper = [0; 24];
    let Some(upper) = upper.get_mut(..name.len()) else { return false };
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    HABITS.contains_key(&*upper)
}

/// Words after which everything is secret: `HELLO`, `MIGRATE`, `CONFIG SET`, `ACL SETUSER`, `SENTINEL SET`.
pub(super) fn is_before_secret(word: &[u8]) -> bool {
    const WORDS: [&[u8]; 11] = [
        b"AUTH",
        b"AUTH2",
        b"SETUSER",
        b"REQUIREPASS",
        b"MASTERAUTH",
        b"MASTERUSER",
        b"PRIMARYAUTH",
        b"AUTH-PASS",
        b"SENTINEL-PASS",
        b"TLS-KEY-FILE-PASS",
        b"TLS-CLIENT-KEY-FILE-PASS",
    ];
    let word = word.strip_prefix(b"\"").unwrap_or(word);
    let word = word.strip_suffix(b"\"").unwrap_or(word);
    WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

static HABITS: LazyLock<HashMap<&'static [u8], Habit>> = LazyLock::new(|| {
    let each = |(habit, names): &(Habit, &'static str)| {
        let habit = *habit;
        names.split_ascii_whitespace().map(move |name| (name.as_bytes(), habit))
    };
    LISTED.iter().flat_map(each).collect()
});

/// The names of at most eight octets, which nearly all requests have, as numbers in an open table.
struct ShortNames {
    entries: Box<[(u64, Habit); SHORT_ENTRIES]>,
}

/// A power of two, more than twice the names.
const SHORT_ENTRIES: usize = 512;

static SHORT_NAMES: LazyLock<ShortNames> = LazyLock::new(|| {
    let mut entries = Box::new([(0, Habit::UNKNOWN); SHORT_ENTRIES]);
    for (name, habit) in HABITS.iter() {
        let Some(name) = short_name(name) else { continue };
        let mut place = ShortNames::place(name);
        while entries[place].0 != 0 {
            place = (place + 1) % SHORT_ENTRIES;
        }
        entries[place] = (name, *habit);
    }
    ShortNames { entries }
});

impl ShortNames {
    fn get(&self, name: u64) -> Option<Habit> {
        let mut place = Self::place(name);
        loop {
            match self.entries[place] {
                (0, _) => return None,
                (known, habit) if known == name => return Some(habit),
                _ => place = (place + 1) % SHORT_ENTRIES,
            }
        }
    }

    const fn place(name: u64) -> usize {
        (name.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % SHORT_ENTRIES
    }
}

/// A name of at most eight octets as a number; none is 0, for no name has a NUL.
#[inline]
fn short_name(name: &[u8]) -> Option<u64> {
    let is_name = name.len() <= 8 && name.last().is_some_and(|last| *last != 0);
    // A NUL before the last octet shows in the number.
    is_name.then(|| head_of(name))
}

const LISTED: [(Habit, &str); 21] = [
    (
        Habit::UNKNOWN,
        "APPEND BITCOUNT BITFIELD BITFIELD_RO BITPOS COPY DECR DECRBY DEL DUMP EXISTS EXPIRE EXPIREAT EXPIRETIME GEOADD \
         GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE \
         GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL HEXISTS HEXPIRE HEXPIREAT HEXPIRETIME HGET HGETALL HINCRBY \
         HINCRBYFLOAT HKEYS HLEN HMGET HMSET HPERSIST HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSET HSETNX \
         HSTRLEN HTTL HVALS INCR INCRBY INCRBYFLOAT LCS LINDEX LINSERT LLEN LMOVE LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET \
         LTRIM MGET MOVE MSET MSETNX PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PFADD PFCOUNT PFDEBUG PFMERGE PSETEX PTTL \
         PUBLISH RENAME RENAMENX RESTORE RESTORE-ASKING RPOP RPOPLPUSH RPUSH RPUSHX SADD SCARD SDIFF SDIFFSTORE SET SETBIT \
         SETEX SETNX SETRANGE SINTER SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP SPUBLISH SRANDMEMBER \
         SREM SSCAN STRLEN SUBSTR SUNION SUNIONSTORE TOUCH TTL TYPE UNLINK WATCH XACK XADD XAUTOCLAIM XCLAIM XDEL XLEN \
         XPENDING XRANGE XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZDIFFSTORE ZINCRBY ZINTERSTORE ZLEXCOUNT ZMSCORE ZPOPMAX \
         ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK \
         ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNIONSTORE",
    ),
    (
        Habit::KEYLESS,
        "ASKING BGREWRITEAOF BGSAVE CLUSTER COMMAND DBSIZE DEBUG ECHO FAILOVER FLUSHALL FLUSHDB FUNCTION INFO KEYS \
         LASTSAVE LATENCY LOLWUT MODULE PING PUBSUB QUIT RANDOMKEY READONLY READWRITE REPLICAOF ROLE SAVE SCAN SCRIPT \
         SELECT SHUTDOWN SLAVEOF SLOWLOG SWAPDB TIME UNWATCH",
    ),
    (Habit::keyed(KeyPlace::At(2)), "BITOP MEMORY OBJECT XGROUP XINFO"),
    (Habit::keyed(KeyPlace::AfterCount(1)), "LMPOP SINTERCARD ZDIFF ZINTER ZINTERCARD ZMPOP ZUNION"),
    (Habit::keyed(KeyPlace::AfterCount(2)), "EVAL EVALSHA EVALSHA_RO EVAL_RO FCALL FCALL_RO"),
    (Habit::keyed(KeyPlace::AfterStreams), "XREAD XREADGROUP"),
    (Habit::blocking(KeyPlace::At(1)), "BLMOVE BLPOP BRPOP BRPOPLPUSH BZPOPMAX BZPOPMIN"),
    (Habit::blocking(KeyPlace::AfterCount(2)), "BLMPOP BZMPOP"),
    (Habit::blocking(KeyPlace::None), "WAIT WAITAOF"),
    (Habit::with(Effect::Subscribe, KeyPlace::At(1)), "PSUBSCRIBE SSUBSCRIBE SUBSCRIBE"),
    (Habit::with(Effect::Unsubscribe, KeyPlace::At(1)), "PUNSUBSCRIBE SUNSUBSCRIBE UNSUBSCRIBE"),
    (Habit::with(Effect::Monitor, KeyPlace::None), "MONITOR"),
    (Habit::with(Effect::Sync, KeyPlace::None), "PSYNC SYNC"),
    (Habit::with(Effect::Multi, KeyPlace::None), "MULTI"),
    (Habit::with(Effect::EndMulti, KeyPlace::None), "DISCARD EXEC"),
    (Habit::with(Effect::Reset, KeyPlace::None), "RESET"),
    (Habit::with(Effect::Client, KeyPlace::None), "CLIENT"),
    (Habit::with(Effect::Replconf, KeyPlace::None), "REPLCONF"),
    (Habit::hiding(Secret::All, KeyPlace::None), "AUTH"),
    (Habit::hiding(Secret::AfterWord, KeyPlace::None), "ACL CONFIG HELLO SENTINEL"),
    (Habit::hiding(Secret::AfterWord, KeyPlace::At(3)), "MIGRATE"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once_and_in_upper_case() {
        let names: Vec<_> = LISTED.iter().flat_map(|(_, names)| names.split_ascii_whitespace()).collect();
        assert_eq!(names.len(), HABITS.len(), "a name is listed twice");
        assert!(names.iter().all(|name| name.len() <= 24 && *name == name.to_uppercase()));
        assert!(is_known(b"zAdd") && !is_known(b"FAKE") && !is_known(&[b'A'; 30]));
    }

    #[test]
    fn habits_are_found_by_name() {
        assert_eq!(Habit::of(b"EVALSHA").key, KeyPlace::AfterCount(2));
        assert_eq!(Habit::of(b"JSON.GET"), Habit::UNKNOWN);
        assert_eq!(Habit::of(b"PING").key, KeyPlace::None);
        for name in [&b"PING\0"[..], b"PI\0NG", b"\0PING", b"\0", b""] {
            assert_eq!(Habit::of(name), Habit::UNKNOWN, "{name:?}");
        }
        assert!(Habit::of(b"BLPOP").is_blocking && !Habit::of(b"LPOP").is_blocking);
        assert!(is_before_secret(b"\"requirepass\"") && !is_before_secret(b"maxmemory"));
    }
}
