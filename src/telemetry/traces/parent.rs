//! The span that a client names as a request's parent (W3C Trace Context, `traceparent` and `tracestate`). What is not as
//! the recommendation wants it is as if it were not there. Must not know what is recorded.

use http::{HeaderMap, HeaderName};
use itertools::Itertools as _;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// `00-<32 hex>-<16 hex>-<2 hex>`.
const LENGTH: usize = 55;
/// The most members of a `tracestate` (§3.3.1.1), and the most characters of it that go on (§3.3.1.5).
const MAX_MEMBERS: usize = 32;
const MAX_STATE: usize = 512;
/// Longer members are the first to be left out (§3.3.1.5).
const LONG_MEMBER: usize = 128;

/// The parent that these headers name.
pub(super) fn of(headers: &HeaderMap) -> Option<SpanContext> {
    let (trace_id, span_id) = parse(headers.get_all(TRACEPARENT).iter().exactly_one().ok()?.to_str().ok()?)?;
    // INVARIANT: the client's flags end here: whether it has sampled its trace decides nothing.
    Some(SpanContext::new(trace_id, span_id, TraceFlags::NOT_SAMPLED, true, state(headers).unwrap_or_default()))
}

/// §3.2.2; of a version that is not known yet, what it has in common with ours (§4.3).
fn parse(text: &str) -> Option<(TraceId, SpanId)> {
    let (known, more) = text.split_at_checked(LENGTH)?;
    let mut parts = known.split('-');
    let mut hex = |length| parts.next().filter(|part| part.len() == length && part.bytes().all(is_lower_hex));
    let (version, trace_id, span_id, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let is_whole = more.is_empty() || (version != "00" && more.starts_with('-'));
    if version == "ff" || !is_whole {
        return None;
    }
    let (trace_id, span_id) = (TraceId::from_hex(trace_id).ok()?, SpanId::from_hex(span_id).ok()?);
    (trace_id != TraceId::INVALID && span_id != SpanId::INVALID).then_some((trace_id, span_id))
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// All `tracestate` headers as one (§3.3.1), or none of them.
fn state(headers: &HeaderMap) -> Option<TraceState> {
    let mut members = Vec::new();
    for value in headers.get_all(TRACESTATE) {
        let parts = value.to_str().ok()?.split(',').map(|part| part.trim_matches([' ', '\t']));
        members.extend(parts.filter(|part| !part.is_empty()));
    }
    if members.len() > MAX_MEMBERS {
        return None;
    }
    // INVARIANT: all that there is must be right, also what is then left out.
    let mut pairs = members.iter().map(|member| pair(member)).collect::<Option<Vec<_>>>()?;
    for (index, (key, _)) in pairs.iter().enumerate() {
        if pairs.iter().take(index).any(|(earlier, _)| earlier == key) {
            return None;
        }
    }
    let state = TraceState::from_key_value(pairs.iter().copied()).ok()?;
    if state.header().len() <= MAX_STATE {
        return Some(state);
    }
    pairs.retain(|(key, value)| key.len() + 1 + value.len() <= LONG_MEMBER);
    let mut length = 0;
    let kept = pairs.into_iter().take_while(|(key, value)| {
        // With the comma before it, which the first one has not.
        length += key.len() + value.len() + 2;
        length <= MAX_STATE + 1
    });
    TraceState::from_key_value(kept).ok()
}

/// `key=value` (§3.3.1.3); what a key is made of is looked at where the whole is put together.
fn pair(member: &str) -> Option<(&str, &str)> {
    let (key, value) = member.split_once('=')?;
    let is_value = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'=';
    (!key.is_empty() && (1..=256).contains(&value.len()) && value.bytes().all(is_value)).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn shown(parent: &SpanContext) -> (String, String, bool, String) {
        let flag = parent.trace_flags().is_sampled();
        (parent.trace_id().to_string(), parent.span_id().to_string(), flag, parent.trace_state().header())
    }

    #[test]
    fn a_parent_is_taken_and_its_flags_are_not() {
        for flags in ["00", "01", "ff", "08"] {
            let text = GOOD.replace("-01", &format!("-{flags}"));
            let parent = of(&headers(&[("traceparent", &text), ("tracestate", "a=1")])).unwrap();
            let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
            assert_eq!(shown(&parent), (trace.into(), span.into(), false, "a=1".into()), "{flags}");
            assert!(parent.is_remote());
        }
        for later in ["cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &format!("01{}-more", &GOOD[2..])] {
            assert!(of(&headers(&[("traceparent", later)])).is_some(), "{later}");
        }
    }

    #[test]
    fn what_is_no_parent_is_none() {
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "+1-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0A",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319cb7ad6b7169203331--01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01, 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert!(of(&headers(&[("traceparent", text)])).is_none(), "{text}");
        }
        assert!(of(&headers(&[("traceparent", GOOD), ("traceparent", GOOD)])).is_none(), "two of them");
        assert!(of(&headers(&[("tracestate", "a=1")])).is_none());
        let mut bytes = HeaderMap::new();
        bytes.insert(TRACEPARENT, http::HeaderValue::from_bytes("é".repeat(30).as_bytes()).unwrap());
        assert!(of(&bytes).is_none());
    }

    fn state_of(values: &[&str]) -> String {
        let mut all = vec![("traceparent", GOOD)];
        all.extend(values.iter().map(|value| ("tracestate", *value)));
        of(&headers(&all)).unwrap().trace_state().header()
    }

    #[test]
    fn a_state_goes_on_whole_or_not_at_all() {
        assert_eq!(state_of(&["a=1,b@v=2", " c = x y\t,,"]), "", "a key has no space");
        assert_eq!(state_of(&["a=1,b@v=2", " c=x y\t,,"]), "a=1,b@v=2,c=x y");
        for bad in ["a", "a=", "=1", "a=1,a=2", "a=1=2", "A=1", "a==1", "a=1,b", &format!("{}=1", "a".repeat(257))] {
            assert_eq!(state_of(&[bad]), "", "{bad}");
        }
        let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        assert_eq!(state_of(&[&members(32)]), members(32));
        assert_eq!(state_of(&[&members(33)]), "");
    }

    #[test]
    fn of_a_long_state_long_members_are_left_out_first_and_then_the_last() {
        let (long, short) = (format!("long={}", "x".repeat(200)), format!("={}", "y".repeat(98)));
        let state = format!("{long},{}", ["a", "b", "c", "d", "e"].map(|key| format!("{key}{short}")).join(","));
        assert_eq!(state_of(&[&state]), ["a", "b", "c", "d", "e"].map(|key| format!("{key}{short}")).join(","));
        let state = ["a", "b", "c", "d", "e", "f"].map(|key| format!("{key}{short}")).join(",");
        let kept = state_of(&[&state]);
        assert_eq!(kept, ["a", "b", "c", "d", "e"].map(|key| format!("{key}{short}")).join(","));
        assert!(kept.len() <= MAX_STATE);
        let whole = format!("{long},z={}", "x".repeat(250));
        assert_eq!(state_of(&[&whole]), whole, "long members are fine where there is room");
    }
}
