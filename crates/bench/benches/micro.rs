//! What the parts of a worker cost by themselves: decoding, frames, each bolt, effects to commands.
//!
//! `cargo bench -p tallyd-bench` runs all of it, `cargo bench -p tallyd-bench -- points` a part.
//! Batches hold the same events as those of `make bench`.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use redis::Pipeline;
use std::{hint::black_box, sync::Arc};
use tallyd_bench::{
    wire::Fields,
    workload::{Workload, WorkloadOptions},
};
use tallyd_bolt::{Batch, Bolt, Reads, memory::Memory};
use tallyd_event::{
    EntryId, Event, Schema,
    decode::{self, TimeLimits},
    frame,
};
use tallyd_store::{commands::add_writes, keys::Keys};
use tallyd_topology::Topology;

const FILE: &str = include_str!("../../../topologies/testprep.toml");
/// 1 January 2026, 00:00 UTC.
const NOW: i64 = 1_767_225_600_000;
const LIMITS: TimeLimits = TimeLimits { max_ahead_ms: 600_000, max_behind_ms: None };
const BATCHES: [usize; 2] = [512, 4096];
const BOLTS: [&str; 5] = ["unique", "concepts", "points", "fatigue", "mastery"];
/// How many events a bolt has seen before it is measured.
const BEFORE: usize = 20_000;

struct World {
    topology: Topology,
    schema: Arc<Schema>,
    fields: Vec<Fields>,
    events: Vec<Event>,
}

fn entry(fields: &Fields) -> decode::Fields {
    let texts = fields.texts();
    texts.into_iter().map(|(name, value)| (name.into(), value.into_bytes())).collect()
}

fn origin(place: usize) -> EntryId {
    EntryId { ms: NOW as u64, seq: place as u64 }
}

fn world() -> Option<World> {
    let topology = tallyd_topology::parse("testprep.toml", FILE, &|_| None).ok()?;
    let schema = Arc::clone(&topology.node("answers")?.1.schema);
    let options = WorkloadOptions {
        seed: 1,
        events: BEFORE + 4096,
        learners: 200_000,
        concepts: 300,
        questions: 5_000,
        classes: 24,
        skew: 1.0,
    };
    let answers = Workload::new(&options).answers;
    let fields: Vec<Fields> = answers.iter().map(|a| Fields::of(a, NOW - 60_000)).collect();
    let decoded = fields.iter().enumerate();
    let events = decoded
        .flat_map(|(i, f)| decode::decode(&schema, LIMITS, origin(i), &entry(f)).events)
        .collect();
    Some(World { topology, schema, fields, events })
}

fn decoding(c: &mut Criterion) {
    let Some(world) = world() else { return };
    let mut group = c.benchmark_group("decode");
    let flat: Vec<decode::Fields> = world.fields.iter().take(512).map(entry).collect();
    group.throughput(Throughput::Elements(512));
    group.bench_function("flat", |b| {
        b.iter(|| {
            for (place, entry) in flat.iter().enumerate() {
                black_box(decode::decode(&world.schema, LIMITS, origin(place), entry));
            }
        });
    });
    let hundred: Vec<&Fields> = world.fields.iter().take(100).collect();
    let lines: Vec<String> = hundred.iter().filter_map(|f| serde_json::to_string(f).ok()).collect();
    let packed = rmp_serde::to_vec_named(&hundred).unwrap_or_default();
    group.throughput(Throughput::Elements(100));
    for (name, bytes) in [("msgpack", packed), ("json_lines", lines.join("\n").into_bytes())] {
        let entry = vec![(b"batch".to_vec(), bytes)];
        group.bench_function(BenchmarkId::new("batch", name), |b| {
            b.iter(|| decode::decode(&world.schema, LIMITS, origin(0), black_box(&entry)));
        });
    }
    group.finish();
}

fn frames(c: &mut Criterion) {
    let Some(world) = world() else { return };
    let events: Vec<&Event> = world.events.iter().take(512).collect();
    let Ok(bytes) = frame::encode(&world.schema, events.iter().copied()) else { return };
    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::Elements(512));
    group.bench_function("encode", |b| {
        b.iter(|| frame::encode(&world.schema, black_box(&events).iter().copied()));
    });
    group.bench_function("decode", |b| {
        b.iter(|| frame::decode(&world.schema, black_box(&bytes)));
    });
    group.finish();
}

/// A bolt of the topology, the state after many events, and the batch that comes next.
fn prepared(world: &World, name: &str) -> Option<(Arc<dyn Bolt>, Memory)> {
    let (_, node) = world.topology.node(name)?;
    let bolt = world.topology.bolt(node, [7; 16])?;
    let mut memory = Memory::default();
    for events in world.events.get(..BEFORE)?.chunks(1000) {
        memory.run(&*bolt, &Batch { schema: &world.schema, events, now: NOW });
    }
    Some((bolt, memory))
}

fn bolts(c: &mut Criterion) {
    let Some(world) = world() else { return };
    for name in BOLTS {
        let Some((bolt, memory)) = prepared(&world, name) else { continue };
        let mut group = c.benchmark_group(name);
        for size in BATCHES {
            let Some(events) = world.events.get(BEFORE..BEFORE + size) else { continue };
            let batch = Batch { schema: &world.schema, events, now: NOW };
            let state = memory.load(&Reads::of(&*bolt, &batch));
            let effects = bolt.process(&batch, &state);
            let keys = Keys::new("testprep", 0);
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::new("reads", size), |b| {
                b.iter(|| {
                    let mut reads = Reads::beside(&state, i64::MIN);
                    bolt.reads(black_box(&batch), &mut reads);
                    reads
                });
            });
            group.bench_function(BenchmarkId::new("process", size), |b| {
                b.iter(|| bolt.process(black_box(&batch), &state));
            });
            group.bench_function(BenchmarkId::new("commands", size), |b| {
                b.iter_batched(
                    Pipeline::new,
                    |mut pipeline| {
                        add_writes(&mut pipeline, &keys, name, black_box(&effects.writes));
                        pipeline.get_packed_pipeline()
                    },
                    BatchSize::LargeInput,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(micro, decoding, frames, bolts);
criterion_main!(micro);
