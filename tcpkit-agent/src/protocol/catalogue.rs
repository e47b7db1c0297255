//! Every protocol's dialogue, and how a protocol is recognised by what is said first.

use super::{Dialogue, Protocol, piece::Party};

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
    // Arms are added with each protocol.
    let _ = (protocol, carrier);
    None
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
    // Arms are added with each protocol.
    let _ = (protocol, party, first, carrier);
    false
}
