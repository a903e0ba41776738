//! Channels with the rights on each, as they go to `SignalWire`, into the answer and into the audit event. Must not know how they
//! came about.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::ser::{Error, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::{ChannelName, Rights};

/// Channels, each with its rights. Nothing of it changes, so that copies share it, and its JSON is made once, however often
/// it is written: `{"<name>": {"read": …, "write": …}, …}` by name.
#[derive(Clone, Default)]
pub struct Channels(Arc<Shared>);

#[derive(Default)]
struct Shared {
    rights: BTreeMap<ChannelName, Rights>,
    json: OnceLock<Box<RawValue>>,
}

impl From<BTreeMap<ChannelName, Rights>> for Channels {
    fn from(rights: BTreeMap<ChannelName, Rights>) -> Self {
        Self(Arc::new(Shared { rights, json: OnceLock::new() }))
    }
}

impl Deref for Channels {
    type Target = BTreeMap<ChannelName, Rights>;

    fn deref(&self) -> &Self::Target {
        &self.0.rights
    }
}

impl PartialEq for Channels {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.rights.fmt(formatter)
    }
}

impl Serialize for Channels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Shared { rights, json } = &*self.0;
        if let Some(made) = json.get() {
            return made.serialize(serializer);
        }
        let made = to_raw_value(rights).map_err(S::Error::custom)?;
        json.get_or_init(|| made).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::Channels;
    use crate::chat::{ChannelName, Permission, Rights};
    use std::collections::BTreeMap;

    #[test]
    fn it_is_written_as_the_map_that_it_is_each_time() {
        let rights = [("b \"quoted\"", Rights::NONE.with(Permission::Read)), ("a\u{2029}".trim(), Rights::NONE)];
        let map: BTreeMap<_, _> =
            rights.into_iter().filter_map(|(name, rights)| Some((ChannelName::parse(name).ok()?, rights))).collect();
        let channels = Channels::from(map.clone());
        for copy in [channels.clone(), channels] {
            assert_eq!(serde_json::to_string(&copy).unwrap(), serde_json::to_string(&map).unwrap());
            assert_eq!(serde_json::to_value(&copy).unwrap(), serde_json::to_value(&map).unwrap());
        }
    }
}
