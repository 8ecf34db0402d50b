//! How a user ends the demo: Ctrl-C, `q`, or a signal.
//!
//! On a terminal the demo draws a screen, in raw mode: Ctrl-C then is a key and no signal.

use anyhow::Context;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// How often the keyboard is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// SIGTERM, and SIGHUP: a terminal that was closed. Nothing is audited then.
pub struct Ended {
    terminate: Signal,
    hang_up: Signal,
}

impl Ended {
    /// Listens from now on.
    pub fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("can't wait for SIGTERM")?,
            hang_up: signal(SignalKind::hangup()).context("can't wait for SIGHUP")?,
        })
    }

    /// Waits for one of them. Returns the exit code that a shell gives a process that it ended.
    pub async fn wait(mut self) -> ExitCode {
        tokio::select! {
            _ = self.terminate.recv() => ExitCode::from(128 + 15),
            _ = self.hang_up.recv() => ExitCode::from(128 + 1),
        }
    }
}

/// How often a user asked to end: once to stop the load, twice to leave at once.
pub struct Interrupts {
    asked: watch::Receiver<u32>,
    reading: Arc<AtomicBool>,
}

impl Interrupts {
    /// Listens from now on: to SIGINT, and to the keyboard where there is a screen.
    pub fn listen(screen: bool) -> anyhow::Result<Self> {
        let (ask, asked) = watch::channel(0);
        let ask = Arc::new(ask);
        let reading = Arc::new(AtomicBool::new(screen));
        let mut interrupt = signal(SignalKind::interrupt()).context("can't wait for SIGINT")?;
        let by_signal = Arc::clone(&ask);
        tokio::spawn(async move {
            while interrupt.recv().await.is_some() {
                by_signal.send_modify(|times| *times += 1);
            }
        });
        if screen {
            let reading = Arc::clone(&reading);
            tokio::task::spawn_blocking(move || {
                while reading.load(Ordering::Relaxed) {
                    match event::poll(LOOK).and_then(|ready| ready.then(event::read).transpose()) {
                        Ok(Some(Event::Key(key))) if ends(key) => ask.send_modify(|n| *n += 1),
                        Ok(_) => {}
                        // Without a keyboard there are the signals.
                        Err(_) => return,
                    }
                }
            });
        }
        Ok(Self { asked, reading })
    }

    /// Waits until the user has asked so often.
    pub async fn asked(&self, times: u32) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|n| *n >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The screen is gone: Ctrl-C is a signal again.
    pub fn screen_closed(&self) {
        self.reading.store(false, Ordering::Relaxed);
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.screen_closed();
    }
}

fn ends(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press
        && match key.code {
            KeyCode::Char('c') => control,
            KeyCode::Char('q') | KeyCode::Esc => true,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_c_q_and_escape_end_it() {
        let key = |code, modifiers| ends(KeyEvent::new(code, modifiers));
        assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(key(KeyCode::Char('q'), KeyModifiers::NONE));
        assert!(key(KeyCode::Esc, KeyModifiers::NONE));
        assert!(!key(KeyCode::Char('c'), KeyModifiers::NONE));
        assert!(!key(KeyCode::Enter, KeyModifiers::NONE));
    }
}
