//! Command lines of the older tools, read as getopt_long(3) of glibc reads them.
//!
//! Options and operands may be mixed; `--` ends the options; long names may be abbreviated as long as they are
//! unambiguous, and with [`Grammar::long_only`] a single dash will do for them. What getopt would have printed about a
//! wrong word is the [`Mistake`].

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
};

/// What options a tool has.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// Letters, each with a `:` behind it when it takes an argument.
    pub short: &'static str,
    /// Names.
    pub long: &'static [Long],
    /// A single dash introduces a long name, too.
    pub long_only: bool,
}

/// A long option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long {
    /// Its name.
    pub name: &'static str,
    /// Whether it takes an argument.
    pub takes_argument: bool,
    /// What it is reported as; most often the letter of the short option that it stands for.
    pub stands_for: char,
}

/// What getopt says of a word, without the name of the program in front.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// No such name.
    #[error("unrecognized option '{0}'")]
    Unrecognized(String),
    /// Several names begin like this.
    #[error("option '{word}' is ambiguous; possibilities:{possibilities}")]
    Ambiguous {
        /// As typed.
        word: String,
        /// Each in quotes, a blank before each.
        possibilities: String,
    },
    /// An argument for an option that takes none.
    #[error("option '{0}' doesn't allow an argument")]
    NoArgument(String),
    /// The argument is missing.
    #[error("option '{0}' requires an argument")]
    Argument(String),
    /// No such letter.
    #[error("invalid option -- '{0}'")]
    Invalid(char),
    /// The argument of a letter is missing.
    #[error("option requires an argument -- '{0}'")]
    LetterArgument(char),
}

/// Options in their order, each with its argument (empty where it takes none), and operands in theirs.
pub type Words = (Vec<(char, OsString)>, Vec<OsString>);

/// Reads the words, the name of the program not among them.
///
/// # Errors
/// The first [`Mistake`].
pub fn parse(grammar: &Grammar, words: impl IntoIterator<Item = OsString>) -> Result<Words, Mistake> {
    let mut words = words.into_iter();
    let (mut options, mut operands) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        match word.as_bytes() {
            b"--" => {
                operands.extend(words);
                break;
            }
            [b'-', b'-', name @ ..] => options.push(long(grammar, "--", name, &mut words)?),
            [b'-', letters @ ..] if !letters.is_empty() => {
                dashed(grammar, letters, &mut words, &mut options)?;
            }
            _ => operands.push(word),
        }
    }
    Ok((options, operands))
}

/// A word with one dash: a long name where that may be, else letters.
fn dashed(
    grammar: &Grammar,
    letters: &[u8],
    words: &mut impl Iterator<Item = OsString>,
    options: &mut Vec<(char, OsString)>,
) -> Result<(), Mistake> {
    let first = char::from(letters[0]);
    let is_letter = grammar.takes_argument(first).is_some();
    // A letter alone is that letter, even where a name begins with it.
    if grammar.long_only && (letters.len() > 1 || !is_letter) {
        match long(grammar, "-", letters, words) {
            Err(Mistake::Unrecognized(_)) if is_letter => {}
            outcome => {
                options.push(outcome?);
                return Ok(());
            }
        }
    }
    let mut rest = letters;
    while let [letter, behind @ ..] = rest {
        let letter = char::from(*letter);
        match grammar.takes_argument(letter).ok_or(Mistake::Invalid(letter))? {
            false => {
                options.push((letter, OsString::new()));
                rest = behind;
            }
            true => {
                let argument = if behind.is_empty() { words.next() } else { Some(owned(behind)) };
                options.push((letter, argument.ok_or(Mistake::LetterArgument(letter))?));
                break;
            }
        }
    }
    Ok(())
}

/// A long name, perhaps with `=` and an argument.
fn long(
    grammar: &Grammar,
    dashes: &str,
    word: &[u8],
    words: &mut impl Iterator<Item = OsString>,
) -> Result<(char, OsString), Mistake> {
    let (name, argument) = match word.iter().position(|byte| *byte == b'=') {
        Some(at) => (&word[..at], Some(owned(&word[at + 1..]))),
        None => (word, None),
    };
    let typed = || format!("{dashes}{}", String::from_utf8_lossy(word));
    let option = find(grammar, name, dashes, typed)?;
    let full = || format!("{dashes}{}", option.name);
    match (option.takes_argument, argument) {
        (false, Some(_)) => Err(Mistake::NoArgument(full())),
        (false, None) => Ok((option.stands_for, OsString::new())),
        (true, argument) => {
            let argument = argument.or_else(|| words.next()).ok_or_else(|| Mistake::Argument(full()))?;
            Ok((option.stands_for, argument))
        }
    }
}

