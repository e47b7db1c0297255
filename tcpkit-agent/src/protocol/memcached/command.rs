//! Memcached's text commands, and which answers each of them can have.
//!
//! <https://github.com/memcached/memcached/blob/master/doc/protocol.txt>.

use super::response::{Answer, Sort};

/// What is asked, as far as answers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// `get gets gat gats`: values until `END`.
    Values,
    /// `set add replace append prepend cas`: with a data block.
    Store,
    /// `incr decr`.
    Count,
    Delete,
    Touch,
    /// Lines until `END`.
    Stats,
    /// `lru_crawler`: perhaps lines until `END`.
    Dump,
    Version,
    /// Log lines follow as they come.
    Watch,
    /// Nothing is answered: the connection is closed.
    Quit,
    MetaGet,
    MetaSet,
    MetaDelete,
    MetaArithmetic,
    MetaNoop,
    MetaDebug,
    /// `flush_all verbosity slabs` and the rest, and what is no command.
    #[default]
    Other,
}

impl Kind {
    /// Of the command with this name; `None` when there is no such command.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"get" | b"gets" | b"gat" | b"gats" => Self::Values,
            b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => Self::Store,
            b"incr" | b"decr" => Self::Count,
            b"delete" => Self::Delete,
            b"touch" => Self::Touch,
            b"mg" => Self::MetaGet,
            b"ms" => Self::MetaSet,
            b"md" => Self::MetaDelete,
            b"ma" => Self::MetaArithmetic,
            b"mn" => Self::MetaNoop,
            b"me" => Self::MetaDebug,
            b"stats" => Self::Stats,
            b"version" => Self::Version,
            b"quit" => Self::Quit,
            b"watch" => Self::Watch,
            b"lru_crawler" => Self::Dump,
            b"cache_memlimit" | b"extstore" | b"flush_all" | b"lru" | b"misbehave" | b"refresh_certs"
            | b"shutdown" | b"slabs" | b"verbosity" => Self::Other,
            _ => return None,
        })
    }

    /// A meta command: its options are single letters, and `noreply` is a word like any other.
    pub(super) const fn is_meta(self) -> bool {
        matches!(
            self,
            Self::MetaGet
                | Self::MetaSet
                | Self::MetaDelete
                | Self::MetaArithmetic
                | Self::MetaNoop
                | Self::MetaDebug
        )
    }

    /// Whether the server may answer such a request like this. Errors answer anything; what a quiet request holds back
    /// answers it never.
    pub(super) fn has(self, is_quiet: bool, answer: &Answer) -> bool {
        let sort = answer.sort;
        let is_no_values = sort == Sort::Values && !answer.has_values;
        if sort == Sort::Error {
            return true;
        }
        match self {
            Self::Values => sort == Sort::Values,
            Self::Store => matches!(sort, Sort::Stored | Sort::Exists | Sort::NotFound),
            Self::Count => matches!(sort, Sort::Number | Sort::NotFound),
            Self::Delete => matches!(sort, Sort::Deleted | Sort::NotFound),
            Self::Touch => matches!(sort, Sort::Touched | Sort::NotFound),
            Self::Stats => matches!(sort, Sort::Statistics | Sort::Reset | Sort::Ok) || is_no_values,
            Self::Dump => matches!(sort, Sort::Dump | Sort::Ok | Sort::Other) || is_no_values,
            Self::Version => sort == Sort::Version,
            Self::Watch => sort == Sort::Ok,
            Self::MetaGet => match sort {
                Sort::MetaDone | Sort::MetaValue => true,
                Sort::MetaMiss | Sort::MetaNotFound => !is_quiet,
                _ => false,
            },
            Self::MetaSet => match sort {
                Sort::MetaNotStored | Sort::MetaExists | Sort::MetaNotFound => true,
                Sort::MetaDone => !is_quiet,
                _ => false,
            },
            Self::MetaDelete => match sort {
                Sort::MetaNotStored | Sort::MetaExists => true,
                Sort::MetaDone | Sort::MetaNotFound => !is_quiet,
                _ => false,
            },
            Self::MetaArithmetic => match sort {
                Sort::MetaValue | Sort::MetaNotStored | Sort::MetaExists | Sort::MetaNotFound => true,
                Sort::MetaDone => !is_quiet,
                _ => false,
            },
            Self::MetaNoop => sort == Sort::MetaNoop,
            Self::MetaDebug => matches!(sort, Sort::MetaDebug | Sort::MetaMiss | Sort::MetaNotFound),
            Self::Quit => false,
            Self::Other => matches!(sort, Sort::Ok | Sort::Reset | Sort::Number | Sort::Other),
        }
    }
}
