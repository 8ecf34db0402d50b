//! Streams of events without the HTTP library: once the head of such an answer stands, what is left
//! to do is to write chunks, and the buffers of a connection that reads requests and writes any
//! answer are several times as large as all else that a client of a stream needs.
//!
//! Requests are read, and all other answers are written, by the library. It is given a socket that
//! comes back when the library's connection is dropped ([`Lent`]).

use axum::{
    body::Bytes,
    http::{Method, Version, header, request},
    response::Response,
};
use futures::StreamExt as _;
use hyper::body::Buf as _;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use std::{
    future::pending,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    sync::Notify,
};

/// What a connection hands over: its socket, and the answer that is to be written to it.
#[derive(Default)]
pub(crate) struct Handover {
    held: Mutex<Held>,
    given: Notify,
}

#[derive(Default)]
struct Held {
    response: Option<Response>,
    socket: Option<TcpStream>,
}

impl Handover {
    /// Takes an answer from the library where it is a stream of events. Whoever awaits this is to be
    /// dropped then.
    pub(crate) async fn divert(&self, asked: &Asked, response: Response) -> Response {
        if !asked.can_stream || !is_stream(&response) {
            return response;
        }
        self.held().response = Some(response);
        self.given.notify_one();
        pending().await
    }

    /// Until an answer was given.
    pub(crate) async fn given(&self) {
        self.given.notified().await;
    }

    /// The answer and the socket, once the library's connection was dropped.
    pub(crate) fn take(&self) -> Option<(TcpStream, Response)> {
        let mut held = self.held();
        held.socket.take().zip(held.response.take())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of a request decides whether its answer may be a stream.
pub(crate) struct Asked {
    can_stream: bool,
}

impl Asked {
    /// Chunks are of HTTP/1.1, and HEAD has no body.
    pub(crate) fn of(request: &request::Parts) -> Self {
        Self { can_stream: request.method == Method::GET && request.version == Version::HTTP_11 }
    }
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind == "text/event-stream")
}

/// Writes an answer to its end, or until the client hangs up. The connection ends with it.
pub(crate) async fn carry(mut socket: TcpStream, response: Response) -> io::Result<()> {
    let (parts, body) = response.into_parts();
    let mut head = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    let line = |head: &mut Vec<u8>, name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    };
    for (name, value) in &parts.headers {
        line(&mut head, name.as_str(), value.as_bytes());
    }
    if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now()) {
        line(&mut head, "date", date.as_bytes());
    }
    line(&mut head, "transfer-encoding", b"chunked");
    line(&mut head, "connection", b"close");
    head.extend_from_slice(b"\r\n");
    socket.write_all(&head).await?;
    drop((head, parts));
    let mut chunks = body.into_data_stream();
    loop {
        let chunk = tokio::select! {
            chunk = chunks.next() => chunk,
            () = hung_up(&socket) => return Ok(()),
        };
        match chunk {
            Some(Ok(data)) => write(&mut socket, &data).await?,
            // A stream that breaks off must not look whole.
            Some(Err(error)) => return Err(io::Error::other(error)),
            None => break,
        }
    }
    socket.write_all(b"0\r\n\r\n").await?;
    socket.shutdown().await
}

async fn write(socket: &mut TcpStream, data: &Bytes) -> io::Result<()> {
    if data.is_empty() {
        // An empty chunk is the end.
        return Ok(());
    }
    let length = format!("{:x}\r\n", data.len());
    let mut chunk = length.as_bytes().chain(data.as_ref()).chain(&b"\r\n"[..]);
    socket.write_all_buf(&mut chunk).await
}

/// Until the client has hung up. To one that goes on to speak nobody listens: its connection ends
/// with the stream.
async fn hung_up(socket: &TcpStream) {
    if matches!(socket.peek(&mut [0]).await, Ok(1..)) {
        pending::<()>().await;
    }
}

/// A socket that is given back when this is dropped.
pub(crate) struct Lent {
    /// It is there as long as this is.
    socket: Option<TcpStream>,
    back: Arc<Handover>,
}

impl Lent {
    /// Lends a socket.
    pub(crate) fn new(socket: TcpStream, back: Arc<Handover>) -> Self {
        Self { socket: Some(socket), back }
    }

    fn socket(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.socket.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.back.held().socket = self.socket.take();
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.socket()?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket()?.poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{
        body::Body,
        http::{HeaderValue, Request},
        response::IntoResponse as _,
    };
    use futures::stream;
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    fn events(chunks: &'static [&'static str]) -> Response {
        let chunks =
            chunks.iter().map(|chunk| Ok::<_, io::Error>(Bytes::from_static(chunk.as_bytes())));
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))];
        (kind, Body::from_stream(stream::iter(chunks))).into_response()
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    fn asked(method: Method, version: Version) -> Asked {
        let request = Request::builder().method(method).version(version).body(()).unwrap();
        Asked::of(&request.into_parts().0)
    }

    #[tokio::test]
    async fn a_stream_is_written_in_chunks_to_its_end() {
        let (mut client, server) = pair().await;
        carry(server, events(&["retry: 1\n\n", "", "data: {}\n\n"])).await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"),
            "{head}"
        );
        assert!(head.contains("\r\ndate: ") && head.contains(" GMT\r\n"), "{head}");
        assert_eq!(body, "a\r\nretry: 1\n\n\r\na\r\ndata: {}\n\n\r\n0\r\n\r\n");
    }

    #[tokio::test]
    async fn who_hangs_up_ends_the_stream_and_who_speaks_does_not() {
        let never = || Body::from_stream(stream::pending::<io::Result<Bytes>>()).into_response();
        let (mut client, server) = pair().await;
        let carried = tokio::spawn(carry(server, never()));
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_ne!(client.read(&mut [0; 16]).await.unwrap(), 0);
        assert!(!carried.is_finished());
        let (client, server) = pair().await;
        let carried = tokio::spawn(carry(server, never()));
        drop(client);
        let _ = carried.await.unwrap();
    }

    #[tokio::test]
    async fn only_streams_are_diverted_and_the_socket_comes_back() {
        let handover = Arc::new(Handover::default());
        let (_client, server) = pair().await;
        let lent = Lent::new(server, Arc::clone(&handover));
        let get = asked(Method::GET, Version::HTTP_11);
        let plain = handover.divert(&get, "x".into_response()).await;
        assert_eq!(plain.status(), 200);
        for other in [asked(Method::HEAD, Version::HTTP_11), asked(Method::GET, Version::HTTP_10)] {
            handover.divert(&other, events(&[])).await;
        }
        assert!(handover.take().is_none());
        tokio::select! {
            _ = handover.divert(&get, events(&[])) => panic!("the library would write it"),
            () = handover.given() => {}
        }
        drop(lent);
        assert!(handover.take().is_some());
    }
}
