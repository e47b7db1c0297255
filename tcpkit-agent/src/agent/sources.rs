//! Files and libpcap as sources of blocks.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    cli::Stream,
    pipeline::{BlockSource, SourceNote},
    source::{
        Block, FlowTimers, InterfaceTable, LiveOptions, Merge, PcapLive, Progress, Reader, SourceCounts,
        SourceError, SourceErrorKind,
    },
    time::{Span, Timestamp},
};

/// Opens the files, in the order of the command line.
///
/// # Errors
/// The first that cannot be opened.
pub(super) fn files(files: &[Stream], interfaces: &mut InterfaceTable) -> Result<Files, SourceError> {
    let readers: Result<Vec<_>, _> =
        files.iter().map(|file| Reader::open(&file.path(), interfaces)).collect();
    Ok(Files(Merge::new(readers?)))
}

/// Capture files, merged by time.
pub(super) struct Files(Merge);

impl BlockSource for Files {
    fn fill(&mut self, block: &mut Block) -> Result<bool, SourceError> {
        self.0.fill(block)
    }

    fn notes(&mut self) -> Vec<SourceNote> {
        let note = |reader: &Reader| SourceNote {
            source: reader.name().to_owned(),
            ring_full: 0,
            notes: file_notes(reader.counts()),
        };
        self.0.readers().map(note).collect()
    }

    fn progress(&self) -> Option<Progress> {
        Some(self.0.progress())
    }

    /// What a file holds was captured long ago.
    fn change_filter(&mut self, _: Option<String>) -> Result<Timestamp, SourceError> {
        Err(SourceError {
            source_name: "files".to_owned(),
            kind: SourceErrorKind::Unsupported,
            what: "are read by one filter".to_owned(),
            advice: "read them again".to_owned(),
        })
    }

    /// Those on which all files agree.
    fn timers(&self) -> Option<FlowTimers> {
        let mut each = self.0.readers().map(Reader::timers);
        let first = each.next()??;
        each.all(|other| other == Some(first)).then_some(first)
    }

    fn stop_on(&mut self, flag: &Arc<AtomicBool>) {
        self.0.stop_on(flag);
    }

    fn end_of_capture(&self) -> Option<Timestamp> {
        self.0.end_of_capture()
    }

    fn idle_time(&self) -> Option<Timestamp> {
        None
    }
}

fn file_notes(counts: &SourceCounts) -> Vec<(&'static str, u64)> {
    vec![
        ("file_dropped", counts.file_dropped),
        ("unknown_blocks", counts.unknown_blocks),
        ("skipped_blocks", counts.skipped_blocks),
        ("malformed_options", counts.malformed_options),
        ("clipped", counts.clipped),
        ("length_contradictions", counts.length_contradictions),
        ("without_timestamp", counts.without_timestamp),
    ]
}

/// Interfaces captured by libpcap, each in its turn.
pub(super) struct PcapSet {
    captures: Vec<(String, PcapLive)>,
    turn: usize,
    lost: Lost,
    /// Every interface of the beginning.
    names: Vec<String>,
    statistics: Vec<SourceNote>,
    /// What the kernel is to filter by, and from when on: until then it lets through what either filter wants.
    next: Option<(Timestamp, Option<String>)>,
}

impl PcapSet {
    /// Opens the interfaces, in the order of the command line.
    ///
    /// # Errors
    /// The first that cannot be opened.
    pub(super) fn open(
        options: impl Iterator<Item = LiveOptions>,
        interfaces: &mut InterfaceTable,
    ) -> Result<Self, SourceError> {
        let captures: Result<Vec<_>, _> = options
            .map(|options| Ok((options.interface.clone(), PcapLive::open(&options, interfaces)?)))
            .collect();
        let captures = captures?;
        let names = captures.iter().map(|(name, _)| name.clone()).collect();
        let (lost, statistics) = (Lost::default(), Vec::new());
        Ok(Self { captures, turn: 0, lost, names, statistics, next: None })
    }

    /// What this tells of interfaces that disappear.
    pub(super) fn lost(&self) -> Lost {
        self.lost.clone()
    }

    /// What the kernel filters by now on one interface, or what the new filter wants.
    fn widen(&mut self, place: usize, prefilter: Option<&str>) -> Result<(), SourceError> {
        let (_, capture) = &mut self.captures[place];
        let either = capture.filter().zip(prefilter).map(|(old, new)| format!("({old}) or ({new})"));
        capture.replace_filter(either)
    }

