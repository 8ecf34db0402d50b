//! The windows and groups that the events of one batch lie in, each worked out and named once:
//! the calendar and the encoding of names cost more than the counting itself.

use crate::{
    FieldRef, Key,
    calendar::{Calendar, Length, Window},
};
use hashbrown::HashMap;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_event::Event;

/// The windows of one length that a batch's events lie in. It gives exactly what
/// [`Calendar::window`] gives, so no result depends on how events were split into batches.
#[derive(Debug)]
pub struct WindowMemo<'a> {
    calendar: &'a Calendar,
    length: Length,
    lasting: Lasting,
    /// The time of the batch: what can't be read any more by then is not begun again.
    now: i64,
    windows: Vec<KeptWindow>,
    /// The windows that hold every time from their start to their end: start to place. A day, week
    /// or month does not, where the clocks were set back over midnight.
    whole: BTreeMap<i64, usize>,
    last: Option<usize>,
}

/// How long windows last beyond their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// For how many ms they can be read; `None`: for ever.
    pub retain_ms: Option<i64>,
    /// For how many ms late events still change them, at most while they can be read; `None`: as
    /// long as that.
    pub grace_ms: Option<i64>,
}

/// A window, and how long it is kept.
#[derive(Debug)]
pub struct KeptWindow {
    /// Its place in the memo: 0 for the first window that was asked for.
    pub place: usize,
    /// The window.
    pub window: Window,
    /// When its keys go, in ms since the epoch; `None`: never.
    pub expiry: Option<i64>,
    /// The first arrival that is too late for it, in ms since the epoch; `None`: none is.
    pub closes: Option<i64>,
}

impl Lasting {
    /// When the keys of a window go, in ms since the epoch; `None`: never.
    #[must_use]
    pub fn expiry(self, window: &Window) -> Option<i64> {
        after(window, self.retain_ms)
    }

    /// From which arrival on, in ms since the epoch, events are too late for a window: once all
    /// that arrived before are processed it is final. `None`: it never is.
    #[must_use]
    pub fn closes(self, window: &Window) -> Option<i64> {
        [after(window, self.retain_ms), after(window, self.grace_ms)].into_iter().flatten().min()
    }
}

fn after(window: &Window, ms: Option<i64>) -> Option<i64> {
    ms.filter(|_| window.end < i64::MAX).map(|ms| window.end.saturating_add(ms))
}

impl<'a> WindowMemo<'a> {
    /// The memo of a new batch.
    #[must_use]
    pub fn new(calendar: &'a Calendar, length: Length, lasting: Lasting) -> Self {
        let (windows, whole) = (Vec::new(), BTreeMap::new());
        Self { calendar, length, lasting, now: i64::MIN, windows, whole, last: None }
    }

    /// The same, of a batch that is processed at this time.
    #[must_use]
    pub fn at(self, now: i64) -> Self {
        Self { now, ..self }
    }

    /// The window that holds a time: as an error where it was final at the event's arrival, or can
    /// be read no longer by now. What was counted in it may be deleted then, and it must not begin
    /// again with a part.
    ///
    /// # Errors
    /// The window that the event is too late for.
    pub fn find(&mut self, time: i64, arrival: i64) -> Result<&KeptWindow, &KeptWindow> {
        let place = self.known(time).unwrap_or_else(|| self.add(time));
        #[expect(clippy::indexing_slicing, reason = "a place is that of a window, which stays")]
        let kept = &self.windows[place];
        let is_open = kept.closes.is_none_or(|closes| arrival < closes);
        let is_kept = kept.expiry.is_none_or(|expiry| self.now < expiry);
        if is_open && is_kept { Ok(kept) } else { Err(kept) }
    }

    fn known(&mut self, time: i64) -> Option<usize> {
        let holds = |kept: &KeptWindow| kept.window.start <= time && time < kept.window.end;
        if let Some(last) = self.last
            && self.windows.get(last).is_some_and(holds)
        {
            return Some(last);
        }
        let (_, &place) = self.whole.range(..=time).next_back()?;
        let found = self.windows.get(place).is_some_and(holds);
        found.then(|| *self.last.insert(place))
    }

    fn add(&mut self, time: i64) -> usize {
        let window = self.calendar.window(self.length, time);
        if let Some(known) = self.windows.iter().find(|known| known.window == window) {
            return known.place;
        }
        let place = self.windows.len();
        let edges = [window.start, window.end.saturating_sub(1)];
        if edges.iter().all(|&edge| self.calendar.window(self.length, edge) == window) {
            self.whole.insert(window.start, place);
            self.last = Some(place);
        }
        let (expiry, closes) = (self.lasting.expiry(&window), self.lasting.closes(&window));
        self.windows.push(KeptWindow { place, window, expiry, closes });
        place
    }
}

/// The groups of some fields that a batch's events lie in.
#[derive(Debug)]
pub struct GroupMemo<'a> {
    fields: &'a [FieldRef],
    all: &'static str,
    bytes: Vec<u8>,
    places: HashMap<Vec<u8>, usize>,
    names: Vec<SmolStr>,
}

impl<'a> GroupMemo<'a> {
    /// The memo of a new batch. Without fields there is one group, and it is called `all`.
    #[must_use]
    pub fn new(fields: &'a [FieldRef], all: &'static str) -> Self {
        Self { fields, all, bytes: Vec::new(), places: HashMap::new(), names: Vec::new() }
    }

