//! Every protocol's dialogue, and how a protocol is recognised by what is said first.

use super::{
    Dialogue, Protocol,
    dns::{self, Dns},
    http::{self, Http},
    memcached,
    mysql::{self, MySql},
    piece::Party,
    postgresql::{self, PostgreSql},
    redis,
    tls::{self, Tls},
};

/// How pieces come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// As a stream of octets (TCP).
    Stream,
    /// As datagrams (UDP): each piece is one.
    Datagrams,
}

/// A dialogue that has heard nothing; `None` where the protocol has none over that carrier.
#[must_use]
pub fn open(protocol: Protocol, carrier: Carrier) -> Option<Box<dyn Dialogue + Send>> {
    match (protocol, carrier) {
        (Protocol::Redis, Carrier::Stream) => Some(Box::new(redis::Redis::default())),
        (Protocol::Memcached, Carrier::Stream) => Some(Box::new(memcached::Memcached::default())),
        (Protocol::Memcached, Carrier::Datagrams) => Some(Box::new(memcached::DatagramDialogue::default())),
        (Protocol::Http, Carrier::Stream) => Some(Box::new(Http::new())),
        (Protocol::Dns, _) => Some(Box::new(Dns::new(carrier))),
        (Protocol::Tls, Carrier::Stream) => Some(Box::new(Tls::new())),
        (Protocol::MySql, Carrier::Stream) => Some(Box::new(MySql::default())),
        (Protocol::PostgreSql, Carrier::Stream) => Some(Box::new(PostgreSql::default())),
        _ => None,
    }
}

/// Which protocol speaks like this at the beginning of what a party says, and which party says it.
///
/// `None` where the octets fit none, or too many. A protocol that needs more octets than there are is not recognised
/// by the few.
#[must_use]
pub fn recognise(first: &[u8], carrier: Carrier) -> Option<(Protocol, Party)> {
    let asked = Protocol::ALL.into_iter().map(|protocol| (protocol, Party::Client));
    let answered = Protocol::ALL.into_iter().map(|protocol| (protocol, Party::Server));
    let mut fits =
        asked.chain(answered).filter(|(protocol, party)| speaks(*protocol, *party, first, carrier));
    fits.next().filter(|_| fits.next().is_none())
}

/// Whether a party of this protocol may begin like this, and hardly anybody else does.
#[must_use]
pub fn speaks(protocol: Protocol, party: Party, first: &[u8], carrier: Carrier) -> bool {
    match (protocol, carrier) {
        (Protocol::Redis, Carrier::Stream) => redis::speaks(party, first),
        (Protocol::Memcached, Carrier::Stream) => memcached::speaks(party, first),
        (Protocol::Memcached, Carrier::Datagrams) => memcached::speaks_datagrams(party, first),
        (Protocol::Http, _) => http::speaks(party, first, carrier),
        (Protocol::Dns, _) => dns::speaks(party, first, carrier),
        (Protocol::Tls, _) => tls::speaks(party, first, carrier),
        (Protocol::MySql, Carrier::Stream) => mysql::speaks(party, first),
        (Protocol::PostgreSql, Carrier::Stream) => postgresql::speaks(party, first),
        _ => false,
    }
}
