//! What the demo shows while it runs: a live screen on a terminal, plain lines elsewhere.

use super::{
    Args,
    screen::{self, History},
    snapshot::Snapshot,
};
use crate::output::Unwritten;
use ratatui::DefaultTerminal;
use std::{io::IsTerminal, time::Duration};

/// The view.
pub struct View {
    terminal: Option<DefaultTerminal>,
    header: String,
    said: Vec<String>,
    last: (Duration, u64),
    history: History,
}

impl View {
    /// Opens it: a screen if standard output is a terminal.
    pub fn new(args: &Args) -> anyhow::Result<Self> {
        let header = format!(
            "tallyd demo · testprep.toml · {} workers · a private Redis · {} events/s",
            args.workers, args.rate
        );
        let terminal =
            if std::io::stdout().is_terminal() { Some(ratatui::try_init()?) } else { None };
        if terminal.is_none() {
            outln!("{header}")?;
        }
        let (said, last, history) = (Vec::new(), (Duration::ZERO, 0), History::default());
        Ok(Self { terminal, header, said, last, history })
    }

    /// Whether it is a screen.
    pub fn has_screen(&self) -> bool {
        self.terminal.is_some()
    }

    /// How many rows each list can show.
    pub fn rows(&self) -> usize {
        let size = self.terminal.as_ref().and_then(|terminal| terminal.size().ok());
        size.map_or(1, |size| usize::from(size.height))
    }

    /// Says something that should stay.
    pub fn say(&mut self, text: String) -> Result<(), Unwritten> {
        if self.terminal.is_none() {
            outln!("{text}")?;
        }
        self.said.push(text);
        Ok(())
    }

    /// Shows the present state.
    pub fn draw(&mut self, mut now: Snapshot) -> anyhow::Result<()> {
        let since = now.elapsed.saturating_sub(self.last.0).as_secs_f64();
        if since > 0.0 {
            now.rate = now.counted.saturating_sub(self.last.1) as f64 / since;
        }
        match &mut self.terminal {
            Some(terminal) => {
                self.last = (now.elapsed, now.counted);
                self.history.add(&now);
                let Self { header, said, history, .. } = self;
                terminal.draw(|frame| screen::draw(frame, header, said, &now, history))?;
            }
            None if now.elapsed.as_secs() > self.last.0.as_secs() || self.last.0.is_zero() => {
                self.last = (now.elapsed, now.counted);
                outln!("{}", screen::line(&now))?;
            }
            None => {}
        }
        Ok(())
    }

    /// Gives the terminal back, and repeats what should stay.
    pub fn close(&mut self) -> Result<(), Unwritten> {
        if let Some(mut terminal) = self.terminal.take() {
            // A terminal that is closed can't be restored, and what ratatui would print about it
            // at the drop would end the program where standard error is that terminal.
            let _ = terminal.show_cursor();
            let _ = ratatui::try_restore();
            std::mem::forget(terminal);
            outln!("{}", self.header)?;
            for said in &self.said {
                outln!("{said}")?;
            }
        }
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // A command that failed says why; what could not be said here is not worth more.
        let _ = self.close();
    }
}
