//! Which names may be asked for, written out. Must not know `ChannelName`.

/// Category Cc, and the two separators of lines and paragraphs.
pub(super) fn is_control(character: char) -> bool {
    matches!(character, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

/// Unicode's `White_Space`.
pub(super) fn is_white(character: char) -> bool {
    matches!(
        character,
        '\u{9}'..='\u{d}' | ' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}'
            | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// The codes of what is wrong with a name; none for a good one.
pub(super) fn faults(name: &str) -> Vec<&'static str> {
    let (mut codes, mut count, mut is_invalid) = (Vec::new(), 0, name.is_empty());
    for character in name.chars() {
        count += 1;
        is_invalid |= is_control(character) || matches!(character, '*' | '{' | '}');
    }
    let ends = [name.chars().next(), name.chars().next_back()];
    if is_invalid || ends.into_iter().flatten().any(is_white) {
        codes.push("channel_name_is_invalid");
    }
    if count > 250 {
        codes.push("channel_name_size_limit_exceeded");
    }
    if name.starts_with("sw_") {
        codes.push("channel_name_is_reserved");
    }
    codes
}