    /// The kernel filters by the new filter alone, when its time has come.
    fn narrow(&mut self) {
        let Some((_, prefilter)) = self.next.take_if(|(moment, _)| *moment <= clock()) else { return };
        for (_, capture) in &mut self.captures {
            if let Err(refusal) = capture.replace_filter(prefilter.clone()) {
                // What it lets through beyond need is sorted out behind it.
                tracing::warn!("{refusal}");
            }
        }
    }

    /// An interface broke off: the others go on, and the last one ends the capture.
    fn lose(&mut self, place: usize, error: &SourceError) -> Result<bool, SourceError> {
        // Its last counts stand.
        self.notes();
        let (name, _) = self.captures.remove(place);
        self.turn = 0;
        self.lost.push(name, &error.what);
        if !self.captures.is_empty() {
            return Ok(true);
        }
        let names = self.names.join(", ");
        Err(SourceError { source_name: format!("every interface disappeared: {names}"), ..error.clone() })
    }
}

/// Interfaces that broke off since they were last asked for: the name, and what happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost(Arc<Mutex<Vec<(String, String)>>>);

impl Lost {
    fn push(&self, interface: String, why: &str) {
        let story = format!("is not captured any more: {why}");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((interface, story));
    }

    /// Takes them.
    pub(super) fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl BlockSource for PcapSet {
    /// Looks at each interface in turn; only when none has anything does it sleep, on one of them.
    fn fill(&mut self, block: &mut Block) -> Result<bool, SourceError> {
        self.narrow();
        for turn in 0..=self.captures.len() {
            let count = self.captures.len();
            let place = self.turn;
            let Some((_, capture)) = self.captures.get_mut(place) else { return Ok(false) };
            let wait = if turn == count { WAIT } else { Duration::ZERO };
            let more = match capture.fill(block, wait) {
                Ok(more) => more,
                Err(error) => return self.lose(place, &error),
            };
            self.turn = (self.turn + 1) % count;
            if !more || !block.frames.is_empty() {
                return Ok(more);
            }
        }
        Ok(true)
    }

    fn notes(&mut self) -> Vec<SourceNote> {
        let note = |(name, capture): &mut (String, PcapLive)| {
            let statistics = capture.statistics().ok()?;
            let notes = vec![("interface_dropped", statistics.interface_dropped)];
            Some(SourceNote { source: name.clone(), ring_full: statistics.dropped, notes })
        };
        for now in self.captures.iter_mut().filter_map(note) {
            // An interface that disappeared cannot be asked any more: its last counts stand.
            match self.statistics.iter_mut().find(|known| known.source == now.source) {
                Some(known) => *known = now,
                None => self.statistics.push(now),
            }
        }
        self.statistics.clone()
    }

    /// First the kernel lets through what either filter wants; when every frame that comes was judged so, the moment is
    /// chosen, and when no earlier frame is under way, the kernel filters by the new one.
    fn change_filter(&mut self, prefilter: Option<String>) -> Result<Timestamp, SourceError> {
        for place in 0..self.captures.len() {
            let Err(refusal) = self.widen(place, prefilter.as_deref()) else { continue };
            // What those before it let through beyond need is sorted out behind them.
            return Err(refusal);
        }
        std::thread::sleep(UNDER_WAY);
        let moment = clock();
        self.next = Some((moment + Span::from_millis(100), prefilter));
        Ok(moment)
    }

    fn progress(&self) -> Option<Progress> {
        None
    }

    /// The reader looks at the flag itself, at least once in the time that this waits.
    fn stop_on(&mut self, _flag: &Arc<AtomicBool>) {}

    fn end_of_capture(&self) -> Option<Timestamp> {
        Some(clock())
    }

    fn idle_time(&self) -> Option<Timestamp> {
        Some(Timestamp(clock().0.saturating_sub_unsigned(SLACK.0)))
    }
}

/// The wall clock, which also stamps libpcap's frames.
#[expect(clippy::disallowed_methods, reason = "a live source is where time enters")]
pub(super) fn clock() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

/// A frame of this age may still wait in a ring when timers run by the clock.
const SLACK: Span = Span::from_secs(1);

/// A frame gets its time and meets the filter within this time.
const UNDER_WAY: Duration = Duration::from_millis(2);

/// Sleep of an idle capture; bounds the delay at which it notices that it should stop.
const WAIT: Duration = Duration::from_millis(50);
