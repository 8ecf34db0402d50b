//! Every consumer of the benchmark computes what a plain count gives, on a server of its own; and
//! the comparison notices where one does not. tallyd itself is compared by each `make bench`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use tallyd_bench::{
    BenchError,
    contender::Contender,
    outcome,
    processes::Deployed,
    run::{Setting, run_on},
    server::Private,
    workload::{Workload, WorkloadOptions},
};
use tallyd_topology::parse;

const FILE: &str = include_str!("../../../topologies/testprep.toml");
const EVENTS: usize = 3_000;

/// Runs a contender, and gives the server that it left behind.
async fn run(contender: Contender, workload: &Workload) -> Result<Private, BenchError> {
    let topology = parse("testprep.toml", FILE, &|_| None).unwrap();
    let options = options();
    let deployed =
        Deployed { program: Path::new(""), topology: &topology, file: Path::new(""), workers: 0 };
    let setting = Setting {
        consumer: Path::new(env!("CARGO_BIN_EXE_tallyd-bench")),
        deployed,
        options: &options,
        workload,
        aof: false,
        checked: true,
    };
    let mut server = Private::start(false).await?;
    let measured = run_on(&mut server, contender, &setting).await?;
    assert!(measured.figures.get("redis_cpu_us").unwrap() > 0.0);
    assert!(measured.figures.get("client_cpu_us").unwrap() > 0.0);
    Ok(server)
}

fn options() -> WorkloadOptions {
    WorkloadOptions {
        seed: 1,
        events: EVENTS,
        learners: 500,
        concepts: 20,
        questions: 100,
        classes: 4,
        skew: 1.0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_consumer_computes_what_a_plain_count_gives() {
    let workload = Workload::new(&options());
    for contender in [Contender::Floor, Contender::Direct, Contender::Loop, Contender::SeaStreamer]
    {
        run(contender, &workload).await.unwrap_or_else(|e| panic!("{}: {e}", contender.name()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_differs_is_named() {
    let workload = Workload::new(&options());
    let mut server = run(Contender::Loop, &workload).await.unwrap();
    let mut expected = workload.expected();
    outcome::check(Contender::Loop, &mut server, &expected).await.unwrap();
    expected.points += 1;
    let error = outcome::check(Contender::Loop, &mut server, &expected).await.unwrap_err();
    let (given, wanted) = (expected.points - 1, expected.points);
    assert_eq!(
        error.to_string(),
        format!("loop: the sum of points is {given} (expected {wanted})")
    );
}
