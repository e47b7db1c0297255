//! What a statement does, to which table, and how it reads in one line.

use super::{
    verbs::is_verb,
    words::{Dialect, Word, Words},
};
use crate::protocol::Text;

/// A statement as requests name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::protocol) struct Statement {
    /// Its verb; that of the main statement behind `WITH`. `OTHER` for what no server knows, for anybody may send that.
    pub(in crate::protocol) command: Text<24>,
    /// The first table that it works on, where that is certain.
    pub(in crate::protocol) key: Text<64>,
    /// Its text with white space joined.
    pub(in crate::protocol) label: Text<127>,
}

impl Statement {
    /// Reads its text, of which the end may be missing.
    pub(in crate::protocol) fn read(text: &[u8], is_whole: bool, dialect: Dialect) -> Self {
        let mut words = Words::new(text, dialect);
        let Some((verb, is_behind_with)) = verb(&mut words) else {
            return Self { label: one_line(text), ..Self::default() };
        };
        let command = Text::upper(verb);
        let has_end = is_whole || !words.is_at_end();
        // What is read behind `WITH` may be what that defined.
        let is_table = !is_behind_with || command.octets() != b"SELECT";
        let key = table(command.octets(), &mut words)
            .filter(|_| is_table && (is_whole || !words.is_at_end()))
            .map(Name::text)
            .unwrap_or_default();
        let label = without_secrets(command.octets(), one_line(text));
        let command = match (is_verb(command.octets()), has_end) {
            (true, _) => command,
            (false, true) => Text::of(b"OTHER"),
            (false, false) => Text::new(),
        };
        Self { command, key, label }
    }

    /// The same, asked for in another way: `PREPARE SELECT 1`.
    pub(in crate::protocol) fn by(&self, command: &[u8]) -> Self {
        let mut label = Text::of(command);
        if !self.label.is_empty() {
            label.push(b" ");
            label.push(self.label.octets());
        }
        Self { command: Text::of(command), key: self.key, label }
    }

    /// Something that has no text: `PING`.
    pub(in crate::protocol) fn named(command: &[u8], key: &[u8]) -> Self {
        Self { key: Text::of(key), ..Self { label: Text::of(key), ..Self::default() }.by(command) }
    }
}

/// The verb, and whether `WITH` stands before it; the words go on behind it.
fn verb<'a>(words: &mut Words<'a>) -> Option<(&'a [u8], bool)> {
    let first = words.find(|word| !matches!(word, Word::Mark(b'(' | b';')))?;
    let Word::Bare(verb) = first else { return None };
    if !verb.eq_ignore_ascii_case(b"WITH") {
        return Some((verb, false));
    }
    let mut depth = 0_u32;
    for word in words {
        match word {
            Word::Mark(b'(') => depth += 1,
            Word::Mark(b')') => depth = depth.saturating_sub(1),
            Word::Bare(main) if depth == 0 && MAIN.iter().any(|verb| word.is(verb)) => {
                return Some((main, true));
            }
            _ => {}
        }
    }
    Some((verb, true))
}

/// A table's name: with or without its schema.
#[derive(Clone, Copy)]
struct Name<'a> {
    schema: &'a [u8],
    table: &'a [u8],
}

impl Name<'_> {
    fn text(self) -> Text<64> {
        let mut text = Text::of(self.schema);
        text.push(if self.schema.is_empty() { b"" } else { b"." });
        text.push(self.table);
        text
    }
}

fn table<'a>(verb: &[u8], words: &mut Words<'a>) -> Option<Name<'a>> {
    match verb {
        b"SELECT" | b"DELETE" => {
            behind_from(words)?;
            // `FROM f(1)` reads a function.
            name(words).filter(|_| words.clone().next() != Some(Word::Mark(b'(')))
        }
        b"INSERT" | b"REPLACE" | b"MERGE" | b"UPDATE" => name(words),
        b"COPY" | b"TRUNCATE" => name(words),
        b"CREATE" | b"ALTER" | b"DROP" | b"LOAD" => {
            words.take(MOST_WORDS).find(|word| word.is(b"TABLE"))?;
            name(words)
        }
        _ => None,
    }
}

/// Steps behind the `FROM` of the statement itself: not of a subquery, of `EXTRACT(… FROM …)`, `IS DISTINCT FROM`.
fn behind_from(words: &mut Words<'_>) -> Option<()> {
    let mut depth = 0_u32;
    let mut is_after_distinct = false;
    for word in words {
        match word {
            Word::Mark(b'(') => depth += 1,
            Word::Mark(b')') => depth = depth.checked_sub(1)?,
            Word::Mark(b';') => return None,
            _ if depth == 0 && !is_after_distinct && word.is(b"FROM") => return Some(()),
            _ => {}
        }
        is_after_distinct = word.is(b"DISTINCT");
    }
    None
}

/// The name that comes next, past what may stand before it.
fn name<'a>(words: &mut Words<'a>) -> Option<Name<'a>> {
    let first = words.find(|word| !BEFORE_NAMES.iter().any(|before| word.is(before)))?;
    let first = as_name(first)?;
    let mut ahead = words.clone();
    if ahead.next() != Some(Word::Mark(b'.')) {
        return Some(Name { schema: &[], table: first });
    }
    let table = as_name(ahead.next()?)?;
    *words = ahead;
    Some(Name { schema: first, table })
}

fn as_name(word: Word<'_>) -> Option<&[u8]> {
    match word {
        Word::Bare(_) if NO_NAMES.iter().any(|other| word.is(other)) => None,
        Word::Bare(name) | Word::Quoted(name) => Some(name),
        Word::Literal | Word::Mark(_) => None,
    }
}

