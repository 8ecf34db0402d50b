//! The examples at the end of each `--help`. A test reads every one of them as it is typed.

/// Of the program.
pub const ALL: &str = "\
Examples:
  tallyd demo                         see it work
  tallyd check quiz.toml              find the faults of a topology
  tallyd run quiz.toml                start a worker
  tallyd board points -t quiz.toml    show a result

Every command finds the topology by FILE or --topology, by TALLYD_TOPOLOGY, or as tallyd.toml in the current folder.

Environment:
  TALLYD_TOPOLOGY  the topology file
  TALLYD_REDIS     the Redis of files that name none
  TALLYD_LOG       what a worker logs: error, warn, info (the default), debug or trace
  NO_COLOR         no colours

Exit codes:
  0  done
  1  failed
  2  wrong use";

/// Of `tallyd run`.
pub const RUN: &str = "\
Examples:
  tallyd run quiz.toml
  tallyd run quiz.toml --metrics 127.0.0.1:9090    with /metrics, /healthz and /readyz
  tallyd run --bolts answers,unique                only these sources and bolts, of tallyd.toml";

/// Of `tallyd serve`.
pub const SERVE: &str = "\
Examples:
  tallyd serve quiz.toml                            on 127.0.0.1:8080, for this machine alone
  tallyd serve quiz.toml --listen 0.0.0.0:8080      for all whom [serve] of the file allows";

/// Of `tallyd check`.
pub const CHECK: &str = "\
Examples:
  tallyd check quiz.toml
  tallyd check topologies/high-scores.toml topologies/page-views.toml";

/// Of `tallyd graph`.
pub const GRAPH: &str = "\
Examples:
  tallyd graph quiz.toml                            Mermaid, for Markdown pages
  tallyd graph quiz.toml --format dot | dot -Tsvg   a picture, by Graphviz";

/// Of `tallyd schema`.
pub const SCHEMA: &str = "\
Example:
  tallyd schema > tallyd.schema.json    then begin files with: #:schema ./tallyd.schema.json";

/// Of `tallyd demo`.
pub const DEMO: &str = "\
Examples:
  tallyd demo                            20 seconds
  tallyd demo --for 1m --rate 20000
  tallyd demo --keep --workers 2         until Ctrl-C";

/// Of `tallyd send`.
pub const SEND: &str = "\
Examples:
  tallyd send answers.csv --source answers
  tallyd send answers.csv --source answers --check                  only name the rows that do not fit
  tallyd send log.jsonl.gz --source answers --map user=login --as batch
  tallyd send - --source answers --format csv --delimiter ';'       from standard input";

/// Of `tallyd board`.
pub const BOARD: &str = "\
Examples:
  tallyd board points                                   the best 10
  tallyd board points --period week --at 7d             of last week
  tallyd board points --by class=10B --top 3
  tallyd board points --around ann                      ann, and those above and below
  tallyd board points --from-rank 101 --limit 50        the third page of 50
  tallyd board points --members ann,bob,eve             their ranks among themselves";

/// Of `tallyd stats`.
pub const STATS: &str = "\
Examples:
  tallyd stats concepts                                            this moment's window
  tallyd stats concepts --window 1h --from today
  tallyd stats concepts --window 1d --from -7d --by concept=algebra
  tallyd stats concepts --window 1m --from 2026-01-31T09:00 --to 2026-01-31T09:30
  tallyd stats concepts --window 1d --to yesterday --json";

/// Of `tallyd learner`.
pub const LEARNER: &str = "\
Examples:
  tallyd learner ann
  tallyd learner ann --json";

/// Of `tallyd status`.
pub const STATUS: &str = "\
Examples:
  tallyd status
  tallyd status quiz.toml --json
  watch tallyd status";

/// Of `tallyd top`.
pub const TOP: &str = "\
Examples:
  tallyd top
  tallyd top quiz.toml --every 250ms";

/// Of `tallyd doctor`.
pub const DOCTOR: &str = "\
Examples:
  tallyd doctor quiz.toml                          the file's Redis, and what is stored there
  tallyd doctor --redis redis://10.0.0.5:6379";

/// Of `tallyd wait`.
pub const WAIT: &str = "\
Examples:
  tallyd wait
  tallyd wait quiz.toml --timeout 30s    fail if there is still something to process then";

/// Of `tallyd dead`.
pub const DEAD: &str = "\
Examples:
  tallyd dead list --from today
  tallyd dead show 1795837088606-0
  tallyd dead replay --bolt answers --reason missing
  tallyd dead drop --to -30d";

