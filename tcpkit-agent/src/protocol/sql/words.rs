//! A statement's words: comments and the insides of strings are none.
//!
//! Both dialects are split as their servers split them, as far as it takes to find verbs and tables. Whatever does not
//! end within the octets given (a string, a comment) ends the words.

/// Whose rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Dialect {
    /// Backslashes escape, `#` begins a comment, `"…"` is a string, `/*! … */` is no comment.
    MySql,
    /// Comments nest, `"…"` is a name, `$tag$ … $tag$` is a string.
    PostgreSql,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// A keyword or a name.
    Bare(&'a [u8]),
    /// A name in quotes, without them.
    Quoted(&'a [u8]),
    /// A string, a number, a parameter.
    Literal,
    /// Any other octet.
    Mark(u8),
}

impl Word<'_> {
    /// Whether it is this keyword, which is given in upper case.
    pub(super) const fn is(&self, keyword: &[u8]) -> bool {
        matches!(self, Self::Bare(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// Words of a statement, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    rest: &'a [u8],
    dialect: Dialect,
}

impl<'a> Words<'a> {
    pub(super) const fn new(text: &'a [u8], dialect: Dialect) -> Self {
        Self { rest: text, dialect }
    }

    /// Nothing comes behind the last word: where a statement was cut, that word may be cut too.
    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Steps over white space and comments.
    fn skip_blank(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            let after = match self.rest {
                [b'-', b'-', after @ ..] if self.is_dashed(after) => after_line(after),
                [b'#', after @ ..] if self.is_mysql() => after_line(after),
                [b'/', b'*', b'!', after @ ..] | [b'/', b'*', b'M', b'!', after @ ..] if self.is_mysql() => {
                    let digits = after.iter().take_while(|octet| octet.is_ascii_digit()).count();
                    &after[digits..]
                }
                [b'/', b'*', after @ ..] => after_comment(after, !self.is_mysql()),
                [b'*', b'/', after @ ..] => after,
                _ => return,
            };
            self.rest = after;
        }
    }

    const fn is_mysql(&self) -> bool {
        matches!(self.dialect, Dialect::MySql)
    }

    /// In MySQL two dashes begin a comment only before white space: `5--1` is a difference.
    const fn is_dashed(&self, after: &[u8]) -> bool {
        match after {
            [next, ..] => !self.is_mysql() || next.is_ascii_whitespace(),
            [] => true,
        }
    }

    fn take(&mut self, octets: usize) -> &'a [u8] {
        let (word, rest) = self.rest.split_at(octets.min(self.rest.len()));
        self.rest = rest;
        word
    }

    /// What is between these quotes; the opening one is the next octet.
    fn quoted(&mut self, quote: u8, has_escapes: bool) -> Option<&'a [u8]> {
        let text = &self.rest[1..];
        let mut place = 0;
        loop {
            let octet = *text.get(place)?;
            let is_doubled = octet == quote && text.get(place + 1) == Some(&quote);
            match octet {
                b'\\' if has_escapes => place += 2,
                _ if is_doubled => place += 2,
                _ if octet == quote => break,
                _ => place += 1,
            }
        }
        self.rest = &text[place + 1..];
        Some(&text[..place])
    }

    /// A string between two equal tags: `$$ … $$`, `$body$ … $body$`; a parameter is `$1`.
    fn dollar(&mut self) -> Option<Word<'a>> {
        let tag =
            self.rest[1..].iter().take_while(|octet| is_in_word(**octet) && **octet != b'$').count() + 1;
        let digits = self.rest.get(1).is_some_and(u8::is_ascii_digit);
        if digits || self.rest.get(tag) != Some(&b'$') {
            self.take(tag);
            return Some(Word::Literal);
        }
        let tag = self.take(tag + 1);
        let end = memchr::memmem::find(self.rest, tag)?;
        self.take(end + tag.len());
        Some(Word::Literal)
    }

    fn bare(&mut self) -> Option<Word<'a>> {
        let len = self.rest.iter().take_while(|octet| is_in_word(**octet)).count();
        let word = self.take(len);
        if word.first().is_some_and(u8::is_ascii_digit) {
            return Some(Word::Literal);
        }
        if word.eq_ignore_ascii_case(b"E") && self.rest.first() == Some(&b'\'') {
            self.quoted(b'\'', true)?;
            return Some(Word::Literal);
        }
        Some(Word::Bare(word))
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        self.skip_blank();
        let word = match *self.rest.first()? {
            b'\'' => self.quoted(b'\'', self.is_mysql()).map(|_| Word::Literal),
            b'"' if self.is_mysql() => self.quoted(b'"', true).map(|_| Word::Literal),
            b'"' => self.quoted(b'"', false).map(Word::Quoted),
            b'`' => self.quoted(b'`', false).map(Word::Quoted),
            b'$' if !self.is_mysql() => self.dollar(),
            octet if is_in_word(octet) => self.bare(),
            octet => {
                self.take(1);
                Some(Word::Mark(octet))
            }
        };
        if word.is_none() {
            self.rest = &[];
        }
        word
    }
}

const fn is_in_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_' || octet == b'$' || octet >= 0x80
}

fn after_line(text: &[u8]) -> &[u8] {
    memchr::memchr(b'\n', text).map_or(&[], |end| &text[end + 1..])
}

fn after_comment(mut text: &[u8], nests: bool) -> &[u8] {
    let mut depth = 1;
    loop {
        text = match text {
            [b'*', b'/', after @ ..] => {
                depth -= 1;
                after
            }
            [b'/', b'*', after @ ..] if nests => {
                depth += 1;
                after
            }
            [_, after @ ..] => after,
            [] => return text,
        };
        if depth == 0 {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, dialect: Dialect) -> String {
        let shown = |word| match word {
            Word::Bare(word) => String::from_utf8_lossy(word).into_owned(),
            Word::Quoted(word) => format!("[{}]", String::from_utf8_lossy(word)),
            Word::Literal => "?".to_owned(),
            Word::Mark(octet) => char::from(octet).to_string(),
        };
        Words::new(text.as_bytes(), dialect).map(shown).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_strings_are_split_as_each_server_does() {
        let text = "/* a /* b */ c */ x -- d\n 'it''s' \"q\" `n` 5--1";
        assert_eq!(words(text, Dialect::PostgreSql), "x ? [q] [n] ?");
        assert_eq!(words(text, Dialect::MySql), "c x ? ? [n] ? - - ?");
        assert_eq!(words("/*!40101 SET a='\\''*/ b # c", Dialect::MySql), "SET a = ? b");
        assert_eq!(words("$1 $$ it's $$ $f$ $$ $f$ E'\\'' x", Dialect::PostgreSql), "? ? ? ? x");
        assert_eq!(words("a 'no end", Dialect::MySql), "a");
        assert_eq!(words("a /* no end", Dialect::MySql), "a");
        assert_eq!(words("$", Dialect::PostgreSql), "?");
    }
}
