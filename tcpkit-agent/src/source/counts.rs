//! What a source met: every frame, and every thing that it skipped, clipped or had to make up, by name.

/// Counts of one source since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Frames delivered.
    pub frames: u64,
    /// Bytes delivered of them.
    pub captured_bytes: u64,
    /// Bytes that the frames had on the capture point.
    pub frame_bytes: u64,
    /// Frames that the capturing program or its kernel lost, as the file says: by `epb_dropcount` or by the interface
    /// statistics, whichever is more for an interface; by the drop counter in snoop.
    pub file_dropped: u64,
    /// pcapng blocks of a type that nobody here knows, skipped.
    pub unknown_blocks: u64,
    /// pcapng blocks of a known type that hold no frame (name resolution, secrets, journal, custom), skipped.
    pub skipped_blocks: u64,
    /// Option lists of a pcapng frame that contradict themselves; the frame was delivered without the rest of them.
    pub malformed_options: u64,
    /// Frames of which the file holds more than its snap length allows; cut to it, as libpcap does.
    pub clipped: u64,
    /// Frames said to be shorter than what was captured of them; taken to be as long as that.
    pub length_contradictions: u64,
    /// Frames without a time stamp (pcapng simple packets); they got that of the frame before.
    pub without_timestamp: u64,
}

impl SourceCounts {
    /// Adds another source's counts.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.captured_bytes += other.captured_bytes;
        self.frame_bytes += other.frame_bytes;
        self.file_dropped += other.file_dropped;
        self.unknown_blocks += other.unknown_blocks;
        self.skipped_blocks += other.skipped_blocks;
        self.malformed_options += other.malformed_options;
        self.clipped += other.clipped;
        self.length_contradictions += other.length_contradictions;
        self.without_timestamp += other.without_timestamp;
    }
}
