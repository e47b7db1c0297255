//! Finds the place in an expression that libpcap refused.
//!
//! libpcap says what is wrong and rarely where. The shortest prefix of the expression that no ending can rescue ends
//! with the offending token, so prefixes are tried with a number of endings, by bisection and within a time limit
//! (a host name in the expression may have to be resolved each time). No place is better than a wrong or a late one.

use std::time::Duration;

use super::{
    classic::{FilterError, SNAPLEN, now},
    libpcap,
};
use crate::wire::LinkType;

/// The error for an expression that libpcap refused with `message`.
pub(super) fn refused(expression: &str, link_type: LinkType, message: String) -> FilterError {
    if message.contains("link") && libpcap::compile(c"ip", link_type, SNAPLEN, true).is_err() {
        let link_type = libpcap::link_type_name(link_type);
        return FilterError::LinkType { link_type, expression: expression.to_owned(), message };
    }
    let message = message.strip_prefix("can't parse filter expression: ").unwrap_or(&message).to_owned();
    let offset = quoted(expression, &message).or_else(|| offending(expression, link_type));
    let place = offset.map(|offset| drawn(expression, offset)).unwrap_or_default();
    FilterError::Refused { message, place, offset }
}

/// Bytes from the start to the word that is unknown, where it stands once only: no search, and above all no further
/// questions to a name server that does not answer.
fn quoted(expression: &str, message: &str) -> Option<usize> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let word = message.split('\'').nth(1).filter(|word| !word.is_empty())?;
    let mut places = expression.match_indices(word).map(|(offset, _)| offset);
    places.next().filter(|_| places.next().is_none())
}

/// Bytes from the start to the token that cannot stand where it stands, or to the end where something is missing.
fn offending(expression: &str, link_type: LinkType) -> Option<usize> {
    let tokens = tokens(expression);
    let start = now();
    let mut sound = 0;
    let mut broken = tokens.len() + 1;
    while broken - sound > 1 {
        let middle = sound.midpoint(broken);
        let end = tokens.get(middle - 1).map(|token| token.end)?;
        if start.elapsed() > PATIENCE {
            return None;
        }
        match can_be_completed(&expression[..end], link_type) {
            true => sound = middle,
            false => broken = middle,
        }
        if sound == tokens.len() {
            break;
        }
    }
    match tokens.get(sound) {
        Some(token) => Some(token.start),
        // Every prefix is sound and the whole is not: something is missing at its end, unless it contradicts itself.
        None => {
            let text = libpcap::c_string(expression)?;
            libpcap::compile(&text, link_type, SNAPLEN, false).is_err().then_some(expression.len())
        }
    }
}

/// Whether some ending makes the prefix an expression.
fn can_be_completed(prefix: &str, link_type: LinkType) -> bool {
    let close = ")".repeat(open(prefix, '(', ')'));
    let in_brackets = open(prefix, '[', ']') > 0;
    let compiles = |text: String| {
        libpcap::c_string(&text)
            .is_some_and(|text| libpcap::compile(&text, link_type, SNAPLEN, false).is_ok())
    };
    ENDINGS.iter().filter(|ending| ending.contains(']') == in_brackets).any(|ending| {
        // `(tcp or` wants its word before the parenthesis, `(1 + 2` its relation behind it.
        let behind = !close.is_empty() && !in_brackets;
        compiles(format!("{prefix}{ending}{close}"))
            || (behind && compiles(format!("{prefix}{close}{ending}")))
    })
}

fn open(text: &str, opening: char, closing: char) -> usize {
    text.chars().fold(0_usize, |depth, letter| match letter {
        _ if letter == opening => depth + 1,
        _ if letter == closing => depth.saturating_sub(1),
        _ => depth,
    })
}

/// Words, numbers, addresses and signs, as libpcap's scanner would cut them.
fn tokens(expression: &str) -> Vec<std::ops::Range<usize>> {
    let mut tokens: Vec<std::ops::Range<usize>> = Vec::new();
    let mut last = Class::Space;
    let mut in_brackets = false;
    for (at, letter) in expression.char_indices() {
        in_brackets = (in_brackets || letter == '[') && letter != ']';
        let class = class_of(letter, in_brackets);
        let end = at + letter.len_utf8();
        let joins = class == last && class != Class::Sign;
        match tokens.last_mut() {
            Some(token) if joins && class != Class::Space => token.end = end,
            _ if class != Class::Space => tokens.push(at..end),
            _ => {}
        }
        last = class;
    }
    tokens
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Word,
    Relation,
    Sign,
}

fn class_of(letter: char, in_brackets: bool) -> Class {
    match letter {
        ':' if in_brackets => Class::Sign,
        ' ' | '\t' | '\n' | '\r' => Class::Space,
        '=' | '<' | '>' | '!' | '&' | '|' => Class::Relation,
        '(' | ')' | '[' | ']' | '+' | '*' | '/' | '%' | '^' => Class::Sign,
        _ => Class::Word,
    }
}

/// The expression, or the part of it around the place, and a caret below.
fn drawn(expression: &str, offset: usize) -> String {
    let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
    let before: Vec<char> = expression[..offset].chars().map(printable).collect();
    let after: Vec<char> = expression[offset..].chars().map(printable).collect();
    let skipped = before.len().saturating_sub(MOST_BEFORE);
    let left = if skipped > 0 { "…" } else { "" };
    let right = if after.len() > MOST_AFTER { "…" } else { "" };
    let head: String = before[skipped..].iter().collect();
    let tail: String = after.iter().take(MOST_AFTER).collect();
    let indent = " ".repeat(left.chars().count() + before.len() - skipped);
    format!("\n  {left}{head}{tail}{right}\n  {indent}^")
}

/// What may follow a prefix; in this order, the likeliest first.
const ENDINGS: [&str; 24] = [
    "",
    " 32",
    " 128",
    " 1",
    " tcp",
    " 1.2.3.4",
    " port 80",
    " host 1.2.3.4",
    " 1-2",
    " = 1",
    " 1 = 1",
    " 2::2",
    "/8",
    "/2",
    " 1:2:3:4:5:6",
    " mask 255.0.0.0",
    "] = 1",
    " 1] = 1",
    " 0:1] = 1",
    ":1] = 1",
    " net 10",
    " tcp = 1",
    " \\tcp",
    " \\ip",
];
const PATIENCE: Duration = Duration::from_secs(3);
const MOST_BEFORE: usize = 60;
const MOST_AFTER: usize = 40;
