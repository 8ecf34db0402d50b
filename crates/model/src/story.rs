//! The way to a state, told in plain words: who does what, and what Redis holds after.

mod outbox;
mod protocol;

pub use outbox::of_outbox;
pub use protocol::of_protocol;

use crate::harm::Harm;
use std::fmt;

/// How long a line of text may be.
const WIDTH: usize = 92;

/// Steps, and how they end. What one worker does without anyone between, up to where Redis holds
/// something else, is one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// The steps.
    pub steps: Vec<StoryStep>,
    /// What is wrong at the end.
    pub end: String,
}

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryStep {
    /// Who.
    pub who: String,
    /// What, in order.
    pub does: Vec<String>,
    /// What Redis holds then, if that changed.
    pub then: Option<String>,
}

impl Story {
    fn tell(&mut self, who: String, does: String, then: Option<String>) {
        match self.steps.last_mut().filter(|last| last.who == who && last.then.is_none()) {
            Some(last) => {
                // The watch that ends a commit and the one that begins a cycle read alike.
                if last.does.last() != Some(&does) {
                    last.does.push(does);
                }
                last.then = then;
            }
            None => self.steps.push(StoryStep { who, does: vec![does], then }),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            let (last, others) = step.does.split_last().map_or(("", &[][..]), |(l, o)| (l, o));
            let before = if others.is_empty() { "" } else { ", then " };
            let text = format!("{} {}{before}{last}.", step.who, others.join(", "));
            let mut lead = format!("{number:2}. ");
            for line in wrapped(&text) {
                writeln!(f, "{lead}{line}")?;
                lead = "    ".to_owned();
            }
            for line in step.then.iter().flat_map(|then| then.lines()) {
                writeln!(f, "      {line}")?;
            }
        }
        write!(f, "    {}", self.end)
    }
}

/// The text in lines.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut().filter(|line| line.len() + word.len() < WIDTH) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn ending(harm: Harm) -> String {
    let (entry, what) = match harm {
        Harm::Twice { entry, .. } => (entry, "counts twice"),
        Harm::OutOfOrder { entry, .. } => (entry, "counts after a later one"),
        Harm::Lost { entry, .. } => {
            (entry, "is lost: nobody will look at it again, and not all of its effects are in")
        }
    };
    format!("Entry {entry} {what}.")
}

fn list(entries: &[u8]) -> String {
    let texts: Vec<String> = entries.iter().map(u8::to_string).collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(",") }
}