fn find(
    grammar: &Grammar,
    name: &[u8],
    dashes: &str,
    typed: impl Fn() -> String,
) -> Result<&'static Long, Mistake> {
    if let Some(exact) = grammar.long.iter().find(|long| long.name.as_bytes() == name) {
        return Ok(exact);
    }
    let candidates: Vec<_> =
        grammar.long.iter().filter(|long| long.name.as_bytes().starts_with(name)).collect();
    let Some(first) = candidates.first() else { return Err(Mistake::Unrecognized(typed())) };
    let is_same = |other: &&Long| {
        !grammar.long_only
            && (other.takes_argument, other.stands_for) == (first.takes_argument, first.stands_for)
    };
    if candidates.iter().skip(1).all(is_same) {
        return Ok(first);
    }
    let possibilities = candidates.iter().map(|long| format!(" '{dashes}{}'", long.name)).collect();
    Err(Mistake::Ambiguous { word: typed(), possibilities })
}

fn owned(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

impl Grammar {
    /// Whether this letter takes an argument; `None` where there is no such letter.
    fn takes_argument(&self, letter: char) -> Option<bool> {
        let mut letters = self.short.chars();
        letters.by_ref().find(|known| *known == letter && letter != ':')?;
        Some(letters.next() == Some(':'))
    }
}

/// A word as text; what is not Unicode is shown as such.
pub(super) fn text(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAMMAR: Grammar = Grammar {
        short: "i:c:qh",
        long: &[
            Long { name: "interface", takes_argument: true, stands_for: 'i' },
            Long { name: "icmp", takes_argument: false, stands_for: 'I' },
            Long { name: "promisc", takes_argument: false, stands_for: 'p' },
        ],
        long_only: true,
    };

    fn read(grammar: &Grammar, words: &str) -> String {
        let words = words.split(' ').filter(|word| !word.is_empty()).map(OsString::from);
        match parse(grammar, words) {
            Ok((options, operands)) => {
                let options = options.iter().map(|(letter, argument)| format!("{letter}={}", text(argument)));
                options.chain(operands.iter().map(|word| text(word))).collect::<Vec<_>>().join(" ")
            }
            Err(mistake) => mistake.to_string(),
        }
    }

    /// Each answer is what a C program with the same `getopt_long_only` call gives (glibc 2.36).
    #[test]
    fn words_mean_what_glibc_makes_of_them() {
        for (words, expected) in [
            ("", ""),
            ("a -i eth0 b", "i=eth0 a b"),
            ("-ieth0 --interface=lo -interface x --inter y", "i=eth0 i=lo i=x i=y"),
            ("-qc2 -q", "q= c=2 q="),
            ("-promisc -pr --p", "p= p= p="),
            ("-icmp -ic", "I= I="),
            ("-i icmp", "i=icmp"),
            ("-- -q x", "-q x"),
            ("- -q", "q= -"),
            ("--interface=", "i="),
            ("--i", "option '--i' is ambiguous; possibilities: '--interface' '--icmp'"),
            ("-i=x", "option '-i=x' is ambiguous; possibilities: '-interface' '-icmp'"),
            ("--icmp=1", "option '--icmp' doesn't allow an argument"),
            ("-interface", "option '-interface' requires an argument"),
            ("-i", "option requires an argument -- 'i'"),
            ("--foo=1", "unrecognized option '--foo=1'"),
            ("-x", "unrecognized option '-x'"),
            ("-qx", "invalid option -- 'x'"),
            ("-q:", "invalid option -- ':'"),
        ] {
            assert_eq!(read(&GRAMMAR, words), expected, "{words}");
        }
    }

    #[test]
    fn with_short_options_only_a_dash_never_begins_a_name() {
        let grammar = Grammar { long: &[], long_only: false, ..GRAMMAR };
        assert_eq!(read(&grammar, "-icmp -q"), "i=cmp q=");
        assert_eq!(read(&grammar, "-x"), "invalid option -- 'x'");
    }
}
