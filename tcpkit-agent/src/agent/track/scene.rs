//! The view on a screen: what the terminal says goes to it, and listings as they come.

use std::time::Duration;

use ratatui::{
    Frame,
    crossterm::event::{Event, KeyCode, KeyEvent, MouseButton, MouseEventKind},
};
use tokio::time::Instant;

use super::fetch::{Ask, Fetcher};
use crate::{
    agent::screen::{Reaction, Scene},
    view::track::{Input, Key, TrackView, Wish},
};

/// How often there are new figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Once a second.
    Usual,
    /// Four times.
    Fast,
}

impl Pace {
    const fn interval(self) -> Duration {
        match self {
            Self::Usual => Duration::from_secs(1),
            Self::Fast => Duration::from_millis(250),
        }
    }
}

/// The view, and where its listings come from.
pub(super) struct TrackScene {
    view: TrackView,
    fetcher: Fetcher,
    pace: Pace,
    /// When a listing was asked for last; `None` where one is wanted now.
    asked: Option<Instant>,
    /// It has not come yet.
    is_waiting: bool,
}

impl TrackScene {
    pub(super) const fn new(view: TrackView, fetcher: Fetcher, pace: Pace) -> Self {
        Self { view, fetcher, pace, asked: None, is_waiting: false }
    }

    fn ask(&mut self) {
        let is_due = self.asked.is_none_or(|asked| asked.elapsed() >= self.pace.interval());
        if self.is_waiting || !is_due {
            return;
        }
        let Some(query) = self.view.query() else { return };
        self.asked = Some(Instant::now());
        self.is_waiting = true;
        self.fetcher.ask(Ask { query, chosen: self.view.chosen_query() });
    }
}

impl Scene for TrackScene {
    fn tick(&mut self) -> bool {
        let answer = self.fetcher.answer();
        let is_new = answer.is_some();
        match answer {
            Some(Ok(answer)) => self.view.on_listing(answer.listing, answer.chosen, answer.completeness),
            Some(Err(reason)) => self.view.on_trouble(reason.to_string()),
            None => {}
        }
        self.is_waiting &= !is_new;
        self.ask();
        is_new
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        self.view.on_size(area.width, area.height);
        self.view.draw(frame);
    }

    fn on_event(&mut self, event: &Event) -> Reaction {
        let Some(input) = input(event) else {
            return if matches!(event, Event::Resize(..)) { Reaction::Changed } else { Reaction::None };
        };
        match self.view.on_input(input) {
            Wish::Quit => Reaction::Quit,
            Wish::Refresh => {
                self.asked = None;
                Reaction::Changed
            }
            Wish::None => Reaction::Changed,
        }
    }
}

fn input(event: &Event) -> Option<Input> {
    match event {
        Event::Key(key) => key_of(key).map(Input::Key),
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(Input::Click(mouse.column, mouse.row)),
            MouseEventKind::ScrollDown => Some(Input::Wheel(WHEEL)),
            MouseEventKind::ScrollUp => Some(Input::Wheel(-WHEEL)),
            _ => None,
        },
        _ => None,
    }
}

const fn key_of(key: &KeyEvent) -> Option<Key> {
    Some(match key.code {
        KeyCode::Char(character) => Key::Char(character),
        KeyCode::Tab | KeyCode::Right => Key::Tab { forward: true },
        KeyCode::BackTab | KeyCode::Left => Key::Tab { forward: false },
        KeyCode::Down => Key::Move(1),
        KeyCode::Up => Key::Move(-1),
        KeyCode::PageDown => Key::Page(1),
        KeyCode::PageUp => Key::Page(-1),
        KeyCode::Home => Key::First,
        KeyCode::End => Key::Last,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    })
}

/// Lines of one notch of the wheel.
const WHEEL: i32 = 3;
