//! How much processor time processes and threads took, and waited for, from `/proc`, in µs.

use crate::BenchError;
use std::{fs, path::Path};

/// The time that all living threads of a process took so far. Threads that ended are not in it:
/// no contender ends one that worked.
///
/// # Errors
/// Where there is no such process.
pub fn process(pid: u32) -> Result<f64, BenchError> {
    let folder = format!("/proc/{pid}/task");
    let mut sum = 0.0;
    let threads = fs::read_dir(&folder).map_err(BenchError::io(format!("read {folder}")))?;
    for thread in threads.flatten() {
        // A thread may end between the two reads.
        sum += at(&thread.path().join("schedstat"), 0).unwrap_or(0.0);
    }
    Ok(sum)
}

/// The time that the calling thread took so far.
///
/// # Errors
/// Where the system keeps no such figure.
pub fn thread() -> Result<f64, BenchError> {
    at(Path::new("/proc/thread-self/schedstat"), 0)
}

/// For how long the main thread of a process was put off a processor while it had work: of its
/// waiting the share of the switches that it did not ask for. The rest is waiting to be woken,
/// which is not part of any work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waiting {
    /// For how long it was ready to run and had no processor, in µs.
    pub ready: f64,
    /// Switches that it asked for, because it had nothing to do.
    pub voluntary: f64,
    /// Switches that it did not ask for.
    pub involuntary: f64,
}

impl Waiting {
    /// That of the main thread of a process so far.
    ///
    /// # Errors
    /// Where there is no such process.
    pub fn of(pid: u32) -> Result<Self, BenchError> {
        let path = format!("/proc/{pid}/task/{pid}/status");
        let text = fs::read_to_string(&path).map_err(BenchError::io(format!("read {path}")))?;
        let number = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name));
            value
                .and_then(|v| v.trim().parse().ok())
                .ok_or_else(|| BenchError::NoFigure(name.to_owned()))
        };
        Ok(Self {
            ready: at(Path::new(&format!("/proc/{pid}/task/{pid}/schedstat")), 1)?,
            voluntary: number("voluntary_ctxt_switches:")?,
            involuntary: number("nonvoluntary_ctxt_switches:")?,
        })
    }

    /// How long it was put off since an earlier moment, in µs.
    #[must_use]
    pub fn put_off_since(&self, before: &Self) -> f64 {
        let voluntary = self.voluntary - before.voluntary;
        let involuntary = self.involuntary - before.involuntary;
        (self.ready - before.ready) * involuntary / (voluntary + involuntary).max(1.0)
    }
}

/// A number of a `schedstat`: ns on a processor, and ns in wait for one.
fn at(path: &Path, place: usize) -> Result<f64, BenchError> {
    let text =
        fs::read_to_string(path).map_err(BenchError::io(format!("read {}", path.display())))?;
    let nanoseconds = text.split(' ').nth(place).and_then(|n| n.parse::<f64>().ok());
    nanoseconds.map(|n| n / 1000.0).ok_or_else(|| BenchError::NoFigure(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_switches_that_were_not_asked_for_put_off() {
        let then = Waiting { ready: 100.0, voluntary: 10.0, involuntary: 10.0 };
        let now = Waiting { ready: 500.0, voluntary: 40.0, involuntary: 20.0 };
        assert_eq!(now.put_off_since(&then), 100.0);
        assert_eq!(now.put_off_since(&now), 0.0);
        assert!(Waiting::of(std::process::id()).is_ok());
    }

    #[test]
    fn time_grows_with_work() {
        let before = (thread().unwrap(), process(std::process::id()).unwrap());
        let mut sum = 0u64;
        while thread().unwrap() < before.0 + 5_000.0 {
            sum = (0..10_000u64).fold(sum, |s, n| std::hint::black_box(s ^ n));
        }
        assert!(process(std::process::id()).unwrap() >= before.1 + 4_000.0, "{sum}");
    }
}
