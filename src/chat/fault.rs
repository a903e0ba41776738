//! What can be wrong with a request that is JSON, for programs and for people. Must not know how it is found.

use serde::Serialize;

/// One thing that is wrong with a request, at its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// RFC 6901, to the value at fault; an unknown member itself.
    pub pointer: String,
    /// For programs.
    pub code: FaultCode,
    /// For people.
    pub detail: String,
}

/// What is wrong, for programs. SignalWire's own codes where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the codes, and `about` says what they mean")]
pub enum FaultCode {
    MissingRequiredParameter,
    ChannelHasMissingProperties,
    ChannelNameIsReserved,
    ChannelNameSizeLimitExceeded,
    ChannelSizeLimitExceeded,
    StateSizeLimitExceeded,
    UnknownMember,
    WrongType,
    OutOfRange,
    ChannelNameIsInvalid,
    MemberIdMismatch,
    StateKeyNotAllowed,
    ModeNotEnabled,
    TtlTooSmall,
    MoreErrors,
}

impl FaultCode {
    /// Every one of them, in the order in which faults of one place are told.
    pub const ALL: [Self; 15] = [
        Self::MissingRequiredParameter,
        Self::ChannelHasMissingProperties,
        Self::ChannelNameIsReserved,
        Self::ChannelNameSizeLimitExceeded,
        Self::ChannelSizeLimitExceeded,
        Self::StateSizeLimitExceeded,
        Self::UnknownMember,
        Self::WrongType,
        Self::OutOfRange,
        Self::ChannelNameIsInvalid,
        Self::MemberIdMismatch,
        Self::StateKeyNotAllowed,
        Self::ModeNotEnabled,
        Self::TtlTooSmall,
        Self::MoreErrors,
    ];

    /// As it stands in `code`, and what it means.
    #[must_use]
    pub const fn about(self) -> (&'static str, &'static str) {
        match self {
            Self::MissingRequiredParameter => ("missing_required_parameter", "`channels` names no channel"),
            Self::ChannelHasMissingProperties => ("channel_has_missing_properties", "a channel asks for no right"),
            Self::ChannelNameIsReserved => ("channel_name_is_reserved", "the name starts with `sw_`"),
            Self::ChannelNameSizeLimitExceeded => {
                ("channel_name_size_limit_exceeded", "the name has over 250 characters")
            }
            Self::ChannelSizeLimitExceeded => (
                "channel_size_limit_exceeded",
                "over 500 channels are asked for, or granted: ask for those that are needed by name",
            ),
            Self::StateSizeLimitExceeded => {
                ("state_size_limit_exceeded", "the whole member state has over 2,000 characters as compact JSON")
            }
            Self::UnknownMember => ("unknown_member", "there is no such member; a misspelt one is never ignored"),
            Self::WrongType => {
                ("wrong_type", "a value of another type; `null` is not the same as leaving a member out")
            }
            Self::OutOfRange => ("out_of_range", "a `ttl` that is not 1 to 43,200 minutes, or another `mode`"),
            Self::ChannelNameIsInvalid => (
                "channel_name_is_invalid",
                "empty, with a control character, with white space at an end, or with one of `*`, `{`, `}`",
            ),
            Self::MemberIdMismatch => {
                ("member_id_mismatch", "another id than the policy derives from the session: leave the member out")
            }
            Self::StateKeyNotAllowed => ("state_key_not_allowed", "the policy's `client_state` does not have this key"),
            Self::ModeNotEnabled => ("mode_not_enabled", "`narrow` is switched off here"),
            Self::TtlTooSmall => ("ttl_too_small", "less than the policy's `[ttl].min`"),
            Self::MoreErrors => ("more_errors", "the last row where there are over 100"),
        }
    }
}

/// The error's text and those of all its causes, the outermost first.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
