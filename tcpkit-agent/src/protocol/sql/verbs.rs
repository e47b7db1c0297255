//! The verbs that statements begin with.

/// Verbs of both dialects, sorted. They are few, so that they can name distributions.
#[rustfmt::skip]
const VERBS: [&[u8]; 83] = [
    b"ABORT", b"ALTER", b"ANALYSE", b"ANALYZE", b"BACKUP", b"BEGIN", b"BINLOG",
    b"CACHE", b"CALL", b"CHANGE", b"CHECK", b"CHECKPOINT", b"CHECKSUM", b"CLOSE",
    b"CLUSTER", b"COMMENT", b"COMMIT", b"COPY", b"CREATE", b"DEALLOCATE", b"DECLARE",
    b"DELETE", b"DESC", b"DESCRIBE", b"DISCARD", b"DO", b"DROP", b"END",
    b"EXECUTE", b"EXPLAIN", b"FETCH", b"FLUSH", b"GET", b"GRANT", b"HANDLER",
    b"HELP", b"IDENTIFY_SYSTEM", b"IMPORT", b"INSERT", b"INSTALL", b"KILL", b"LISTEN",
    b"LOAD", b"LOCK", b"MERGE", b"MOVE", b"NOTIFY", b"OPEN", b"OPTIMIZE",
    b"PREPARE", b"PURGE", b"REASSIGN", b"REFRESH", b"REINDEX", b"RELEASE", b"RENAME",
    b"REPAIR", b"REPLACE", b"RESET", b"RESIGNAL", b"RESTART", b"REVOKE", b"ROLLBACK",
    b"SAVEPOINT", b"SECURITY", b"SELECT", b"SET", b"SHOW", b"SHUTDOWN", b"SIGNAL",
    b"START", b"START_REPLICATION", b"STOP", b"TABLE", b"TRUNCATE", b"UNINSTALL", b"UNLISTEN",
    b"UNLOCK", b"UPDATE", b"USE", b"VACUUM", b"VALUES", b"XA",
];

/// Whether any server knows this verb, which is given in upper case.
pub(super) fn is_verb(word: &[u8]) -> bool {
    VERBS.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_sorted() {
        assert!(VERBS.is_sorted());
    }
}