/// Joins white space, until nothing more fits.
fn one_line(text: &[u8]) -> Text<127> {
    let mut line = Text::new();
    for word in text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(b" ");
        }
        line.push(word);
        if line.is_full() {
            break;
        }
    }
    line
}

/// Accounts are made and changed with their passwords in the statement: what follows the word is nobody's business.
fn without_secrets(verb: &[u8], line: Text<127>) -> Text<127> {
    if !matches!(verb, b"CREATE" | b"ALTER" | b"SET" | b"GRANT" | b"CHANGE") {
        return line;
    }
    let upper: Text<127> = Text::upper(line.octets());
    let text = upper.octets();
    if memchr::memmem::find(text, b" TABLE ").is_some() {
        return line;
    }
    let end = |word: &[u8]| memchr::memmem::find(text, word).map(|place| place + word.len());
    let Some(end) = [end(b"IDENTIFIED"), end(b"PASSWORD")].into_iter().flatten().min() else { return line };
    let mut cut = Text::of(&line.octets()[..end]);
    if end < text.len() {
        cut.push(b" ***");
    }
    cut
}

/// How far behind the verb `TABLE` may stand: `CREATE GLOBAL TEMPORARY TABLE`, `LOAD DATA … INTO TABLE`.
const MOST_WORDS: usize = 12;

/// Verbs that may stand behind `WITH`.
const MAIN: [&[u8]; 7] = [b"SELECT", b"INSERT", b"UPDATE", b"DELETE", b"MERGE", b"REPLACE", b"VALUES"];

const BEFORE_NAMES: [&[u8]; 11] = [
    b"INTO",
    b"LOW_PRIORITY",
    b"HIGH_PRIORITY",
    b"DELAYED",
    b"IGNORE",
    b"ONLY",
    b"TABLE",
    b"IF",
    b"NOT",
    b"EXISTS",
    b"OVERWRITE",
];

/// What may stand where a table does, and is none.
const NO_NAMES: [&[u8]; 8] =
    [b"LATERAL", b"ROWS", b"SELECT", b"VALUES", b"SET", b"UNNEST", b"JSON_TABLE", b"XMLTABLE"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String) {
        let statement = Statement::read(text.as_bytes(), true, Dialect::MySql);
        (statement.command.to_str().into_owned(), statement.key.to_str().into_owned())
    }

    fn told(command: &str, key: &str) -> (String, String) {
        (command.to_owned(), key.to_owned())
    }

    #[test]
    fn verb_and_table_are_found_where_they_are_certain() {
        assert_eq!(read("select * from t where x = 1"), told("SELECT", "t"));
        assert_eq!(read("/* who */ (SELECT a, (SELECT 1 FROM x) FROM `s`.t)"), told("SELECT", "s.t"));
        assert_eq!(read("SELECT extract(year FROM d), a IS DISTINCT FROM b FROM t"), told("SELECT", "t"));
        assert_eq!(read("SELECT * FROM f(1)"), told("SELECT", ""));
        assert_eq!(read("SELECT * FROM (SELECT 1) x"), told("SELECT", ""));
        assert_eq!(read("SELECT 1; DELETE FROM t"), told("SELECT", ""));
        assert_eq!(read("WITH a AS (SELECT 1 FROM b) INSERT INTO c SELECT 1"), told("INSERT", "c"));
        assert_eq!(read("WITH a AS (SELECT 1 FROM b) SELECT * FROM a"), told("SELECT", ""));
        assert_eq!(read("INSERT LOW_PRIORITY IGNORE t(a) VALUES (1)"), told("INSERT", "t"));
        assert_eq!(read("UPDATE ONLY t SET x = 1"), told("UPDATE", "t"));
        assert_eq!(read("delete from s.t"), told("DELETE", "s.t"));
        assert_eq!(read("CREATE TABLE IF NOT EXISTS t (a int)"), told("CREATE", "t"));
        assert_eq!(read("/*!40101 SET NAMES utf8 */"), told("SET", ""));
        assert_eq!(read("BEGIN"), told("BEGIN", ""));
        assert_eq!(read("qwertz uiop"), told("OTHER", ""));
        assert_eq!(read("-- nothing"), told("", ""));
    }

    #[test]
    fn what_was_cut_is_not_certain() {
        let cut = |text: &str| Statement::read(text.as_bytes(), false, Dialect::PostgreSql);
        assert_eq!(cut("SELECT * FROM custo").key, Text::new());
        assert_eq!(cut("SELECT * FROM customers w").key, Text::of(b"customers"));
        assert_eq!(cut("SEL").command, Text::new());
        assert_eq!(cut("SELECT").command, Text::of(b"SELECT"));
    }

    #[test]
    fn labels_are_one_line_without_passwords() {
        let label = |text: &str| Statement::read(text.as_bytes(), true, Dialect::MySql).label;
        assert_eq!(label("  SELECT\r\n\t 1 "), Text::of(b"SELECT 1"));
        assert_eq!(label("create user u identified by 'pw'"), Text::of(b"create user u identified ***"));
        assert_eq!(label("SET PASSWORD = 'pw'"), Text::of(b"SET PASSWORD ***"));
        assert_eq!(label("CREATE TABLE u (password text)"), Text::of(b"CREATE TABLE u (password text)"));
        assert!(label(&"SELECT 1,".repeat(40)).is_full());
        let ping = Statement::named(b"PING", b"");
        assert_eq!((ping.label, ping.by(b"X").label), (Text::of(b"PING"), Text::of(b"X PING")));
    }
}
