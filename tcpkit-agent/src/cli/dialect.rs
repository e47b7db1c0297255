//! Two command lines in one: git-hulk/tcpkit changed the meaning of letters between 1.0.1 and 1.1.0, and the value
//! tells which one is meant.
//!
//! `-p 6379` is a port and `-p redis` a protocol, `-s 10.0.0.1` a server and `-s 1500` a length. What is 1.1.0's is
//! rewritten to options that are not listed in the help; everything else passes as it is.

use std::ffi::{OsStr, OsString};

use clap::ValueEnum as _;

use super::args::Mode;

/// Rewrites the words behind the program's name.
pub(super) fn translate(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter().peekable();
    let mut translated = Vec::new();
    while let Some(word) = words.next() {
        if word == "--" {
            translated.push(word);
            translated.extend(words);
            break;
        }
        // No value of an option begins with a dash, so whatever does is an option.
        let Some((option, attached)) = split(&word) else {
            translated.push(word);
            continue;
        };
        let value = attached.or_else(|| words.peek().map(OsString::as_os_str)).and_then(OsStr::to_str);
        match value.and_then(|value| older(option, value)) {
            Some(ours) => {
                if attached.is_none() {
                    words.next();
                }
                translated.extend(ours.into_iter().map(OsString::from));
            }
            None => translated.push(word),
        }
    }
    translated
}

/// `-p`, `-s` or `-m`, and what is attached to it.
fn split(word: &OsStr) -> Option<(char, Option<&OsStr>)> {
    let text = word.to_str()?;
    if text == "--mode" {
        return Some(('m', None));
    }
    if let Some(value) = text.strip_prefix("--mode=") {
        return Some(('m', Some(OsStr::new(value))));
    }
    let letters = text.strip_prefix('-')?;
    let option = letters.chars().next().filter(|letter| matches!(letter, 'p' | 's' | 'm'))?;
    let attached = &letters[option.len_utf8()..];
    let attached = attached.strip_prefix('=').unwrap_or(attached);
    Some((option, (!attached.is_empty()).then(|| OsStr::new(attached))))
}

/// What an option of the older tools is in ours; `None` where it is the same.
fn older(option: char, value: &str) -> Option<Vec<String>> {
    let words = match option {
        'm' => {
            let mode = mode(value)?;
            if mode == RAW { vec!["--raw".to_owned()] } else { vec!["--mode".to_owned(), mode] }
        }
        'p' => {
            let protocol = protocol(value)?;
            let dialect = "--dialect=1.1".to_owned();
            if protocol == RAW {
                vec![dialect, "--raw".to_owned()]
            } else {
                vec![dialect, "--mode".to_owned(), protocol]
            }
        }
        's' if value.bytes().all(|byte| byte.is_ascii_digit()) => vec![format!("--snarf={value}")],
        _ => return None,
    };
    Some(words)
}

/// tcpkit 1.1.0 takes the names as they are.
fn protocol(value: &str) -> Option<String> {
    let is_known = value == RAW || Mode::from_str(value, false).is_ok();
    is_known.then(|| value.to_owned())
}

/// tcpkit 1.0.1 takes any beginning of a name in any case, and the first that fits.
fn mode(value: &str) -> Option<String> {
    let value = value.to_ascii_lowercase();
    protocol(&value).or_else(|| {
        let fits = |name: &&&str| !value.is_empty() && name.starts_with(&value);
        ["redis", "memcached", "http", RAW].iter().find(fits).map(ToString::to_string)
    })
}

/// Packets instead of requests.
const RAW: &str = "raw";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, expected: &str) {
        let words = translate(typed.split(' ').map(OsString::from));
        assert_eq!(words.join(OsStr::new(" ")), expected, "{typed}");
    }

    #[test]
    fn the_value_tells_the_versions_apart() {
        check("-p 6379,6380 -s 10.0.0.1 -m redis", "-p 6379,6380 -s 10.0.0.1 --mode redis");
        check("-p redis -s 1500 tcp port 6379", "--dialect=1.1 --mode redis --snarf=1500 tcp port 6379");
        check("-predis -s64 -p6379", "--dialect=1.1 --mode redis --snarf=64 -p6379");
        check("-p raw -A", "--dialect=1.1 --raw -A");
        check("-p redis -p 6379", "--dialect=1.1 --mode redis -p 6379");
        check("-s fd99::1 -p", "-s fd99::1 -p");
    }

    #[test]
    fn a_mode_may_be_the_beginning_of_its_name() {
        for (typed, meant) in
            [("RED", "redis"), ("mem", "memcached"), ("m", "memcached"), ("h", "http"), ("dns", "dns")]
        {
            check(&format!("-m {typed}"), &format!("--mode {meant}"));
        }
        check("-m Raw", "--raw");
        check("-mr", "--mode redis");
        check("--mode=raw --mode RA", "--raw --raw");
        check("-m telnet", "-m telnet");
        check("-m ", "-m ");
    }

    #[test]
    fn what_is_no_option_stays() {
        check("-r - -i p0 -- -p redis", "-r - -i p0 -- -p redis");
        check("--port redis --server 1500", "--port redis --server 1500");
        check("-up redis", "-up redis");
    }
}
