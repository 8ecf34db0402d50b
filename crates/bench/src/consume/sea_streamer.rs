//! The same work as the usual consumer's, with the entries from sea-streamer: a consumer group,
//! batches of 500, acknowledged by the library after the work is done (at least once).
//!
//! Its messages are entries of one field. It acknowledges in the background and not in the
//! transaction, so a transaction holds no XACK.

use super::{BATCH, CONSUMER, GROUP, say};
use crate::{
    BenchError,
    application::{Known, ask},
    wire::{Fields, STREAM},
};
use redis::{AsyncConnectionConfig, Pipeline, Value};
use sea_streamer_redis::{
    AutoCommit, AutoStreamReset, RedisConnectOptions, RedisConsumer, RedisConsumerOptions,
    RedisStreamer,
};
use sea_streamer_types::{
    Buffer, Consumer, ConsumerGroup, ConsumerId, ConsumerMode, ConsumerOptions, Message,
    SharedMessage, StreamErr, StreamKey, Streamer, StreamerUri,
};
use std::time::Duration;

/// How long it waits for a batch to fill: a message more is there at once, or there is none.
const FILL: Duration = Duration::from_millis(1);

pub fn run(url: &str) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Runtime::new().map_err(BenchError::io("start the runtime"))?;
    runtime.block_on(consume(url))
}

async fn consume(url: &str) -> Result<(), BenchError> {
    let consumer = open(url).await?;
    let client = redis::Client::open(url)?;
    // The library's own limit is half a second, which a batch may take on a busy machine.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    say("ready")?;
    let mut done = 0;
    loop {
        let messages = batch(&consumer).await?;
        let parsed: Result<Vec<Fields>, _> =
            messages.iter().map(|m| serde_json::from_slice(m.message().as_bytes())).collect();
        let answers = parsed?;
        // Of one field an entry, the place in the stream is the message's sequence.
        let owner = |place: usize| messages.get(place).map(|m| m.sequence().to_string());
        let replies: Vec<Value> = ask(&answers, owner).query_async(&mut connection).await?;
        let mut known = Known::read(&answers, &replies, owner);
        let mut writes = Pipeline::with_capacity(BATCH * 44);
        for (place, answer) in answers.iter().enumerate() {
            writes.cmd("MULTI");
            known.write(place, answer, &mut writes);
            writes.cmd("EXEC");
        }
        writes.query_async::<Vec<Value>>(&mut connection).await?;
        for message in &messages {
            consumer.ack(message)?;
        }
        done += answers.len();
        say(&format!("done {done}"))?;
    }
}

async fn open(url: &str) -> Result<RedisConsumer, BenchError> {
    let uri: StreamerUri = url.parse().map_err(StreamErr::StreamUrlErr)?;
    let streamer = RedisStreamer::connect(uri, RedisConnectOptions::default()).await?;
    let mut options = RedisConsumerOptions::new(ConsumerMode::LoadBalanced);
    options.set_consumer_group(ConsumerGroup::new(GROUP))?;
    options.set_consumer_id(ConsumerId::new(CONSUMER));
    options.set_auto_stream_reset(AutoStreamReset::Earliest);
    options.set_auto_commit(AutoCommit::Rolling);
    options.set_batch_size(BATCH);
    options.set_mkstream(true);
    let key = StreamKey::new(STREAM).map_err(StreamErr::StreamKeyErr)?;
    Ok(streamer.create_consumer(&[key], options).await?)
}

async fn batch(consumer: &RedisConsumer) -> Result<Vec<SharedMessage>, BenchError> {
    let mut messages = vec![consumer.next().await?];
    while messages.len() < BATCH {
        match tokio::time::timeout(FILL, consumer.next()).await {
            Ok(message) => messages.push(message?),
            Err(_) => break,
        }
    }
    Ok(messages)
}
