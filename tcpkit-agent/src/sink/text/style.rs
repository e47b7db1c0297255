//! Colour, and names made safe for a terminal.

use std::{borrow::Cow, fmt::Write as _};

use super::TextOptions;

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// A heading.
    Heading,
    /// All is well.
    Good,
    /// The reader should look.
    Warning,
    /// Something failed.
    Bad,
    /// Less important.
    Faint,
}

impl Tone {
    const fn sgr(self) -> &'static str {
        match self {
            Self::Heading => "1",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
            Self::Faint => "2",
        }
    }
}

/// `text` in this tone; padding belongs outside, because escapes have no width.
pub(super) fn paint(text: &str, tone: Tone, options: TextOptions) -> Cow<'_, str> {
    if !options.colour || text.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("\x1b[{}m{text}\x1b[0m", tone.sgr()))
}

/// `name` with everything escaped that could steer a terminal: a capture file may name an interface as it likes.
pub(super) fn safe(name: &str) -> Cow<'_, str> {
    if !name.chars().any(steers) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    for symbol in name.chars() {
        if steers(symbol) {
            write!(escaped, "{}", symbol.escape_unicode()).expect("writing to a string cannot fail");
        } else {
            escaped.push(symbol);
        }
    }
    Cow::Owned(escaped)
}

/// Control characters, and those that turn the direction of writing (Unicode Standard Annex 9, §2).
fn steers(symbol: char) -> bool {
    symbol.is_control()
        || matches!(symbol, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_name_do_not_reach_the_terminal() {
        assert_eq!(safe("eth0"), "eth0");
        assert_eq!(safe("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(safe("\u{202e}x"), "\\u{202e}x");
    }

    #[test]
    fn colour_is_only_where_it_is_wanted() {
        assert_eq!(paint("x", Tone::Bad, TextOptions { colour: false }), "x");
        assert_eq!(paint("x", Tone::Bad, TextOptions { colour: true }), "\x1b[31mx\x1b[0m");
    }
}