    /// The place in this memo of an event's group.
    pub fn place(&mut self, event: &Event) -> usize {
        self.bytes.clear();
        for field in self.fields {
            let text = field.text(event);
            let length = text.as_ref().map_or(u64::MAX, |text| text.len() as u64);
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
        }
        if let Some(&place) = self.places.get(self.bytes.as_slice()) {
            return place;
        }
        let place = self.names.len();
        self.names.push(group_name(self.fields, self.all, event));
        self.places.insert(self.bytes.clone(), place);
        place
    }

    /// The group at a place that [`GroupMemo::place`] gave, as a part of a key.
    #[must_use]
    pub fn name(&self, place: usize) -> &str {
        self.names.get(place).map_or(self.all, SmolStr::as_str)
    }
}

fn group_name(fields: &[FieldRef], all: &'static str, event: &Event) -> SmolStr {
    if fields.is_empty() {
        return SmolStr::new_static(all);
    }
    let texts: Vec<Option<SmolStr>> = fields.iter().map(|field| field.text(event)).collect();
    let pairs = fields.iter().zip(&texts);
    Key::group(pairs.map(|(field, text)| (field.name.as_str(), text.as_deref())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tallyd_event::{EntryId, Value};

    const ZONES: [&str; 4] = ["UTC", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe"];
    const LENGTHS: [Length; 6] = [
        Length::Millis(60_000),
        Length::Millis(6 * 3_600_000),
        Length::Day,
        Length::Week,
        Length::Month,
        Length::All,
    ];
    /// Half a day before the clocks change in Lord Howe, by half an hour, in April 2026.
    const SPRING: i64 = 1_775_271_600_000;
    /// Half a day before they change in Berlin, by an hour, in October 2026.
    const AUTUMN: i64 = 1_792_846_800_000;

    const FOR_EVER: Lasting = Lasting { retain_ms: None, grace_ms: None };

    proptest! {
        #[test]
        fn gives_what_the_calendar_gives(
            times in proptest::collection::vec(
                prop_oneof![
                    SPRING..SPRING + 86_400_000,
                    AUTUMN..AUTUMN + 86_400_000,
                    0i64..253_402_300_799_999,
                ],
                1..40,
            ),
            zone in 0usize..ZONES.len(),
            length in 0usize..LENGTHS.len(),
        ) {
            let calendar = Calendar::new(ZONES[zone]).unwrap();
            let mut memo = WindowMemo::new(&calendar, LENGTHS[length], FOR_EVER);
            for time in times {
                let expected = calendar.window(LENGTHS[length], time);
                let found = memo.find(time, i64::MAX).unwrap();
                prop_assert_eq!(&found.window, &expected, "{}", time);
            }
        }
    }

    #[test]
    fn a_window_is_changed_while_its_grace_lasts() {
        let calendar = Calendar::new("UTC").unwrap();
        // (retain, grace, when its keys go, the first arrival that is too late)
        let cases = [
            (Some(1000), Some(500), Some(61_000), Some(60_500)),
            (Some(1000), Some(0), Some(61_000), Some(60_000)),
            (Some(1000), Some(2000), Some(61_000), Some(61_000)),
            (Some(1000), None, Some(61_000), Some(61_000)),
            (None, Some(500), None, Some(60_500)),
            (None, None, None, None),
        ];
        for (retain_ms, grace_ms, expiry, closes) in cases {
            let lasting = Lasting { retain_ms, grace_ms };
            let mut memo = WindowMemo::new(&calendar, Length::Millis(60_000), lasting);
            let late = closes.unwrap_or(i64::MAX);
            let kept = memo.find(30_000, late - 1).unwrap();
            assert_eq!((kept.expiry, kept.closes), (expiry, closes), "{lasting:?}");
            assert_eq!(memo.find(30_000, late).is_err(), closes.is_some(), "{lasting:?}");
            let mut memo = WindowMemo::new(&calendar, Length::All, lasting);
            assert_eq!(memo.find(30_000, i64::MAX).unwrap().expiry, None);
        }
        // An event that arrived in time and is processed when the window is gone is late too.
        let lasting = Lasting { retain_ms: Some(1000), grace_ms: Some(500) };
        let mut memo = WindowMemo::new(&calendar, Length::Millis(60_000), lasting).at(61_000);
        assert!(memo.find(30_000, 40_000).is_err());
        assert!(memo.find(60_000, 60_000).is_ok());
        let mut memo = WindowMemo::new(&calendar, Length::Millis(60_000), lasting).at(60_999);
        assert!(memo.find(30_000, 40_000).is_ok());
    }

    #[test]
    fn groups_differ_where_values_differ() {
        let fields =
            [("a", 0), ("b", 1)].map(|(name, index)| FieldRef { index, name: name.into() });
        let text = |text: &str| Value::Str(text.into());
        let cases = [
            (vec![text("x"), text("yz")], 0, "a=x:b=yz"),
            (vec![text("xy"), text("z")], 1, "a=xy:b=z"),
            (vec![text("x"), Value::Null], 2, "a=x:b"),
            (vec![text("x"), text("yz")], 0, "a=x:b=yz"),
        ];
        let mut memo = GroupMemo::new(&fields, "total");
        for (values, place, name) in cases {
            let event = Event::new(EntryId::ZERO, 0, values);
            assert_eq!(memo.place(&event), place);
            assert_eq!(memo.name(place), name);
            assert_eq!(GroupMemo::new(&[], "total").place(&event), 0);
        }
        assert_eq!(GroupMemo::new(&[], "total").name(0), "total");
    }
}
