//! What can be asked of a leaderboard.

use tallyd_kind::view::{Argument, Column, Form, How, Shown, Type, View};

/// Members of a board.
pub static BOARD: View = View {
    name: "board",
    doc: "The learner's places on boards in the periods that are now: of everyone, and of the groups\n\
          that were asked for.",
    form: Form::Board,
    arguments: &[
        Argument {
            name: "by",
            kind: "object",
            doc: "The group: `by.class=10B`, once for each field",
        },
        Argument {
            name: "period",
            kind: "string",
            doc: "The kind of period; the topology's first by default",
        },
        Argument {
            name: "at",
            kind: "string",
            doc: "A moment in the period: `now`, `-7d`, a date, RFC 3339, or ms since the epoch",
        },
    ],
    row: "BoardRow",
    row_doc: "A member's place on a board.",
    columns: &[
        Column::new("member", Type::Name, "Who."),
        Column::new("rank", Type::Count, "From 1."),
        Column::new(
            "score",
            Type::Figure,
            "The score: a number, or the text of a decimal with its places.",
        ),
        Column::new(
            "percentile",
            Type::Number,
            "How many of the others, in percent, do not stand above.",
        ),
        Column::new(
            "reached",
            Type::Time,
            "When the score was reached, in ms since the epoch; left out where that is not known \
             exactly.",
        )
        .or_left_out(),
        Column::new(
            "reached_between",
            Type::Times,
            "From when to when it may have been reached, where the board holds no more than that.",
        )
        .or_left_out(),
        Column::new(
            "rank_within",
            Type::Count,
            "The rank among the members that were asked for; left out where none were.",
        )
        .or_left_out(),
    ],
    shown: &[
        Shown { column: "rank_within", head: Some("within"), how: How::Figure(0) },
        Shown { column: "rank", head: Some("rank"), how: How::Figure(0) },
        Shown { column: "member", head: Some("member"), how: How::Name },
        Shown { column: "score", head: Some("score"), how: How::Exact },
        Shown { column: "percentile", head: Some("percentile"), how: How::Figure(1) },
    ],
    read: "the sorted set of the board and period, and its size, in one transaction",
    order: "the score, best first; of one score by `ties`",
    changes: "each event of a member of the board in the period, until it is final",
};
