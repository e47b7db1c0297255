//! Every Rust file: opens with a sentence, keeps its size, and lets only `report` be serialised.

use super::Finding;

/// Most lines of a file before its tests.
const FILE_LIMIT: usize = 500;

/// Most lines of a function that hold code (clippy counts so too).
const FUNCTION_LIMIT: usize = 60;

/// Looks at one Rust file.
pub(super) fn check(name: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !opens_with_a_sentence(text) {
        findings.push(Finding::new(name, 1, "a file opens with one `//!` sentence that says what it is"));
    }
    let code = blank(text);
    let production = production(&code);
    if !is_test(name) {
        let lines = production.lines().count();
        if lines > FILE_LIMIT {
            findings.push(Finding::new(
                name,
                0,
                format!("{lines} lines before its tests; {FILE_LIMIT} is the limit"),
            ));
        }
        findings.extend(serialised_outside_report(name, production));
    }
    for (line, function, length) in functions(&code) {
        if length > FUNCTION_LIMIT {
            let text = format!("`{function}` has {length} lines of code; {FUNCTION_LIMIT} is the limit");
            findings.push(Finding::new(name, line, text));
        }
    }
    findings
}

/// Whether a file holds only tests or what tests share.
pub(super) fn is_test(name: &str) -> bool {
    name.starts_with("tests/") || name.ends_with("/tests.rs") || name.contains("/tests/")
}

/// The part of a file before its test module.
pub(super) fn production(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod ").map_or(code, |end| &code[..end])
}

/// The text with comments, strings and characters blanked: what is left is code, in the same places.
pub(super) fn blank(text: &str) -> String {
    let mut scanner = Scanner { rest: text, code: String::with_capacity(text.len()), word: false };
    while scanner.step() {}
    scanner.code
}

/// The doc sentence may be longer than its line, so only its beginning is looked at.
fn opens_with_a_sentence(text: &str) -> bool {
    let first = text.lines().find(|line| !line.starts_with("#!"));
    first.and_then(|line| line.strip_prefix("//! ")).is_some_and(|sentence| sentence.trim().len() > 10)
}

fn serialised_outside_report(name: &str, code: &str) -> Vec<Finding> {
    if !name.starts_with("tcpkit-agent/src/") || name.starts_with("tcpkit-agent/src/report/") {
        return Vec::new();
    }
    let derived = code.match_indices("derive(").filter(|(at, _)| {
        let list = code[*at..].split(')').next().unwrap_or_default();
        list.split(|c: char| !is_word(c)).any(|word| word == "Serialize")
    });
    let written = code.match_indices("Serialize for ");
    let finding = |(at, _)| Finding::new(name, line_of(code, at), "only types in `report` are serialised");
    derived.chain(written).map(finding).collect()
}

/// Each function with a body: the line of its name, the name, and how many of its lines hold code.
fn functions(code: &str) -> Vec<(usize, &str, usize)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find("fn ").map(|at| at + from) {
        from = at + 3;
        let starts_word = !code[..at].chars().next_back().is_some_and(is_word);
        let name_end = code[from..].find(|c| !is_word(c)).map_or(code.len(), |end| end + from);
        if !starts_word || name_end == from || is_excused(&code[..at]) {
            continue;
        }
        if let Some(body) = body(&code[name_end..]) {
            let line = line_of(code, at);
            let length = body.lines().filter(|line| !line.trim().is_empty()).count().saturating_sub(2);
            found.push((line, &code[from..name_end], length));
        }
    }
    found
}

/// Whether an attribute of the function says (to clippy, with its reason) that it is long.
fn is_excused(before: &str) -> bool {
    let begin = before.rfind(['}', ';', '{']).map_or(0, |end| end + 1);
    before[begin..].contains("expect(clippy::too_many_lines")
}

/// From a signature's end to the brace that closes its body; `None` for a declaration.
fn body(code: &str) -> Option<&str> {
    let mut nesting = 0_usize;
    let mut open = None;
    for (at, c) in code.char_indices() {
        match c {
            ';' if open.is_none() && nesting == 0 => return None,
            '(' | '[' if open.is_none() => nesting += 1,
            ')' | ']' if open.is_none() => nesting = nesting.saturating_sub(1),
            '{' => {
                open.get_or_insert(at);
                nesting += 1;
            }
            '}' => {
                nesting = nesting.saturating_sub(1);
                if nesting == 0 {
                    return open.map(|start| &code[start..=at]);
                }
            }
            _ => {}
        }
    }
    None
}

