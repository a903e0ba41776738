//! Literals that are something else in other languages: taken letter by letter they name channels that nobody meant, and a
//! deny rule with one denies nothing. Must not know where in a pattern they stand.

/// Claims and their like, as people call them in other languages' placeholders.
const NAMES: [&str; 11] =
    ["sub", "id", "uid", "user", "user_id", "userid", "username", "email", "issuer", "tenant", "org"];
/// What hardly a channel's name holds, and many a regular expression.
const EXPRESSIONS: [&str; 6] = ["[0-9", "[a-z", "[A-Z", "\\d", "\\w", "(?"];

/// What a literal was probably meant for, and what to write instead.
pub(super) fn meant(literal: &str) -> Option<(&'static str, String)> {
    if let Some(name) = placeholder_name(literal).filter(|name| NAMES.contains(&name.to_lowercase().as_str())) {
        return Some(("a placeholder of another language", format!("write {{{name}}} for the claim of that name")));
    }
    let is_anchored = literal.starts_with('^') && literal.ends_with('$');
    if is_anchored || literal.ends_with(".+") || EXPRESSIONS.iter().any(|part| literal.contains(part)) {
        return Some(("a regular expression", "write `*` for any one segment, or a placeholder".to_owned()));
    }
    None
}

/// `$sub`, `:sub`, `<sub>`, `%sub%`, `[sub]`.
fn placeholder_name(literal: &str) -> Option<&str> {
    let closed = [('<', '>'), ('%', '%'), ('[', ']')]
        .into_iter()
        .find_map(|(open, close)| literal.strip_prefix(open)?.strip_suffix(close));
    closed.or_else(|| literal.strip_prefix(['$', ':']))
}
