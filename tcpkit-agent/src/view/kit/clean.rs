//! What came from the network, made safe for where it is shown.

use std::{borrow::Cow, fmt::Write as _};

/// A label for one line: on a terminal everything is escaped that could steer it, elsewhere what would end the line.
pub(super) fn label(words: &str, terminal: bool) -> Cow<'_, str> {
    let is_bad = |symbol: char| if terminal { steers(symbol) } else { ends_line(symbol) };
    if !words.contains(is_bad) {
        return Cow::Borrowed(words);
    }
    let mut shown = String::with_capacity(words.len() + 8);
    words
        .chars()
        .for_each(|symbol| if is_bad(symbol) { escape(&mut shown, symbol) } else { shown.push(symbol) });
    Cow::Owned(shown)
}

/// Appends a payload of several lines as it is, or, for a terminal, as text with everything escaped that could steer
/// it; line ends and tabs remain.
pub(super) fn payload(text: &mut Vec<u8>, octets: &[u8], terminal: bool) {
    if !terminal {
        text.extend_from_slice(octets);
        return;
    }
    let mut shown = String::with_capacity(octets.len() + 8);
    let lossy = String::from_utf8_lossy(octets);
    let mut symbols = lossy.chars().peekable();
    while let Some(symbol) = symbols.next() {
        let is_layout = matches!(symbol, '\n' | '\t') || (symbol == '\r' && symbols.peek() == Some(&'\n'));
        if steers(symbol) && !is_layout { escape(&mut shown, symbol) } else { shown.push(symbol) }
    }
    text.extend_from_slice(shown.as_bytes());
}

fn escape(shown: &mut String, symbol: char) {
    match symbol {
        '\n' | '\r' | '\t' => shown.extend(symbol.escape_default()),
        other => write!(shown, "{}", other.escape_unicode()).expect("writing to a string cannot fail"),
    }
}

/// Also what Unicode calls a line end, because some readers of logs do, too (Unicode Standard §5.8).
const fn ends_line(symbol: char) -> bool {
    matches!(symbol, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Control characters, line ends, and those that turn the direction of writing (Unicode Standard Annex 9, §2).
fn steers(symbol: char) -> bool {
    symbol.is_control()
        || ends_line(symbol)
        || matches!(symbol, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_makes_no_line_of_its_own_and_steers_no_terminal() {
        assert!(matches!(label("SET utf 中文", true), Cow::Borrowed(_)));
        assert_eq!(label("SET a b\r\n2026-11-21", false), "SET a b\\r\\n2026-11-21");
        assert_eq!(label("a\u{1b}[2Jb\u{2028}c", false), "a\u{1b}[2Jb\\u{2028}c");
        assert_eq!(label("a\u{1b}[2Jb\tc\u{202e}", true), "a\\u{1b}[2Jb\\tc\\u{202e}");
    }

    #[test]
    fn a_payload_keeps_its_lines_on_a_terminal_and_every_octet_elsewhere() {
        let octets = b"*1\r\n\x1b[31m\rx\xff\t\n";
        let shown = |terminal| {
            let mut text = Vec::new();
            payload(&mut text, octets, terminal);
            text
        };
        assert_eq!(shown(false), octets);
        assert_eq!(String::from_utf8(shown(true)).unwrap(), "*1\r\n\\u{1b}[31m\\rx\u{fffd}\t\n");
    }
}
