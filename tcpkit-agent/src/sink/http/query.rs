//! Queries: what stands behind the `?`, by the parameters that a path has.

use axum::http::Uri;

use super::problem::bad_query;
use crate::report::Problem;

/// A parameter of a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// What it does, in a sentence.
    pub(super) about: &'static str,
    pub(super) kind: Kind,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// There or not; `true` and `false` may be said.
    Flag,
    /// A whole number from the first to the second; the third is what holds without it.
    Number(u64, u64, u64),
    /// One of these words; the second is what holds without it.
    Choice(&'static [&'static str], &'static str),
    /// Any text that means something.
    Text,
    /// A text of this pattern (ECMA-262).
    Pattern(&'static str),
}

/// A query whose parameters are all known, and of their kinds.
#[derive(Debug)]
pub(super) struct Query(Vec<(&'static Parameter, String)>);

impl Query {
    /// Reads the query of a request.
    ///
    /// # Errors
    /// The parameter that is wrong, and what is allowed.
    pub(super) fn of(uri: &Uri, parameters: &'static [Parameter]) -> Result<Self, Problem> {
        let mut given: Vec<(&'static Parameter, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            let Some(parameter) = parameters.iter().find(|one| one.name == name) else {
                return Err(unknown(&name, parameters));
            };
            if given.iter().any(|(one, _)| one.name == name) {
                return Err(bad_query(parameter.name, "it stands there more than once", Vec::new()));
            }
            parameter.kind.check(parameter.name, &value)?;
            given.push((parameter, value.into_owned()));
        }
        Ok(Self(given))
    }

    /// What a parameter says, where it is given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(one, _)| one.name == name).map(|(_, value)| value.as_str())
    }

    /// Whether a flag is given, and not as `false`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value != "false")
    }

    /// A number, where it is given.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

impl Kind {
    fn check(self, name: &str, value: &str) -> Result<(), Problem> {
        let allowed = match self {
            Self::Flag if matches!(value, "" | "true" | "false") => return Ok(()),
            Self::Flag => vec!["true".to_owned(), "false".to_owned()],
            Self::Number(least, most, _) => {
                let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
                if is_number && value.parse().is_ok_and(|number| (least..=most).contains(&number)) {
                    return Ok(());
                }
                vec![format!("{least}..{most}")]
            }
            Self::Choice(words, _) if words.contains(&value) => return Ok(()),
            Self::Choice(words, _) => words.iter().map(|word| (*word).to_owned()).collect(),
            // What it means is found out by whoever takes it.
            Self::Text | Self::Pattern(_) => return Ok(()),
        };
        let shown: String = value.chars().take(SHOWN).collect();
        Err(bad_query(name, format!("'{shown}' is none of what it may be"), allowed))
    }
}

fn unknown(name: &str, parameters: &[Parameter]) -> Problem {
    let shown: String = name.chars().take(SHOWN).collect();
    let allowed: Vec<_> = parameters.iter().map(|one| one.name.to_owned()).collect();
    let detail = if allowed.is_empty() { "this path has no parameters" } else { "no such parameter here" };
    bad_query(&shown, detail, allowed)
}

/// Characters of a wrong word that are repeated to whoever sent it.
const SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: [Parameter; 4] = [
        Parameter { name: "pretty", about: "", kind: Kind::Flag },
        Parameter { name: "limit", about: "", kind: Kind::Number(1, 10, 5) },
        Parameter { name: "sort", about: "", kind: Kind::Choice(&["rate", "bytes"], "rate") },
        Parameter { name: "filter", about: "", kind: Kind::Text },
    ];

    fn query(text: &str) -> Result<Query, Problem> {
        Query::of(&format!("/x?{text}").parse().unwrap(), &PARAMETERS)
    }

    #[test]
    fn parameters_are_read_and_decoded() {
        let all = query("pretty&limit=10&sort=bytes&filter=port+443%20and%20host%3A1").unwrap();
        assert!(all.flag("pretty"));
        assert_eq!((all.number("limit"), all.text("sort")), (Some(10), Some("bytes")));
        assert_eq!(all.text("filter"), Some("port 443 and host:1"));
        let none = query("pretty=false").unwrap();
        assert!(!none.flag("pretty") && none.number("limit").is_none());
    }

    #[test]
    fn a_wrong_one_is_named_with_what_is_allowed() {
        for (text, parameter, allowed) in [
            ("colour=red", "colour", "pretty"),
            ("limit=0", "limit", "1..10"),
            ("limit=+5", "limit", "1..10"),
            ("limit=99999999999999999999999", "limit", "1..10"),
            ("sort=size", "sort", "rate"),
            ("pretty=maybe", "pretty", "true"),
        ] {
            let problem = query(text).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(parameter)), "{text}");
            assert!(problem.allowed.iter().any(|word| word == allowed), "{text}: {problem:?}");
        }
        assert_eq!(query("limit=1&limit=2").unwrap_err().parameter.as_deref(), Some("limit"));
    }
}
