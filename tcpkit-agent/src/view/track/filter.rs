//! The filter that is typed, and the one in force: the latest that made sense.

use crate::report::flows::FlowFilter;

/// What is filtered, and what is being typed.
#[derive(Clone, Debug)]
pub(super) struct Filtering {
    /// What the command line wants, whatever is typed.
    fixed: FlowFilter,
    /// In force.
    text: String,
    wanted: FlowFilter,
    editing: Option<Editing>,
}

/// A filter that is being typed.
#[derive(Clone, Debug)]
struct Editing {
    text: String,
    mistake: Option<String>,
    /// What was in force before.
    before: (String, FlowFilter),
}

impl Filtering {
    /// No filter but that of the command line.
    pub(super) fn new(only_from_syn: bool) -> Self {
        let fixed = if only_from_syn { "not midstream" } else { "" };
        let fixed = FlowFilter::parse(fixed).unwrap_or_default();
        Self { fixed, text: String::new(), wanted: FlowFilter::default(), editing: None }
    }

    /// In force.
    pub(super) fn filter(&self) -> FlowFilter {
        self.fixed.clone().and(self.wanted.clone())
    }

    /// As it was typed; empty where there is none.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What is being typed, and what is wrong with it.
    pub(super) fn editing(&self) -> Option<(&str, Option<&str>)> {
        self.editing.as_ref().map(|editing| (editing.text.as_str(), editing.mistake.as_deref()))
    }

    /// Begins to type.
    pub(super) fn begin(&mut self) {
        let before = (self.text.clone(), self.wanted.clone());
        self.editing = Some(Editing { text: self.text.clone(), mistake: None, before });
    }

    /// Another character.
    pub(super) fn push(&mut self, character: char) {
        if let Some(editing) = &mut self.editing {
            editing.text.push(character);
            self.apply();
        }
    }

    /// Takes the last character back.
    pub(super) fn pop(&mut self) {
        if let Some(editing) = &mut self.editing {
            editing.text.pop();
            self.apply();
        }
    }

    /// It is to stay, as far as it made sense.
    pub(super) fn keep(&mut self) {
        self.editing = None;
    }

    /// It is to be as it was before.
    pub(super) fn restore(&mut self) {
        if let Some(editing) = self.editing.take() {
            (self.text, self.wanted) = editing.before;
        }
    }

    /// No filter.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.wanted = FlowFilter::default();
    }

    /// What is typed holds at once, unless it makes no sense yet.
    fn apply(&mut self) {
        let Some(editing) = &mut self.editing else { return };
        match FlowFilter::parse(&editing.text) {
            Ok(filter) => {
                self.text.clone_from(&editing.text);
                self.wanted = filter;
                editing.mistake = None;
            }
            Err(mistake) => editing.mistake = Some(mistake.to_string()),
        }
    }
}
