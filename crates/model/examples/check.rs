use stateright::{Checker, Model};
use tallyd_model::{bounds::*, protocol::*};
fn main() {
    let a: Vec<u8> = std::env::args().skip(2).map(|a| a.parse().unwrap()).collect();
    let (tasks, inputs) = match std::env::args().nth(1).unwrap().as_str() {
        "one" => (vec![vec![0], vec![0]], vec![0]),
        "two" => (vec![vec![0, 1], vec![0, 1]], vec![0, 1]),
        _ => (vec![vec![0], vec![0], vec![1]], vec![0, 0]),
    };
    let faults = Faults {
        cuts: a[2],
        crashes: a[3],
        take_overs: a[4],
        releases: a[5],
        destroys: a[6],
        rewinds: a[7],
        trims: a[8],
    };
    let bounds = Bounds { name: "", tasks, inputs, entries: a[0], count: a[1] as usize, faults };
    let start = std::time::Instant::now();
    let checker =
        Protocol { bounds, without: None, progress: a[9] > 0 }.checker().spawn_bfs().join();
    println!(
        "{} unique, {} total, depth {}, {:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        start.elapsed()
    );
    for (name, path) in checker.discoveries() {
        println!("{name}");
        for (s, a) in path.into_vec() {
            println!("{a:?}\n   {:?}\n    {:?}", s.redis, s.tasks);
        }
    }
}
