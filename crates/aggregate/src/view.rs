//! What can be asked of an aggregate.

use tallyd_kind::view::{Argument, Column, Form, How, Shown, Type, View};

/// The figures of groups in windows.
pub static STATS: View = View {
    name: "stats",
    doc: "What was measured of each group in each window.",
    form: Form::Stats,
    arguments: &[
        Argument {
            name: "by",
            kind: "object",
            doc: "The group: `by.class=10B`, once for each field",
        },
        Argument {
            name: "window",
            kind: "string",
            doc: "The kind of window; the topology's first by default",
        },
        Argument {
            name: "from",
            kind: "string",
            doc: "The first moment, as `at`; that of `to` by default",
        },
        Argument { name: "to", kind: "string", doc: "The last moment; now by default" },
    ],
    row: "StatsRow",
    row_doc: "The figures of a group in a window.",
    columns: &[
        Column::new("label", Type::Name, "Which window: `2026-11-28`, `2026-11-28T0900Z`, `all`."),
        Column::new("start", Type::Time, "Its first millisecond, since the epoch."),
        Column::new("end", Type::Time, "The first one after it; `null` for all time.").or_null(),
        Column::new(
            "final",
            Type::Bool,
            "Whether nothing will change it any more; `null` where the server's user may not know.",
        )
        .or_null(),
        Column::new(
            "group",
            Type::Map,
            "The values of the aggregate's fields; `null` for one that the events leave out.",
        ),
        Column::new(
            "measures",
            Type::Map,
            "The figures by measure; `null` where there is none, as of the mean of nothing.",
        ),
        Column::new(
            "exact",
            Type::Map,
            "For each distinct count whether it is exact, or an estimate.",
        ),
        Column::new(
            "ratio",
            Type::Number,
            "The ratio that rows are ordered by, where that was asked for.",
        )
        .or_left_out(),
    ],
    shown: &[
        Shown { column: "label", head: Some("window"), how: How::Text },
        Shown { column: "group", head: None, how: How::SpreadNames },
        Shown { column: "measures", head: None, how: How::SpreadFigures },
    ],
    read: "a hash for each group and window, and a HyperLogLog for each estimate",
    order: "the windows, then the names of groups; or `order_by`, of one window",
    changes: "each event of the group in the window, until it is final",
};
