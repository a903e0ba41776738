//! The methods that the SDK calls and the shape of their `params`; must not know what is done about them.
//!
//! Members that a method does not know are passed over, as the SDK sends some that nothing here needs (`agent`,
//! `version`, `event_acks`, `event_channel`).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::rpc::{METHOD, PARAMS, Refusal};

/// The most channels that one request names: as many as a token can.
const MAX_CHANNELS: usize = 500;

/// A request, read.
pub(super) enum Call {
    Connect(Authentication),
    Reauthenticate(Authentication),
    Ping(Ping),
    Subscribe(Subscribe),
    Unsubscribe(Channels),
    Publish(Publish),
    Messages(MessagesGet),
    Members(MembersGet),
    GetState(GetState),
    SetState(SetState),
}

#[derive(Deserialize)]
pub(super) struct Authentication {
    pub(super) jwt_token: String,
    /// The SDK sends it when it authenticates again.
    pub(super) project: Option<String>,
}

#[derive(Deserialize)]
struct Authenticated {
    authentication: Authentication,
}

/// Answered with the same number, as the double that it is in JavaScript.
#[derive(Deserialize, Serialize)]
pub(super) struct Ping {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Channels {
    pub(super) channels: Vec<Named>,
}

#[derive(Deserialize)]
pub(super) struct Subscribe {
    pub(super) channels: Vec<Named>,
    /// All, where there is no list.
    pub(super) events: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub(super) struct Publish {
    pub(super) channel: String,
    pub(super) content: Box<RawValue>,
    pub(super) meta: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub(super) struct MessagesGet {
    pub(super) channel: String,
    pub(super) cursor: Option<Cursor>,
}

#[derive(Deserialize)]
pub(super) struct Cursor {
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct MembersGet {
    pub(super) channel: String,
}

#[derive(Deserialize)]
pub(super) struct GetState {
    pub(super) member_id: String,
    /// All that the token may read, where there are none.
    pub(super) channels: Option<Vec<Named>>,
}

#[derive(Deserialize)]
pub(super) struct SetState {
    pub(super) member_id: String,
    pub(super) channels: Vec<Named>,
    pub(super) state: serde_json::Map<String, Value>,
}

/// Each method, and what its `params` look like.
const METHODS: &[(&str, &str)] = &[
    ("signalwire.connect", r#"{"authentication":{"jwt_token":"…"}}"#),
    ("signalwire.reauthenticate", r#"{"authentication":{"jwt_token":"…"}}"#),
    ("signalwire.ping", r#"{"timestamp":1800000000.5}"#),
    ("chat.subscribe", r#"{"channels":[{"name":"…"}],"events":["chat.message"]}"#),
    ("chat.unsubscribe", r#"{"channels":[{"name":"…"}]}"#),
    ("chat.publish", r#"{"channel":"…","content":…,"meta":{}}"#),
    ("chat.messages.get", r#"{"channel":"…","cursor":{"after":"…"}}"#),
    ("chat.members.get", r#"{"channel":"…"}"#),
    ("chat.member.get_state", r#"{"member_id":"…","channels":[{"name":"…"}]}"#),
    ("chat.member.set_state", r#"{"member_id":"…","channels":[{"name":"…"}],"state":{}}"#),
];

impl Call {
    pub(super) fn read(method: &str, params: &str) -> Result<Self, Refusal> {
        let Some((_, shape)) = METHODS.iter().find(|(name, _)| *name == method) else {
            let known: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
            return Err(Refusal::new(METHOD, format!("no method `{method}`: there are {}", known.join(", "))));
        };
        let call = match method {
            "signalwire.connect" => Self::Connect(read::<Authenticated>(params, shape)?.authentication),
            "signalwire.reauthenticate" => Self::Reauthenticate(read::<Authenticated>(params, shape)?.authentication),
            "signalwire.ping" => Self::Ping(read(params, shape)?),
            "chat.subscribe" => Self::Subscribe(read(params, shape)?),
            "chat.unsubscribe" => Self::Unsubscribe(read(params, shape)?),
            "chat.publish" => Self::Publish(read(params, shape)?),
            "chat.messages.get" => Self::Messages(read(params, shape)?),
            "chat.members.get" => Self::Members(read(params, shape)?),
            "chat.member.get_state" => Self::GetState(read(params, shape)?),
            _ => Self::SetState(read(params, shape)?),
        };
        call.lists().map_or(Ok(()), are_some)?;
        Ok(call)
    }

    /// The channels that it lists.
    fn lists(&self) -> Option<&[Named]> {
        match self {
            Self::Subscribe(Subscribe { channels, .. })
            | Self::Unsubscribe(Channels { channels })
            | Self::SetState(SetState { channels, .. }) => Some(channels),
            Self::GetState(GetState { channels, .. }) => channels.as_deref(),
            _ => None,
        }
    }
}

fn read<P: DeserializeOwned>(params: &str, shape: &str) -> Result<P, Refusal> {
    // A list would be taken for an object's members in their order.
    if !params.starts_with('{') {
        return Err(Refusal::new(PARAMS, format!("the params are not as they should be, {shape}: no object")));
    }
    serde_json::from_str(params)
        .map_err(|error| Refusal::new(PARAMS, format!("the params are not as they should be, {shape}: {error}")))
}

fn are_some(channels: &[Named]) -> Result<(), Refusal> {
    if channels.is_empty() || channels.len() > MAX_CHANNELS {
        let many = channels.len();
        return Err(Refusal::new(PARAMS, format!("name from 1 to {MAX_CHANNELS} channels, not {many}")));
    }
    Ok(())
}
