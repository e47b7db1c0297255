//! What an operator reads of a request: its label, and its key, which mostly stands in the label.
//!
//! Nearly all requests are measured and forgotten, so their memory is handed on from one to the next: each thread keeps
//! a little of it.

use std::cell::RefCell;

use super::exchange::{MAX_KEY, MAX_LABEL};

/// Octets of the longest label and the longest key.
const MOST: usize = MAX_LABEL + MAX_KEY;
/// Pieces of memory that a thread keeps.
const SPARE: usize = 256;

/// The memory of one request's words.
type Memory = Box<[u8; MOST]>;

thread_local! {
    static SPARES: RefCell<Vec<Memory>> = const { RefCell::new(Vec::new()) };
}

/// Label and key of a request.
#[derive(Debug, Default)]
pub struct Words {
    /// The label stands first; none where both are empty.
    octets: Option<Memory>,
    label_len: u8,
    key_at: u8,
    key_len: u8,
}

/// Words that are being put together, part by part, with spaces between the parts of the label.
pub(super) struct Phrase<'a> {
    octets: Memory,
    label_len: usize,
    /// Where in the label the key is.
    key: (usize, usize),
    /// The key, where the label has not all of it.
    other_key: &'a [u8],
}

impl Words {
    /// Of a key and a label; what is too long is cut.
    #[must_use]
    pub fn new(key: &[u8], label: &[u8]) -> Self {
        let mut phrase = Phrase::new(label);
        phrase.other_key = key;
        phrase.words()
    }

    /// At most [`MAX_LABEL`] octets.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        self.octets().get(..usize::from(self.label_len)).unwrap_or_default()
    }

    /// At most [`MAX_KEY`] octets.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        let key = self.octets().get(usize::from(self.key_at)..).unwrap_or_default();
        key.get(..usize::from(self.key_len)).unwrap_or_default()
    }

    fn octets(&self) -> &[u8] {
        self.octets.as_deref().map_or(&[], |octets| octets)
    }
}

impl Drop for Words {
    #[inline]
    fn drop(&mut self) {
        if let Some(octets) = self.octets.take() {
            // A thread that ends keeps nothing.
            let _gone = SPARES.try_with(|spares| {
                if let Ok(mut spares) = spares.try_borrow_mut()
                    && spares.len() < SPARE
                {
                    spares.push(octets);
                }
            });
        }
    }
}

/// Memory with whatever was in it.
#[inline]
fn memory() -> Memory {
    let spare = SPARES.try_with(|spares| spares.try_borrow_mut().ok().and_then(|mut spares| spares.pop()));
    spare.ok().flatten().unwrap_or_else(|| Box::new([0; MOST]))
}

impl<'a> Phrase<'a> {
    /// Begins with the first part of the label.
    #[inline]
    pub(super) fn new(first: &[u8]) -> Self {
        let mut phrase = Self { octets: memory(), label_len: 0, key: (0, 0), other_key: &[] };
        phrase.append(first);
        phrase
    }

    /// The next part.
    #[inline]
    pub(super) fn push(&mut self, part: &[u8]) {
        if self.label_len < MAX_LABEL {
            self.octets[self.label_len] = b' ';
            self.label_len += 1;
            self.append(part);
        }
    }

    /// The next part, which is the key.
    #[inline]
    pub(super) fn push_key(&mut self, key: &'a [u8]) {
        let at = self.label_len + 1;
        self.push(key);
        let len = key.len().min(MAX_KEY);
        if at + len <= self.label_len {
            self.key = (at, len);
        } else {
            self.other_key = key;
        }
    }

    /// All of them.
    #[inline]
    pub(super) fn words(mut self) -> Words {
        if !self.other_key.is_empty() {
            let (at, key) = (self.label_len, &self.other_key[..self.other_key.len().min(MAX_KEY)]);
            self.key = (at, key.len());
            self.octets[at..at + key.len()].copy_from_slice(key);
        }
        let small = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        let (key_at, key_len) = self.key;
        let (label_len, key_at, key_len) = (small(self.label_len), small(key_at), small(key_len));
        Words { octets: Some(self.octets), label_len, key_at, key_len }
    }

    #[inline]
    fn append(&mut self, part: &[u8]) {
        let fits = part.len().min(MAX_LABEL - self.label_len);
        self.octets[self.label_len..self.label_len + fits].copy_from_slice(&part[..fits]);
        self.label_len += fits;
    }
}

impl Clone for Words {
    fn clone(&self) -> Self {
        let Self { octets, label_len, key_at, key_len } = self;
        Self { octets: octets.clone(), label_len: *label_len, key_at: *key_at, key_len: *key_len }
    }
}

/// Wherever the key is.
impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        (self.label(), self.key()) == (other.label(), other.key())
    }
}

impl Eq for Words {}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        /// Cut at their bounds, and nowhere else, however long the parts are and wherever the key is.
        #[test]
        fn words_are_the_parts_with_spaces_between(
            parts in vec(vec(1..=255_u8, 0..80), 1..6),
            key_place in 0..6_usize,
        ) {
            let label = parts.join(&b' ');
            let label = &label[..label.len().min(MAX_LABEL)];
            let key = parts.get(key_place.max(1)).map(Vec::as_slice).unwrap_or_default();
            let mut phrase = Phrase::new(&parts[0]);
            for (place, part) in parts.iter().enumerate().skip(1) {
                if place == key_place.max(1) { phrase.push_key(part) } else { phrase.push(part) }
            }
            let words = phrase.words();
            let key = &key[..key.len().min(MAX_KEY)];
            prop_assert_eq!((words.label(), words.key()), (label, key));
            prop_assert_eq!(&words, &Words::new(key, label));
            prop_assert_eq!(words.clone(), words);
        }
    }

    #[test]
    fn memory_that_was_used_before_shows_nothing_of_it() {
        for number in 0..2_u8 {
            drop(Words::new(&[number; 100], &[number; 200]));
            let mut phrase = Phrase::new(b"GET");
            phrase.push_key(b"a");
            let words = phrase.words();
            assert_eq!((words.label(), words.key()), (&b"GET a"[..], &b"a"[..]));
            assert_eq!(Words::new(b"", b"PING").key(), b"");
        }
    }

    #[test]
    fn none_are_empty() {
        let words = Words::default();
        assert_eq!((words.label(), words.key()), (&b""[..], &b""[..]));
        assert_eq!(words, Words::new(b"", b""));
        assert!(size_of::<Words>() <= 16, "requests are moved");
    }
}