/// Of `tallyd hide`.
pub const HIDE: &str = "\
Examples:
  tallyd hide ann                         on every board, in every period
  tallyd hide ann --dry-run               only say how many boards have her
  tallyd hide red --field team --by kim   where boards rank users and teams";

/// Of `tallyd unhide`.
pub const UNHIDE: &str = "\
Example:
  tallyd unhide ann    with all that was counted meanwhile";

/// Of `tallyd correct`.
pub const CORRECT: &str = "\
Examples:
  tallyd correct --where question=q17 --set points=4 --dry-run    only say what it would change
  tallyd correct --where question=q17 --set points=4
  tallyd correct --source answers --where question=q17 --where class=10B --set correct=1";

/// Of `tallyd forget`.
pub const FORGET: &str = "\
Examples:
  tallyd forget ann --dry-run    what it would take out, and what stays
  tallyd forget ann
  tallyd forget 10B --field class --id erasure-2026-17";

/// Of `tallyd move`.
pub const MOVE: &str = "\
Examples:
  tallyd move ann --from class=10A --to class=10B --dry-run         how many boards it would change
  tallyd move ann --from class=10A --to class=10B
  tallyd move ann --from class=10A --to class=10B --points leave    she begins at nothing there";

/// Of `tallyd rename`.
pub const RENAME: &str = "\
Examples:
  tallyd rename ann anna --dry-run    how many results it would change, and what stays
  tallyd rename ann anna              where both have results, they become one";

/// Of `tallyd edits`.
pub const EDITS: &str = "\
Examples:
  tallyd edits
  tallyd edits 9f0c2b7a1d3e4f56    one, bolt by bolt
  tallyd edits --limit 500 --json";

/// Of `tallyd close`.
pub const CLOSE: &str = "\
Examples:
  tallyd close points --period week                               this week is over now
  tallyd close points --period week --snapshot week.jsonl         and its boards as a file
  tallyd close points --period week --label 2026-W48 --dry-run    how many boards it is of";

/// Of `tallyd reset`.
pub const RESET: &str = "\
Examples:
  tallyd reset points                            all boards, in all periods
  tallyd reset points --by class=10B             the boards of a class
  tallyd reset points --period week --dry-run    this week: how many boards it would change";

/// Of `tallyd resume`.
pub const RESUME: &str = "\
Example:
  tallyd resume    after you fixed what tallyd status shows as HALTED";

/// Of `tallyd completions`.
pub const COMPLETIONS: &str = "\
Examples:
  source <(tallyd completions bash)                                   in ~/.bashrc
  tallyd completions zsh > ~/.zfunc/_tallyd                           with fpath+=~/.zfunc in ~/.zshrc
  tallyd completions fish > ~/.config/fish/completions/tallyd.fish";

/// Of `tallyd man`.
pub const MAN: &str = "\
Examples:
  tallyd man | man -l -
  tallyd man board | man -l -
  tallyd man --out /usr/local/share/man/man1    a page for each command";

#[cfg(test)]
mod tests {
    use crate::Cli;
    use clap::{Command, CommandFactory, Parser};

    /// The words of an example, without the explanation two spaces after it, what is piped after
    /// it, and quotes. Those before `tallyd` belong to the shell.
    fn words(example: &str) -> Vec<String> {
        let from = example.find("tallyd").unwrap();
        let typed = example.get(from..).unwrap();
        let typed = ["  ", " | ", " > ", ")"]
            .iter()
            .fold(typed, |typed, end| typed.split_once(end).map_or(typed, |(typed, _)| typed));
        typed.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
    }

    fn examples(command: &Command) -> Vec<String> {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let mut lines = help.lines().skip_while(|line| !line.starts_with("Example")).skip(1);
        let lines = lines.by_ref().take_while(|line| line.starts_with("  "));
        lines.map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn every_command_has_examples_and_each_can_be_typed() {
        let program = Cli::command();
        let commands = program.get_subcommands().chain([&program]);
        for command in commands {
            let name = command.get_name();
            let examples = examples(command);
            assert!(!examples.is_empty(), "{name} has no example");
            for example in examples {
                let words = words(&example);
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{example}\n{words:?}\n{error}");
                }
                let of_it = name == "tallyd" || words.get(1).is_some_and(|word| word == name);
                assert!(of_it, "{name}: {example}");
            }
        }
    }
}
