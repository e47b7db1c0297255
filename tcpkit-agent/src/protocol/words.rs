//! What an operator reads of a request: its label, and its key, which mostly stands in the label.
//!
//! Nearly all requests are measured and forgotten, so short words need no memory of their own.

use super::exchange::{MAX_KEY, MAX_LABEL};

/// Octets that are kept in place: a command with a key and a small value.
const SHORT: usize = 39;

/// Label and key of a request.
#[derive(Clone, Debug)]
pub struct Words {
    octets: Octets,
    /// The label stands first.
    label_len: u8,
    key_at: u8,
    key_len: u8,
}

#[derive(Clone, Debug)]
enum Octets {
    Short([u8; SHORT]),
    Long(Box<[u8]>),
}

/// Words that are being put together, part by part, with spaces between the parts of the label.
pub(super) struct Phrase<'a> {
    octets: [u8; MAX_LABEL + MAX_KEY],
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
        match &self.octets {
            Octets::Short(octets) => octets,
            Octets::Long(octets) => octets,
        }
    }
}

impl<'a> Phrase<'a> {
    /// Begins with the first part of the label.
    #[inline]
    #[must_use]
    pub(super) fn new(first: &[u8]) -> Self {
        let octets = [0; MAX_LABEL + MAX_KEY];
        let mut phrase = Self { octets, label_len: 0, key: (0, 0), other_key: &[] };
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
    #[must_use]
    pub(super) fn words(mut self) -> Words {
        let mut len = self.label_len;
        if !self.other_key.is_empty() {
            let key = &self.other_key[..self.other_key.len().min(MAX_KEY)];
            self.key = (len, key.len());
            self.octets[len..len + key.len()].copy_from_slice(key);
            len += key.len();
        }
        let octets = match self.octets.first_chunk() {
            Some(octets) if len <= SHORT => Octets::Short(*octets),
            _ => Octets::Long(self.octets[..len].into()),
        };
        let small = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        let (key_at, key_len) = self.key;
        Words { octets, label_len: small(self.label_len), key_at: small(key_at), key_len: small(key_len) }
    }

    #[inline]
    fn append(&mut self, part: &[u8]) {
        let fits = part.len().min(MAX_LABEL - self.label_len);
        self.octets[self.label_len..self.label_len + fits].copy_from_slice(&part[..fits]);
        self.label_len += fits;
    }
}

impl Default for Words {
    fn default() -> Self {
        Self { octets: Octets::Short([0; SHORT]), label_len: 0, key_at: 0, key_len: 0 }
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
    fn none_are_empty() {
        let words = Words::default();
        assert_eq!((words.label(), words.key()), (&b""[..], &b""[..]));
        assert_eq!(words, Words::new(b"", b""));
        assert!(size_of::<Words>() <= 48);
    }
}
