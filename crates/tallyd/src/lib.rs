//! The command line, and the wiring of the rest. Programs that have bolts of their own types call
//! [`main`] with the list of them.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "both panic where they can't write")]

#[macro_use]
mod output;

mod board;
mod check;
mod connect;
mod correct;
mod dead;
mod demo;
mod doctor;
mod edits;
mod examples;

mod forget;
mod gaps;
mod graph;
mod health;
mod learner;
mod load;
mod logging;
mod probe;
mod risks;
mod run;
mod season;
mod send;
mod serve;
mod shell;
mod stats;
mod status;
mod terminal;
mod top;
mod wait;
mod wrong_use;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tallyd_event::EditKind;
use tallyd_topology::Kinds;

/// Real-time statistics for your users, on Redis Streams: every event is counted exactly once.
#[derive(Parser)]
#[command(name = "tallyd", version, arg_required_else_help = true, after_help = examples::ALL)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a worker; start more to share the work
    #[command(after_help = examples::RUN)]
    Run(run::Args),
    /// Find every fault of a topology file, and run its tests
    #[command(after_help = examples::CHECK)]
    Check(check::Args),
    /// Print a topology as a Mermaid or DOT diagram
    #[command(after_help = examples::GRAPH)]
    Graph(graph::Args),
    /// Print the JSON Schema of topology files, for editors
    #[command(after_help = examples::SCHEMA)]
    Schema,
    /// Serve the results over HTTP, once and live, and take events
    #[command(after_help = examples::SERVE)]
    Serve(serve::Args),
    /// See it all work: a private Redis, simulated learners, a killed worker, and an audit
    #[command(after_help = examples::DEMO)]
    Demo(demo::Args),
    /// Send the events of a file (CSV or JSON) to a source
    #[command(after_help = examples::SEND)]
    Send(send::Args),
    /// Show a leaderboard
    #[command(after_help = examples::BOARD)]
    Board(board::Args),
    /// Show the figures of an aggregate
    #[command(after_help = examples::STATS)]
    Stats(stats::Args),
    /// Show a learner's fatigue, mastery and ranks
    #[command(after_help = examples::LEARNER)]
    Learner(learner::Args),
    /// Show each bolt's partitions, owners, lag, rates and dead letters
    #[command(after_help = examples::STATUS)]
    Status(status::Args),
    /// Watch a topology run: rates, lag, workers, and what happens
    #[command(after_help = examples::TOP)]
    Top(top::Args),
    /// Look at a Redis: what is wrong, why it matters, and how to fix it
    #[command(after_help = examples::DOCTOR)]
    Doctor(doctor::Args),
    /// Wait until nothing is left to process
    #[command(after_help = examples::WAIT)]
    Wait(wait::Args),
    /// List, show, replay or drop dead letters
    #[command(after_help = examples::DEAD)]
    Dead(dead::Args),
    /// Take a member off all leaderboards; its scores are kept
    #[command(after_help = examples::HIDE)]
    Hide(edits::Args),
    /// Put a hidden member back on the leaderboards
    #[command(after_help = examples::UNHIDE)]
    Unhide(edits::Args),
    /// Correct events that a source retains, and see whose score and rank change
    #[command(after_help = examples::CORRECT)]
    Correct(correct::Args),
    /// Take out all that is kept of a member, for good
    #[command(after_help = examples::FORGET)]
    Forget(forget::Args),
    /// Take a member from the boards of a group to those of another one
    #[command(after_help = examples::MOVE)]
    Move(edits::moves::Args),
    /// Give all that is kept of a member to another name
    #[command(after_help = examples::RENAME)]
    Rename(edits::rename::Args),
    /// Make a period of a leaderboard final now
    #[command(after_help = examples::CLOSE)]
    Close(season::Args),
    /// Start boards of a leaderboard over, from this moment
    #[command(after_help = examples::RESET)]
    Reset(season::ResetArgs),
    /// List edits: who asked for what, how far it is, and what it changed
    #[command(after_help = examples::EDITS)]
    Edits(edits::ListArgs),
    /// Let workers take halted partitions again, after you fixed the cause
    #[command(after_help = examples::RESUME)]
    Resume(status::ResumeArgs),
    /// Print the script that lets a shell complete what you type
    #[command(after_help = examples::COMPLETIONS)]
    Completions(shell::CompletionsArgs),
    /// Print a man page, or write all of them
    #[command(after_help = examples::MAN)]
    Man(shell::ManArgs),
}

/// Does what the command line says, with topologies whose bolts are of these types.
#[must_use]
pub fn main(kinds: Kinds) -> ExitCode {
    load::know(kinds);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => return asked_wrongly_or_for_help(&said),
    };
    let outcome = tokio::runtime::Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| {
        let outcome = runtime.block_on(dispatch(cli.command));
        // A thread that waits for a terminal or a file would be waited for.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(code) => code,
        // Whoever reads the output may stop early, as `head` does: that is no failure.
        Err(error) if output::reader_left(&error) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("error: {}", terminal::error(&error));
            if wrong_use::is_wrong_use(&error) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn asked_wrongly_or_for_help(said: &clap::Error) -> ExitCode {
    let code = u8::try_from(said.exit_code()).unwrap_or(2);
    match said.print() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            errln!("error: can't write this: {error}");
            ExitCode::from(code.max(1))
        }
        _ => ExitCode::from(code),
    }
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Check(args) => check::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Schema => graph::schema(),
        Command::Demo(args) => demo::run(args).await,
        Command::Send(args) => send::run(args).await,
        Command::Board(args) => board::run(args).await,
        Command::Stats(args) => stats::run(args).await,
        Command::Learner(args) => learner::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Top(args) => top::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Wait(args) => wait::run(args).await,
        Command::Dead(args) => dead::run(args).await,
        Command::Hide(args) => edits::run(EditKind::Hide, args).await,
        Command::Unhide(args) => edits::run(EditKind::Unhide, args).await,
        Command::Correct(args) => correct::run(args).await,
        Command::Forget(args) => forget::run(args).await,
        Command::Move(args) => edits::moves::run(args).await,
        Command::Rename(args) => edits::rename::run(args).await,
        Command::Close(args) => season::close(args).await,
        Command::Reset(args) => season::reset(args).await,
        Command::Edits(args) => edits::list(args).await,
        Command::Resume(args) => status::resume(args).await,
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    }
}
