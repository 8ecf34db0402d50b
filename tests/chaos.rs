//! Real processes, a real Redis and real faults for a minute: everything is counted, once.
//! `make chaos` does the same for as long as one likes.

use std::{path::PathBuf, time::Duration};
use tallyd_chaos::{Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_counted_once_through_random_faults() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        length: Duration::from_secs(60),
        faults: 60,
        seed: 7,
        rate: 300,
        workers: (2, 3, 5),
        producers: 2,
        program: PathBuf::from(env!("CARGO_BIN_EXE_tallyd")),
        redis: None,
        folder: folder.path().to_owned(),
    };
    let outcome = run(options).await.unwrap();
    println!("{outcome}");
    // How many come depends on the machine; that there are some, and of many kinds, does not.
    assert!(outcome.total >= 20 && outcome.faults.len() >= 10, "{outcome}");
    assert!(outcome.figures > 1_000, "{outcome}");
    assert!(outcome.fine(), "{outcome}");
}
