//! How much of the world a run of the model covers.

/// What there is, and how often each fault may strike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What these bounds are for.
    pub name: &'static str,
    /// The partitions that each task serves: a task for each worker and node.
    pub tasks: Vec<Vec<usize>>,
    /// The stream that each partition reads.
    pub inputs: Vec<usize>,
    /// The entries of each stream.
    pub entries: u8,
    /// The most entries of one read.
    pub count: usize,
    /// How often each fault may strike.
    pub faults: Faults,
}

/// How often each fault may strike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Connections that break: what was sent on them may still happen, at any time.
    pub cuts: u8,
    /// Workers that die, with their memory; each may start again, under a new name.
    pub crashes: u8,
    /// Take-overs from an owner that is alive: it was only paused, or slow.
    pub take_overs: u8,
    /// Partitions that are given back.
    pub releases: u8,
    /// Groups that somebody destroys.
    pub destroys: u8,
    /// Groups that somebody moves back to the beginning of the stream.
    pub rewinds: u8,
    /// Trims of a stream.
    pub trims: u8,
}
