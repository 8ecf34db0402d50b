//! Sites: the groups and windows that a batch's events are counted in, each named once.

use crate::{Options, WindowOptions, keys::TOTAL, window_key};
use hashbrown::HashMap;
use smol_str::SmolStr;
use tallyd_bolt::{GroupMemo, Key, WindowMemo, calendar::Calendar};
use tallyd_event::{Event, Schema};

/// The sites of one batch.
pub(crate) struct Sites<'a> {
    windows: Vec<(&'a WindowOptions, WindowMemo<'a>)>,
    groups: GroupMemo<'a>,
    /// The places in `all`, by the places of the length, the window and the group.
    places: HashMap<(usize, usize, usize), usize>,
    all: Vec<Site<'a>>,
}

/// One group in one window.
#[derive(Clone)]
pub(crate) struct Site<'a> {
    pub(crate) window: &'a WindowOptions,
    pub(crate) label: SmolStr,
    pub(crate) group: SmolStr,
    /// The hash of its measures.
    pub(crate) key: Key,
    /// When its keys go, if ever.
    pub(crate) expiry: Option<i64>,
}

impl<'a> Sites<'a> {
    /// The sites of a new batch: none yet.
    pub(crate) fn new(options: &'a Options, calendar: &'a Calendar, now: i64) -> Self {
        let memo = |window: &'a WindowOptions| {
            (window, WindowMemo::new(calendar, window.length, window.retain_ms).at(now))
        };
        Self {
            windows: options.windows.iter().map(memo).collect(),
            groups: GroupMemo::new(&options.by, TOTAL),
            places: HashMap::new(),
            all: Vec::new(),
        }
    }

    /// Puts the places of an event's sites into `places`, and says how many windows it is too late
    /// for.
    pub(crate) fn find(&mut self, schema: &Schema, event: &Event, places: &mut Vec<usize>) -> u64 {
        places.clear();
        let (time, arrival) = (event.time(schema), event.arrival());
        let group = self.groups.place(event);
        let Self { windows, groups, places: known, all } = self;
        let mut late = 0;
        for (length, (window, memo)) in windows.iter_mut().enumerate() {
            let Some(kept) = memo.find(time, arrival) else {
                late += 1;
                continue;
            };
            let place = known.entry((length, kept.place, group)).or_insert_with(|| {
                let (label, group) = (kept.window.label.clone(), groups.name(group));
                let key = window_key(window, &label, group);
                all.push(Site { window, label, group: group.into(), key, expiry: kept.expiry });
                all.len() - 1
            });
            places.push(*place);
        }
        late
    }

    /// All sites so far.
    pub(crate) fn all(&self) -> &[Site<'a>] {
        &self.all
    }
}
