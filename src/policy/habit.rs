//! Literals that are something else in other languages: taken letter by letter they name channels that nobody meant, and a
//! deny rule with one denies nothing. Must not know where in a pattern they stand.

use super::pattern::PatternFault;

/// Claims and their like, as people call them in other languages' placeholders.
const NAMES: [&str; 11] =
    ["sub", "id", "uid", "user", "user_id", "userid", "username", "email", "issuer", "tenant", "org"];
/// What hardly a channel's name holds, and many a regular expression.
const EXPRESSIONS: [&str; 6] = ["[0-9", "[a-z", "[A-Z", "\\d", "\\w", "(?"];

/// What is wrong with a literal that was meant for a placeholder or for a regular expression.
pub(super) fn check_literal(literal: &str) -> Result<(), PatternFault> {
    if let Some(name) = placeholder_name(literal).filter(|name| NAMES.contains(&name.to_lowercase().as_str())) {
        let message = "a placeholder of another language, which would be taken letter by letter".to_owned();
        return Err(PatternFault { message, advice: format!("write {{{name}}} for the claim of that name") });
    }
    let is_anchored = literal.starts_with('^') && literal.ends_with('$');
    if is_anchored || literal.ends_with(".+") || EXPRESSIONS.iter().any(|part| literal.contains(part)) {
        let message = "a regular expression, which would be taken letter by letter".to_owned();
        return Err(PatternFault { message, advice: "write `*` for any one segment, or a placeholder".to_owned() });
    }
    Ok(())
}

/// `$sub`, `:sub`, `<sub>`, `%sub%`, `[sub]`.
fn placeholder_name(literal: &str) -> Option<&str> {
    let closed = [('<', '>'), ('%', '%'), ('[', ']')]
        .into_iter()
        .find_map(|(open, close)| literal.strip_prefix(open)?.strip_suffix(close));
    closed.or_else(|| literal.strip_prefix(['$', ':']))
}
