//! The nouns of a chat token: what may be asked, who asks, what is granted. Knows `std` and serde; knows nothing of
//! HTTP, tokens, files or the network.

mod ask;
mod channel;
mod channels;
mod facts;
mod fault;
pub mod json;
mod member;
mod rights;
mod timestamp;
mod ttl;

pub use ask::{Ask, Conditions, Draft, Mode};
pub use channel::{ChannelName, ChannelNameFault};
pub use channels::Channels;
pub use facts::{ClaimedRoles, Facts, Terms, Who};
pub use fault::{Fault, FaultCode, causes};
pub use member::{GUEST_PREFIX, MemberId, MemberIdFault};
pub use rights::{Permission, Rights};
pub use timestamp::{Timestamp, millis};
pub use ttl::Ttl;

/// A JSON object, its names sorted.
pub type Object = serde_json::Map<String, serde_json::Value>;

/// The most channels that one chat token may hold, SignalWire's own limit.
pub const MAX_CHANNELS: usize = 500;

/// The most characters that a member state may have as compact JSON, SignalWire's own limit.
pub const MAX_STATE_CHARS: usize = 2_000;

/// How many characters `value` has as compact JSON, quotes and punctuation included.
#[must_use]
pub fn serialized_chars(value: &(impl serde::Serialize + ?Sized)) -> usize {
    let mut counted = Counted(0);
    // It takes whatever comes.
    let _ = serde_json::to_writer(&mut counted, value);
    counted.0
}

/// The same for an object of these members, each of another name.
#[must_use]
pub fn object_chars<'a>(members: impl Iterator<Item = (&'a str, &'a serde_json::Value)>) -> usize {
    let braces_less_one_comma = 1;
    members
        .fold(braces_less_one_comma, |all, (name, value)| {
            all + serialized_chars(name) + serialized_chars(value) + ":,".len()
        })
        .max("{}".len())
}

/// Counts the characters of UTF-8 that is written to it.
struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let is_first = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
        self.0 += text.iter().filter(is_first).count();
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
