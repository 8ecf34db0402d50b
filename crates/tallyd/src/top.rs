//! `tallyd top`: a topology as it runs, on a terminal.
//!
//! What is shown is pure (`state`, `changes`, `screen`): it is drawn in tests too. Here are the
//! keyboard, the clock and Redis.

mod changes;
mod detail;
mod screen;
mod state;

use crate::{
    connect,
    load::{self, Named},
    run::stop_signal,
    wrong_use::WrongUse,
};
use anyhow::Context;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEvent, KeyEventKind},
};
use state::Top;
use std::{io::IsTerminal, path::PathBuf, process::ExitCode, time::Duration};
use tallyd_harness::duration;
use tallyd_query::{Client, QueryError};
use tallyd_store::{Connection, inspect, keys::Keys};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

/// How often the keyboard is looked at: a thread that reads it can't be ended otherwise.
const LOOK: Duration = Duration::from_millis(100);
/// How long a reading may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The arguments of `tallyd top`.
#[derive(clap::Args)]
pub struct Args {
    /// The topology file, if it is not named by --topology
    file: Option<PathBuf>,
    #[command(flatten)]
    topology: Named,
    /// The Redis to use instead of the file's
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// How often it looks, such as 1s or 250ms
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1s")]
    every: Duration,
}

/// Shows a topology until the user ends it.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.every < LOOK {
        return Err(WrongUse("--every is 100ms or longer".to_owned()).into());
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let message = "top draws on a terminal, and this is none (use: tallyd status --json)";
        return Err(WrongUse(message.to_owned()).into());
    }
    let topology = load::topology(&args.topology.find(args.file.as_deref())?)?;
    let client = Client::new(connect::address(&topology, args.redis), 1, PATIENCE);
    let keys = Keys::new(&topology.name, 0);
    let mut stop = stop_signal()?;
    let mut top = Top::new(topology);
    let mut screen = Screen::open()?;
    let mut pressed = keyboard();
    let mut ticks = interval(args.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        screen.terminal.draw(|frame| screen::draw(frame, &mut top))?;
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return Ok(ExitCode::SUCCESS),
            key = pressed.recv() => {
                let key = key.context("the terminal is closed")?;
                if top.press(key) {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            _ = ticks.tick() => {
                let ask = async |c: &mut Connection| {
                    inspect::status(c, &top.topology, &keys).await.map_err(QueryError::from)
                };
                let read = client.ask(ask).await;
                top.read(read.map_err(|error| error.to_string()));
            }
        }
    }
}

/// The terminal, which is given back however the command ends.
struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    fn open() -> anyhow::Result<Self> {
        Ok(Self { terminal: ratatui::try_init().context("can't draw on this terminal")? })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }
}

/// The keys that are pressed, and that the terminal has another size: that is a key too, of which
/// nothing comes but a new drawing. Ends when the terminal can't be read any more.
fn keyboard() -> mpsc::Receiver<Option<KeyEvent>> {
    let (send, keys) = mpsc::channel(16);
    tokio::task::spawn_blocking(move || {
        while !send.is_closed() {
            let read = event::poll(LOOK).and_then(|ready| ready.then(event::read).transpose());
            let key = match read {
                Ok(Some(Event::Key(key))) if key.kind == KeyEventKind::Press => Some(key),
                Ok(Some(Event::Resize(..))) => None,
                Ok(_) => continue,
                Err(_) => return,
            };
            if send.blocking_send(key).is_err() {
                return;
            }
        }
    });
    keys
}
