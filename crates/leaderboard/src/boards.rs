//! The boards and periods that a batch's events are on, each named once.

use crate::{
    Options, PeriodOptions, board_key, composite::Span, edit::CutsOf, hidden_key, keys::EVERYONE,
    state_key,
};
use hashbrown::HashMap;
use smol_str::SmolStr;
use tallyd_bolt::{
    FieldRef, GroupMemo, Key, Late, WindowMemo, calendar::Calendar, cuts::BrokenCuts,
};
use tallyd_event::{Event, Schema};

/// The boards of one batch.
pub(crate) struct Boards<'a> {
    periods: Vec<(&'a PeriodOptions, WindowMemo<'a>)>,
    boards: Vec<(&'a [FieldRef], GroupMemo<'a>)>,
    /// The places in `all`, by the places of the period, its window, the board and the group.
    places: HashMap<(usize, usize, usize, usize), usize>,
    all: Vec<Board<'a>>,
    member: &'a FieldRef,
    cuts: CutsOf,
}

/// One board of one group in one period.
pub(crate) struct Board<'a> {
    /// Its sorted set.
    pub(crate) key: Key,
    /// The hash of what its scores alone do not say.
    pub(crate) state: Key,
    /// Its period.
    pub(crate) period: &'a PeriodOptions,
    /// The label of its window.
    pub(crate) label: SmolStr,
    /// Its group, as it stands in keys.
    pub(crate) group: SmolStr,
    /// When it goes, if ever.
    pub(crate) expiry: Option<i64>,
    /// The time in which its scores are reached.
    pub(crate) span: Span,
}

impl Board<'_> {
    /// The hash of the scores of its hidden members.
    pub(crate) fn hidden(&self) -> Key {
        hidden_key(self.period, &self.label, &self.group)
    }
}

impl<'a> Boards<'a> {
    /// The boards of a new batch: none yet. `cuts` are those of its partitions.
    pub(crate) fn new(
        options: &'a Options,
        calendar: &'a Calendar,
        cuts: CutsOf,
        now: i64,
    ) -> Self {
        let memo = |period: &'a PeriodOptions| {
            (period, WindowMemo::new(calendar, period.length, period.lasting).at(now))
        };
        let groups = |fields: &'a Vec<FieldRef>| (&fields[..], GroupMemo::new(fields, EVERYONE));
        Self {
            periods: options.periods.iter().map(memo).collect(),
            boards: options.boards.iter().map(groups).collect(),
            places: HashMap::new(),
            all: Vec::new(),
            member: &options.member,
            cuts,
        }
    }

    /// Why it is not known what counts of the events of a member, if it is not.
    pub(crate) fn broken(&self, member: &str) -> Option<&BrokenCuts> {
        self.cuts.broken(member)
    }

    /// Puts the places of the boards that an event is on into `places`, and the periods that it is
    /// too late for into `late`. `event` comes with its place in the batch.
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
        let Self { periods, boards, places: known, all, member, cuts } = self;
        let is_on = |(fields, _): &(&[FieldRef], GroupMemo<'_>)| {
            fields.iter().all(|field| !event.value(field.index).is_null())
        };
        if !boards.iter().any(is_on) {
            // On no board it is not late for one either.
            return;
        }
        let cuts = cuts.get(|| member.text(event));
        for (number, (period, memo)) in periods.iter_mut().enumerate() {
            let is_closed = |label: &str| {
                cuts.is_some_and(|cuts| cuts.are_before(&period.name, label, event.origin))
            };
            let kept = match memo.find(time, arrival) {
                Ok(kept) if !is_closed(&kept.window.label) => kept,
                Ok(closed) | Err(closed) => {
                    let (window, label) = (period.name.clone(), closed.window.label.clone());
                    late.push(Late { event: index, window, label });
                    continue;
                }
            };
            for (board, (fields, groups)) in boards.iter_mut().enumerate() {
                if fields.iter().any(|field| event.value(field.index).is_null()) {
                    continue;
                }
                let group = groups.place(event);
                let of = (period.name.as_str(), kept.window.label.as_str());
                let is_taken_back = cuts.is_some_and(|cuts| {
                    cuts.are_after(of, (groups.name(group), true), event.origin)
                });
                if is_taken_back {
                    continue;
                }
                let place = known.entry((number, kept.place, board, group)).or_insert_with(|| {
                    let (label, group): (&SmolStr, &str) = (&kept.window.label, groups.name(group));
                    let (key, state) =
                        (board_key(period, label, group), state_key(period, label, group));
                    let span = Span::of(&kept.window);
                    let (label, group) = (label.clone(), group.into());
                    let period = *period;
                    all.push(Board { key, state, period, label, group, expiry: kept.expiry, span });
                    all.len() - 1
                });
                places.push(*place);
            }
        }
    }

    /// The periods that it has.
    pub(crate) fn periods(&self) -> impl Iterator<Item = &'a PeriodOptions> {
        self.periods.iter().map(|(period, _)| *period)
    }

    /// The board at a place that [`Boards::find`] gave.
    pub(crate) fn get(&self, place: usize) -> Option<&Board<'a>> {
        self.all.get(place)
    }
}
