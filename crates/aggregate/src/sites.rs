//! Sites: the groups and windows that a batch's events are counted in, each named once.

use crate::{Options, WindowOptions, keys::TOTAL, window_key};
use hashbrown::HashMap;
use smol_str::SmolStr;
use tallyd_bolt::{GroupMemo, Key, Late, WindowMemo, calendar::Calendar};
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
            (window, WindowMemo::new(calendar, window.length, window.lasting).at(now))
        };
        Self {
            windows: options.windows.iter().map(memo).collect(),
            groups: GroupMemo::new(&options.by, TOTAL),
            places: HashMap::new(),
            all: Vec::new(),
        }
    }

    /// Puts the places of an event's sites into `places`, and the windows that it is too late for
    /// into `late`. `event` comes with its place in the batch.
    pub(crate) fn find(
        &mut self,
        schema: &Schema,
        (index, event): (usize, &Event),
        places: &mut Vec<usize>,
        late: &mut Vec<Late>,
    ) {
        places.clear();
        late.clear();
        let (time, arrival) = (event.time(schema), event.arrival());
        let group = self.groups.place(event);
        let Self { windows, groups, places: known, all } = self;
        for (length, (window, memo)) in windows.iter_mut().enumerate() {
            let kept = match memo.find(time, arrival) {
                Ok(kept) => kept,
                Err(closed) => {
                    let (window, label) = (window.name.clone(), closed.window.label.clone());
                    late.push(Late { event: index, window, label });
                    continue;
                }
            };
            let place = known.entry((length, kept.place, group)).or_insert_with(|| {
                let (label, group) = (kept.window.label.clone(), groups.name(group));
                let key = window_key(window, &label, group);
                all.push(Site { window, label, group: group.into(), key, expiry: kept.expiry });
                all.len() - 1
            });
            places.push(*place);
        }
    }

    /// All sites so far.
    pub(crate) fn all(&self) -> &[Site<'a>] {
        &self.all
    }
}
