//! What people do where TOML cannot be read, and how each of these is told. Shows none of the text, which may be secret.

use super::damage::equals_in;
use super::syntax::{Spot, is_comment, is_invisible};

/// What a person did, and how it is told. The first that holds counts.
pub(super) struct Habit {
    pub(super) is: fn(&Spot<'_>) -> bool,
    pub(super) message: &'static str,
    pub(super) advice: &'static str,
}

pub(super) const KEY_QUOTE: &str = "the quote at the end of this key is missing";
/// What a comma makes good.
pub(super) const COMMAS: [&str; 2] = [COMMA, KEY_COMMA];
const COMMA: &str = "a comma is missing between these elements";
const KEY_COMMA: &str = "a comma is missing between these keys";
pub(super) const ELSEWHERE: &str = "this is not TOML; see https://toml.io for how it is written";

pub(super) static HABITS: &[Habit] = &[
    Habit {
        is: |spot| spot.unclosed == Some('['),
        message: "this list is not closed",
        advice: "separate elements with commas and close the list with `]`",
    },
    Habit {
        is: |spot| spot.unclosed == Some('{'),
        message: "these braces are not closed",
        advice: "separate the keys with commas and close the braces with `}`",
    },
    Habit {
        is: |spot| spot.rest.starts_with(is_invisible),
        message: "a character that cannot be seen, and is no plain space",
        advice: "delete it, and write a plain space where one is wanted",
    },
    Habit {
        is: |spot| ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|mark| spot.line.starts_with(mark)),
        message: "a conflict between two versions that was never settled",
        advice: "keep one of the two sides, and take out the lines that begin with <<<<<<<, ======= and >>>>>>>",
    },
    Habit {
        is: |spot| spot.line.trim_start().starts_with("```"),
        message: "a fence of Markdown's, which is no part of the file",
        advice: "take this line out",
    },
    Habit {
        is: |spot| spot.has_odd_quotes() && !spot.says(&["duplicate"]),
        message: "these quotes are of another kind than TOML's",
        advice: "write straight quotes, \" or ', at both ends",
    },
    Habit {
        is: |spot| spot.is_at_key() && is_comment(spot.line.trim_start()),
        message: "this is no comment in TOML",
        advice: "begin a comment with `#`, on each line of it",
    },
    Habit {
        is: |spot| spot.rest.starts_with("//") || (spot.begins_value() && spot.rest.contains(" //")),
        message: "this is no comment in TOML",
        advice: "begin a comment with `#`",
    },
    Habit {
        is: |spot| spot.says(&["escape", "unicode"]),
        message: "a `\\` that begins no escape of TOML's",
        advice: "write \\\\ for one backslash; in single quotes a text is taken as it is",
    },
    Habit {
        is: |spot| spot.says(&["multi-line"]),
        message: "this text is never closed",
        advice: "close it with the same three quotes, or write it on one line in one quote at each end",
    },
    Habit {
        is: |spot| spot.is_unclosed_text() && spot.says(&["literal"]),
        message: "this text is not closed",
        advice: "close it with ', the quote that it begins with, on the same line",
    },
    Habit {
        is: |spot| spot.is_unclosed_text(),
        message: "this text is not closed",
        advice: "close it with \", the quote that it begins with, on the same line",
    },
    Habit {
        is: |spot| spot.says(&["string, expected", "comment character"]),
        message: "a control character",
        advice: "delete it; in a text in double quotes it can be written as an escape, such as \\u0007",
    },
    Habit {
        is: |spot| spot.says(&["carriage return"]),
        message: "a carriage return that ends no line",
        advice: "save the file with the line ends of Unix or of Windows",
    },
    Habit {
        is: |spot| spot.says(&["duplicate"]) && spot.is_header(),
        message: "this table is there twice",
        advice: "write all its keys in one place, below one header",
    },
    Habit { is: |spot| spot.says(&["duplicate"]), message: "this key is there twice", advice: "write it once" },
    Habit {
        is: |spot| spot.says(&["cannot extend"]),
        message: "this key has a value already, and a value has no keys of its own",
        advice: "write either the value or the keys",
    },
    Habit {
        is: |spot| spot.is_header() && spot.ends_value() && spot.rest.starts_with('='),
        message: "a header has no value",
        advice: "write the keys below it, each on a line of its own",
    },
    Habit {
        is: |spot| spot.is_header() && spot.ends_value(),
        message: "something stands behind the header",
        advice: "write the keys below the header, each on a line of its own",
    },
    Habit {
        is: |spot| spot.is_header() && spot.says(&["cannot be empty"]),
        message: "a name is missing in this header",
        advice: "write a name between the brackets, and one at each side of every dot",
    },
    Habit {
        is: |spot| spot.is_header() && spot.rest.contains(']') && spot.says(&["unquoted key", "table, expected"]),
        message: "a name in this header has other characters than letters, digits, `-` and `_`",
        advice: "put dots between the names, and quotes around one with other characters: [one.\"two words\"]",
    },
    Habit {
        is: |spot| spot.says(&["unclosed array table"]),
        message: "this header is not closed",
        advice: "close it with `]]`, or begin it with one `[`",
    },
    Habit {
        is: |spot| spot.says(&["unclosed table"]),
        message: "this header is not closed",
        advice: "close it with `]`",
    },
    Habit {
        is: |spot| spot.is_at_key() && spot.rest == "]",
        message: "the bracket at the beginning of this header is missing",
        advice: "write the header as [name]",
    },
    Habit {
        is: |spot| spot.is_at_key() && spot.line.trim_start().starts_with("- "),
        message: "a list is not written with dashes in TOML",
        advice: "write it in brackets behind the key and `=`: names = [\"one\", \"two\"]",
    },
    Habit {
        is: |spot| spot.is_at_key() && spot.swallowed_equals().is_some(),
        message: KEY_QUOTE,
        advice: "close the key with the quote that it begins with, before the `=`",
    },
    Habit {
        is: |spot| spot.is_at_key() && spot.rest.trim() == ":",
        message: "a `:` in place of `=`",
        advice: "write a table as [name] on a line of its own, and any other value behind its key and `=`",
    },
    Habit {
        is: |spot| spot.is_at_key() && spot.rest.trim_start().starts_with(':') && equals_in(spot.rest).is_none(),
        message: "a `:` in place of `=`",
        advice: "write `=` between a key and its value, as in version = 1",
    },
    Habit {
        is: |spot| spot.says(&["cannot be empty"]),
        message: "there is no key before the `=`",
        advice: "write the key, `=` and its value, as in version = 1",
    },
    Habit {
        is: |spot| spot.says(&["unquoted key"]),
        message: "this key has other characters than letters, digits, `-` and `_`",
        advice: "put the whole key in double quotes, as in \"a:b\" = …",
    },
    Habit {
        is: |spot| spot.rest.starts_with("{{") || spot.before.ends_with('{') && spot.rest.starts_with('{'),
        message: "a template that was never filled in",
        advice: "write the value itself, or have the file made from its template first",
    },
    Habit {
        is: |spot| spot.rest.starts_with(['{', '}', ']']) && spot.says(&["key-value pair,"]),
        message: "a bracket that belongs to nothing",
        advice: "take it out; a table is [name] on a line of its own with its keys below",
    },
    Habit {
        is: |spot| spot.is_at_key() && !spot.says(&["comma"]),
        message: "there is no `=` behind this key",
        advice: "write the key, `=` and its value, as in version = 1",
    },
    Habit {
        is: |spot| spot.says(&["extra `=`"]),
        message: "a second `=`",
        advice: "write one `=` between the key and its value",
    },
    Habit {
        is: |spot| spot.says(&["missing table open"]),
        message: "a bracket that belongs to nothing",
        advice: "take it out, or write what it closes",
    },
    Habit {
        is: |spot| spot.says(&["missing opening quote"]),
        message: "the quote at the beginning of this text is missing",
        advice: "put a quote at both ends of the text",
    },
    Habit {
        is: |spot| spot.begins_value() && spot.before.ends_with('=') && spot.rest.starts_with('>'),
        message: "a `=>` in place of `=`",
        advice: "write `=` alone between the key and its value",
    },
    Habit {
        is: |spot| spot.begins_value() && spot.rest.trim_start().starts_with('#'),
        message: "there is no value behind the `=`: a `#` begins a comment",
        advice: "write the value; put it in double quotes if it is a `#`",
    },
    Habit {
        is: |spot| spot.begins_value() && spot.rest.trim().is_empty(),
        message: "there is no value behind the `=`",
        advice: "write the value on this line, or take the key out",
    },
    Habit {
        is: |spot| spot.begins_value() && spot.rest.starts_with('\\'),
        message: "a `\\` that joins no lines in TOML",
        advice: "take it out: a list may go over several lines as it is",
    },
    Habit {
        is: |spot| spot.begins_value() && equals_in(spot.rest).is_some() && !spot.before.contains(['[', '{']),
        message: "a second key on this line",
        advice: "write each key on a line of its own",
    },
    Habit {
        is: |spot| spot.begins_value() && ["yes", "no", "on", "off"].contains(&spot.first_word()),
        message: "string values must be quoted, and this is neither true nor false",
        advice: "write true or false, or put the text in double quotes",
    },
    Habit {
        is: |spot| spot.begins_value(),
        message: "string values must be quoted",
        advice: "put the text in double quotes, as in role = \"customer\"",
    },
    Habit {
        is: |spot| ["null", "nil"].contains(&spot.first_word()),
        message: "there is no such value in TOML",
        advice: "take the key out where it has no value",
    },
    Habit {
        is: |spot| spot.says(&["boolean"]),
        message: "this is neither true nor false",
        advice: "write true or false, in small letters; a text stands in double quotes",
    },
    Habit {
        is: |spot| spot.says(&["leading zero"]),
        message: "a number that begins with a zero",
        advice: "take the zero out, or put the text in double quotes",
    },
    Habit {
        is: |spot| spot.ends_value() && spot.rest.starts_with([',', ';']),
        message: "a `,` or `;` behind the value",
        advice: "take it out: a line ends without it, and several values stand in one list, as in [\"one\", \"two\"]",
    },
    Habit {
        is: |spot| spot.ends_value() && spot.before.ends_with(['"', '\'']),
        message: "more text behind the closing quote",
        advice: "put the whole text in one pair of quotes; a \" within it is written as \\\"",
    },
    Habit {
        is: |spot| spot.ends_value(),
        message: "something stands behind the value",
        advice: "write each key on a line of its own, and a comment behind a `#`",
    },
    Habit {
        is: |spot| {
            spot.says(&["missing comma"]) && spot.before.ends_with('"') && spot.rest.starts_with(char::is_alphanumeric)
        },
        message: "a quote is missing in this list",
        advice: "put a quote at both ends of each text",
    },
    Habit {
        is: |spot| spot.says(&["array"]) && spot.rest.starts_with([')', '}']),
        message: "a list is not closed like this",
        advice: "close the list with `]`",
    },
    Habit {
        is: |spot| spot.says(&["extra comma"]),
        message: "a comma with nothing before it",
        advice: "take it out, or write what is missing before it",
    },
    Habit {
        is: |spot| spot.says(&["array"]),
        message: COMMA,
        advice: "separate elements with commas and close the list with `]`",
    },
    Habit {
        is: |spot| spot.says(&["key-value pairs", "inline table"]),
        message: KEY_COMMA,
        advice: "separate the keys in braces with commas, as in { a = 1, b = 2 }",
    },
    Habit {
        is: |spot| spot.says(&["integer", "float", "mantissa", "digits", "number", "date", "time"]),
        message: "this is no value that TOML knows",
        advice: "put a text in double quotes; a number is written as in 15 or 1.5",
    },
];