pub(super) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Walks over Rust text one token at a time and keeps only what is code.
struct Scanner<'a> {
    rest: &'a str,
    code: String,
    /// Whether the last character belonged to a word: an `r"` inside one begins no raw string.
    word: bool,
}

impl Scanner<'_> {
    fn step(&mut self) -> bool {
        let rest = self.rest;
        let Some(first) = rest.chars().next() else { return false };
        if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(block_comment(rest));
        } else if let Some(length) = raw_string(rest).filter(|_| !self.word) {
            self.skip(length);
        } else if first == '"' {
            self.skip(quoted(rest, '"'));
        } else if first == '\'' && is_character(rest) {
            self.skip(quoted(rest, '\''));
        } else {
            self.keep(first);
        }
        true
    }

    fn keep(&mut self, c: char) {
        self.code.push(c);
        self.word = is_word(c);
        self.rest = &self.rest[c.len_utf8()..];
    }

    fn skip(&mut self, length: usize) {
        let (skipped, rest) = self.rest.split_at(length);
        self.code.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.word = false;
        self.rest = rest;
    }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Length of a raw string (`r"…"`, `br#"…"#`) at the start of `text`.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].strip_prefix('"')?;
    let start = prefix.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(text[start..].find(&close).map_or(text.len(), |end| start + end + close.len()))
}

/// Length of a string or character with escapes at the start of `text`.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether a `'` begins a character and not a lifetime.
fn is_character(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => true,
        (Some(_), Some(second)) => second == '\'',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "//! A file about nothing in particular.\n";

    fn long_function(lines: usize) -> String {
        format!("{HEAD}fn long<'a>(x: [u8; 2]) -> u8 {{\n{}}}\n", "    step(\"}\", '}');\n".repeat(lines))
    }

    #[test]
    fn a_file_opens_with_a_sentence() {
        assert_eq!(check("xtask/src/a.rs", "fn main() {}\n").len(), 1);
        assert_eq!(check("xtask/src/a.rs", "//! x\n").len(), 1);
        assert_eq!(check("xtask/src/a.rs", &format!("{HEAD}fn main() {{}}\n")), []);
    }

    #[test]
    fn a_function_has_at_most_sixty_lines_of_code() {
        assert_eq!(check("a.rs", &long_function(60)), []);
        let findings = check("a.rs", &long_function(61));
        assert_eq!(findings.len(), 1);
        let excused = "#[expect(clippy::too_many_lines, reason = \"a table\")]\nfn long";
        assert_eq!(check("a.rs", &long_function(61).replace("fn long", excused)), []);
        assert!(findings[0].text.contains("`long` has 61 lines"), "{}", findings[0]);
    }

    #[test]
    fn a_file_has_at_most_five_hundred_lines_before_its_tests() {
        let body = "const A: u8 = 1;\n".repeat(499);
        assert_eq!(check("a.rs", &format!("{HEAD}{body}#[cfg(test)]\nmod tests {{}}\n")), []);
        assert_eq!(check("a.rs", &format!("{HEAD}{body}const B: u8 = 1;\n")).len(), 1);
        assert_eq!(check("flow/tests.rs", &format!("{HEAD}{body}{body}")), []);
    }

    #[test]
    fn only_report_names_serialize() {
        let text = format!("{HEAD}#[derive(Serialize)]\nstruct A;\n");
        assert_eq!(check("tcpkit-agent/src/flow/mod.rs", &text).len(), 1);
        let text_by_hand = format!("{HEAD}impl Serialize for A {{}}\n");
        assert_eq!(check("tcpkit-agent/src/flow/mod.rs", &text_by_hand).len(), 1);
        assert_eq!(check("tcpkit-agent/src/report/mod.rs", &text), []);
        assert_eq!(
            check("tcpkit-agent/src/sink/log.rs", &format!("{HEAD}fn f(x: &impl Serialize) {{}}\n")),
            []
        );
        assert_eq!(check("tcpkit-agent/src/flow/mod.rs", &format!("{HEAD}// Serialize\n")), []);
    }

    #[test]
    fn strings_comments_and_characters_are_no_code() {
        let code = blank("a(\"{ \\\" }\", 'x', '\\'', r#\"{\"#); /* { /* { */ */ b::<'c>() // }\n");
        assert!(!code.contains(['{', '}', '"']), "{code}");
        assert!(code.contains("b::<'c>()"), "{code}");
    }
}
