//! How many entries of a stream to read at once, where the next one may be as large as 4 MiB. Pure.

/// How many at first.
pub const FIRST: usize = 8;
/// The most.
const MOST: usize = 512;
/// How many bytes a page should have at most, and from how many on no more are read.
const BYTES: (usize, usize) = (1 << 20, 1 << 18);

/// How many to read next, after a page of so many that had so many bytes.
#[must_use]
pub fn next(count: usize, bytes: usize) -> usize {
    match bytes {
        _ if bytes > BYTES.0 => (count / 2).max(1),
        _ if bytes < BYTES.1 => (count * 2).min(MOST),
        _ => count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_entries_make_large_pages_and_large_ones_single() {
        let after = |bytes: usize| (0..20).fold(FIRST, |count, _| next(count, count * bytes));
        assert_eq!((after(100), after(4 << 20)), (MOST, 1));
        assert_eq!(next(100, BYTES.1), 100, "neither");
    }
}
