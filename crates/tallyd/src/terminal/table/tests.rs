//! Tables at widths from narrow to wide: no figure is cut.

use super::*;

const FIGURES: [&str; 4] = ["1048576", "999.5", "123456789012", "0"];

fn status() -> Table {
    let heads = [Head::name("node"), Head::name("partitions of"), Head::text("since")];
    let figures = ["lag", "rate", "events", "dead"].map(Head::figure);
    let mut table = Table::new(heads.into_iter().chain(figures));
    let owners = ["8 host-1234-19aa2203b4c4c", "8 host-99-19aa2203b4c38"].map(str::to_owned);
    for name in ["answers", "concepts-of-the-whole-school"] {
        let first = [name.into(), Cell::lines(&owners), Cell::from("2026-11-28 03:38:06Z")];
        table.add(first.into_iter().chain(FIGURES.map(Cell::from)));
    }
    table
}

fn width(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn a_table_fits_every_terminal_and_no_figure_is_cut() {
    let table = status();
    for columns in 28..=200 {
        let shown = table.rendered(Some(columns), false);
        assert!(width(&shown) <= columns.into(), "at {columns}:\n{shown}");
        for figure in FIGURES {
            let words = shown.split_whitespace().filter(|word| *word == figure).count();
            let silent = figure == "0" && shown.contains("no room for what is 0 or -: dead");
            assert!(words == 2 || silent, "{figure} at {columns}:\n{shown}");
        }
    }
    // What has room is not broken, and what is not shown on a terminal has no bounds.
    assert_eq!(table.rendered(Some(200), false), table.rendered(None, false));
}

#[test]
fn a_wide_table_is_whole_a_narrow_one_broken_and_the_narrowest_a_list() {
    let table = status();
    insta::assert_snapshot!(table.rendered(Some(120), false), @"
    node                          partitions of              since                     lag   rate        events  dead
    ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    answers                       8 host-1234-19aa2203b4c4c  2026-11-28 03:38:06Z  1048576  999.5  123456789012     0
                                  8 host-99-19aa2203b4c38
    concepts-of-the-whole-school  8 host-1234-19aa2203b4c4c  2026-11-28 03:38:06Z  1048576  999.5  123456789012     0
                                  8 host-99-19aa2203b4c38
    ");
    insta::assert_snapshot!(table.rendered(Some(80), false), @"
    node            partitions of   since             lag   rate        events  dead
    ────────────────────────────────────────────────────────────────────────────────
    answers         8 host-1234-19  2026-11-28    1048576  999.5  123456789012     0
                    aa2203b4c4c     03:38:06Z
                    8 host-99-19aa
                    2203b4c38
    concepts-of-th  8 host-1234-19  2026-11-28    1048576  999.5  123456789012     0
    e-whole-school  aa2203b4c4c     03:38:06Z
                    8 host-99-19aa
                    2203b4c38
    ");
    insta::assert_snapshot!(table.rendered(Some(72), false), @"
    node            partitions of  since            lag   rate        events
    ────────────────────────────────────────────────────────────────────────
    answers         8 host-1234-1  2026-11-28   1048576  999.5  123456789012
                    9aa2203b4c4c   03:38:06Z
                    8 host-99-19a
                    a2203b4c38
    concepts-of-th  8 host-1234-1  2026-11-28   1048576  999.5  123456789012
    e-whole-school  9aa2203b4c4c   03:38:06Z
                    8 host-99-19a
                    a2203b4c38
    no room for what is 0 or -: dead
    ");
    insta::assert_snapshot!(table.rendered(Some(40), false), @"
    node           answers
    partitions of  8 host-1234-19aa2203b4c4c
                   8 host-99-19aa2203b4c38
    since          2026-11-28 03:38:06Z
    lag            1048576
    rate           999.5
    events         123456789012
    dead           0

    node           concepts-of-the-whole-sch
                   ool
    partitions of  8 host-1234-19aa2203b4c4c
                   8 host-99-19aa2203b4c38
    since          2026-11-28 03:38:06Z
    lag            1048576
    rate           999.5
    events         123456789012
    dead           0
    ");
}

#[test]
fn colours_are_where_they_are_wanted() {
    let mut table = Table::new([Head::text("heartbeat")]);
    table.add([Cell::from("GONE").paint(Some(Paint::Alarm))]);
    assert!(!table.rendered(None, false).contains('\x1b'));
    let shown = table.rendered(Some(80), true);
    assert!(shown.contains("\x1b[") && shown.contains("GONE"), "{shown:?}");
}

#[test]
fn a_table_without_rows_is_its_header() {
    let table = Table::new([Head::figure("rank"), Head::name("member")]);
    assert_eq!(table.rendered(Some(80), false), "rank  member\n────────────");
}
