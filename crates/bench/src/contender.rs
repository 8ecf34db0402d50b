//! Who is measured.

use crate::{consume::Consumer, wire::Format};

/// How many events an entry of [`Contender::TallydBatch`] holds.
const BATCH_EVENTS: usize = 100;

/// A way to get the statistics, or the floor under all ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Contender {
    /// A stream read and acknowledged, and nothing else.
    Floor,
    /// An application that writes the results itself, without a stream.
    Direct,
    /// The usual consumer on redis-rs.
    Loop,
    /// The same on sea-streamer.
    SeaStreamer,
    /// tallyd, fed with single entries.
    Tallyd,
    /// tallyd, fed with batches of 100.
    TallydBatch,
}

/// All, in the order in which they take turns.
pub const ALL: [Contender; 6] = [
    Contender::Floor,
    Contender::Direct,
    Contender::Loop,
    Contender::SeaStreamer,
    Contender::Tallyd,
    Contender::TallydBatch,
];

impl Contender {
    /// Its name in tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Direct => "direct",
            Self::Loop => "loop",
            Self::SeaStreamer => "sea-streamer",
            Self::Tallyd => "tallyd",
            Self::TallydBatch => "tallyd-batch",
        }
    }

    /// The consumer that it is, if it is not tallyd.
    #[must_use]
    pub fn consumer(self) -> Option<Consumer> {
        match self {
            Self::Floor => Some(Consumer::Floor),
            Self::Direct => Some(Consumer::Direct),
            Self::Loop => Some(Consumer::Loop),
            Self::SeaStreamer => Some(Consumer::SeaStreamer),
            Self::Tallyd | Self::TallydBatch => None,
        }
    }

    /// What its producer writes; `None` where there is no stream.
    #[must_use]
    pub fn format(self) -> Option<Format> {
        match self {
            Self::Direct => None,
            Self::Floor | Self::Loop | Self::Tallyd => Some(Format::Flat),
            Self::SeaStreamer => Some(Format::Message),
            Self::TallydBatch => Some(Format::Batch(BATCH_EVENTS)),
        }
    }
}
