//! nginx with nchan, which fans out the messages that tallyd's clients got before.

use super::{
    crowd::{Crowd, CrowdOptions, Tap},
    parse::{self, Body},
    programs,
};
use crate::{BenchError, figures::Figures};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How long the clients are left alone before their memory is looked at.
const SETTLE: Duration = Duration::from_secs(1);

/// Publishes the messages when they came before, to as many clients; `None` where there is no
/// nchan.
///
/// # Errors
/// Where it fails, or messages do not arrive.
pub async fn measure(
    (views, clients): (usize, usize),
    began: Instant,
    taps: Vec<Tap>,
) -> Result<Option<Figures>, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let Some(nginx) = programs::nchan(clients, folder.path()).await? else { return Ok(None) };
    let empty = nginx.memory()?;
    let paths = (0..views).map(|view| format!("/sub/v{view}")).collect();
    let (address, members) = (nginx.address, Vec::new());
    let mut crowd = Crowd::start(CrowdOptions { address, views: paths, members, clients }).await?;
    sleep(SETTLE).await;
    let mut of_view = vec![0u64; views];
    for tap in &taps {
        if let Some(count) = of_view.get_mut(tap.view) {
            *count += 1;
        }
    }
    let listeners = |view: usize| ((clients + views - 1 - view) / views.max(1)) as u64;
    let expected: u64 =
        of_view.iter().enumerate().map(|(view, count)| count * listeners(view)).sum();
    drop(crowd.take());
    let (cpu, started) = (nginx.cpu()?, Instant::now());
    let sending = tokio::task::spawn_blocking(move || publish(address, began, &taps));
    sending.await.map_err(|_| BenchError::Thread("publisher"))??;
    crowd.until(expected).await;
    let took = started.elapsed().as_secs_f64();
    let (cpu, memory) = (nginx.cpu()? - cpu, nginx.memory()? - empty);
    let got = crowd.take().messages as f64;
    let mut figures = Figures::default();
    figures.set("messages_per_second", got / took);
    figures.set("messages_missing", expected as f64 - got);
    figures.set("server_cpu_us_per_message", cpu / got);
    figures.set("messages_per_cpu_second", got / (cpu / 1e6));
    figures.set("bytes_per_client", memory / clients as f64);
    figures.set("clients", clients as f64);
    figures.set("clients_lost", crowd.lost() as f64);
    crowd.end()?;
    nginx.stop().await?;
    Ok(Some(figures))
}

/// Sends each message as long after now as it came after `began`, one after the other.
fn publish(address: SocketAddr, began: Instant, taps: &[Tap]) -> Result<(), BenchError> {
    let socket = TcpStream::connect(address);
    let mut socket = socket.map_err(BenchError::io("connect the publisher"))?;
    socket.set_nodelay(true).map_err(BenchError::io("set up a connection"))?;
    let now = Instant::now();
    for tap in taps {
        let due = now + tap.at.saturating_duration_since(began);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let (view, length) = (tap.view, tap.data.len());
        let head = format!(
            "POST /pub/v{view} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        let request = [head.as_bytes(), &tap.data].concat();
        socket.write_all(&request).map_err(BenchError::io("publish a message"))?;
        answered(&mut socket)?;
    }
    Ok(())
}

/// Waits for one answer, and holds it to be a success.
fn answered(socket: &mut TcpStream) -> Result<(), BenchError> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = socket.read(&mut buffer).map_err(BenchError::io("hear of a publisher"))?;
        bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
        match parse::head(&bytes)? {
            Some(head) if head.status / 100 != 2 => {
                return Err(BenchError::Refused(format!("status {}", head.status)));
            }
            Some(head) => {
                let Body::Length(body) = head.body else {
                    return Err(BenchError::Refused("a body in chunks".to_owned()));
                };
                if bytes.len() >= head.length + body {
                    return Ok(());
                }
            }
            None => {}
        }
        if count == 0 {
            return Err(BenchError::Refused("the connection was closed".to_owned()));
        }
    }
}
