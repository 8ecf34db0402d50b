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

/// For how long the main thread of a process was ready to run, and had no processor.
///
/// # Errors
/// Where there is no such process.
pub fn waited(pid: u32) -> Result<f64, BenchError> {
    at(Path::new(&format!("/proc/{pid}/task/{pid}/schedstat")), 1)
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
    fn time_grows_with_work() {
        let before = (thread().unwrap(), process(std::process::id()).unwrap());
        let mut sum = 0u64;
        while thread().unwrap() < before.0 + 5_000.0 {
            sum = (0..10_000u64).fold(sum, |s, n| std::hint::black_box(s ^ n));
        }
        assert!(process(std::process::id()).unwrap() >= before.1 + 4_000.0, "{sum}");
    }
}
