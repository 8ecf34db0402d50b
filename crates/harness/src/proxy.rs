//! A proxy between workers and redis-server that cuts connections where it hurts: before, inside
//! and after a commit, and after a number of bytes. It knows of the protocol only how MULTI and
//! EXEC look.

use crate::HarnessError;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{AbortHandle, JoinSet},
    time::sleep,
};

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";
/// The most bytes that pass at once.
const BUFFER: usize = 1 << 16;

/// What the proxy does to one connection, the next that gives it the chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Cut before an EXEC: the server has the commands and drops them.
    BeforeExec,
    /// Cut half way from a MULTI to its EXEC.
    InsideCommit,
    /// Let an EXEC through and cut when its reply comes: it happened, and nobody is told.
    AfterExec,
    /// Keep an EXEC back for so long, then deliver it, whether its sender still waits or not.
    ExecLate(Duration),
    /// Cut after so many bytes on their way to the server.
    SentBytes(usize),
    /// Cut after so many bytes of replies.
    ReceivedBytes(usize),
}

/// A running proxy. It ends, with all of its connections, when this is dropped.
pub struct Proxy {
    /// Where it listens.
    pub url: String,
    armed: Arc<Armed>,
    done: UnboundedReceiver<Cut>,
    listening: AbortHandle,
}

struct Armed {
    cuts: Mutex<Vec<Cut>>,
    done: UnboundedSender<Cut>,
}

/// What becomes of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    /// Pass so many of them, then cut.
    CutAt(usize),
    /// Pass them, and cut when the server answers.
    CutReply,
    /// Pass so many of them, and the rest after a while.
    Hold(usize, Duration),
}

impl Proxy {
    /// Starts a proxy in this folder, before the server's unix socket.
    ///
    /// # Errors
    /// Where it can't listen.
    pub fn start(folder: &Path, server: PathBuf) -> Result<Self, HarnessError> {
        let socket = folder.join("proxy.sock");
        let listener = UnixListener::bind(&socket).map_err(HarnessError::io("start a proxy"))?;
        let (sender, done) = unbounded_channel();
        let armed = Arc::new(Armed { cuts: Mutex::default(), done: sender });
        let listening = tokio::spawn(listen(listener, server, Arc::clone(&armed))).abort_handle();
        let url = format!("redis+unix://{}", socket.display());
        Ok(Self { url, armed, done, listening })
    }

    /// Does this to the next connection that gives it the chance.
    pub fn arm(&self, cut: Cut) {
        self.armed.open().push(cut);
    }

    /// A cut that was done since this was last asked.
    pub fn done(&mut self) -> Option<Cut> {
        self.done.try_recv().ok()
    }

    /// Forgets what it was to do and has not done.
    pub fn disarm(&self) {
        self.armed.open().clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: UnixListener, server: PathBuf, armed: Arc<Armed>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        // Where the server is away, the client sees its connection end at once.
        if let Ok(server) = UnixStream::connect(&server).await {
            connections.spawn(pass(client, server, Arc::clone(&armed)));
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Passes bytes both ways until either end closes, or a cut is due.
async fn pass(client: UnixStream, server: UnixStream, armed: Arc<Armed>) -> std::io::Result<()> {
    let (mut client, mut to_client) = client.into_split();
    let (mut server, mut to_server) = server.into_split();
    let (mut sent, mut received) = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut lose_reply = false;
    loop {
        tokio::select! {
            read = client.read(&mut sent) => {
                let bytes = sent.get(..read?).unwrap_or_default();
                if bytes.is_empty() {
                    return Ok(());
                }
                match armed.judge_sent(bytes) {
                    Verdict::Pass => to_server.write_all(bytes).await?,
                    Verdict::CutAt(place) => {
                        return to_server.write_all(bytes.get(..place).unwrap_or(bytes)).await;
                    }
                    Verdict::CutReply => {
                        to_server.write_all(bytes).await?;
                        lose_reply = true;
                    }
                    Verdict::Hold(place, time) => {
                        let (now, later) = bytes.split_at_checked(place).unwrap_or((bytes, &[]));
                        to_server.write_all(now).await?;
                        sleep(time).await;
                        to_server.write_all(later).await?;
                    }
                }
            }
            read = server.read(&mut received) => {
                let bytes = received.get(..read?).unwrap_or_default();
                if bytes.is_empty() || lose_reply {
                    return Ok(());
                }
                match armed.judge_received(bytes) {
                    Verdict::CutAt(place) => {
                        return to_client.write_all(bytes.get(..place).unwrap_or(bytes)).await;
                    }
                    _ => to_client.write_all(bytes).await?,
                }
            }
        }
    }
}

impl Armed {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<Cut>> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of bytes on their way to the server. A MULTI or EXEC that is torn between two
    /// reads is left alone: the next will do.
    fn judge_sent(&self, bytes: &[u8]) -> Verdict {
        let exec = find(bytes, EXEC);
        let multi = find(bytes, MULTI);
        self.first(|cut| match (cut, exec) {
            (Cut::BeforeExec, Some(exec)) => Verdict::CutAt(exec),
            (Cut::InsideCommit, Some(exec)) => match multi {
                Some(multi) if multi + MULTI.len() <= exec => {
                    Verdict::CutAt(multi + MULTI.len() + (exec - multi - MULTI.len()) / 2)
                }
                _ => Verdict::Pass,
            },
            (Cut::AfterExec, Some(_)) => Verdict::CutReply,
            (Cut::ExecLate(time), Some(exec)) => Verdict::Hold(exec, *time),
            (Cut::SentBytes(left), _) => count_down(left, bytes.len()),
            _ => Verdict::Pass,
        })
    }

    fn judge_received(&self, bytes: &[u8]) -> Verdict {
        self.first(|cut| match cut {
            Cut::ReceivedBytes(left) => count_down(left, bytes.len()),
            _ => Verdict::Pass,
        })
    }

    /// The verdict of the first cut that has one. It is then done.
    fn first(&self, mut judge: impl FnMut(&mut Cut) -> Verdict) -> Verdict {
        let mut cuts = self.open();
        for place in 0..cuts.len() {
            let verdict = cuts.get_mut(place).map_or(Verdict::Pass, &mut judge);
            if verdict != Verdict::Pass {
                // Where the proxy itself is gone, nobody is left to be told.
                self.done.send(cuts.remove(place)).ok();
                return verdict;
            }
        }
        Verdict::Pass
    }
}

fn count_down(left: &mut usize, bytes: usize) -> Verdict {
    if *left < bytes {
        return Verdict::CutAt(*left);
    }
    *left -= bytes;
    Verdict::Pass
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each EXEC with `!`, and writes down what it was sent.
    async fn scene(cut: Cut) -> (Vec<u8>, Vec<u8>, Option<Cut>) {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("server.sock");
        let server = UnixListener::bind(&place).unwrap();
        let mut proxy = Proxy::start(folder.path(), place).unwrap();
        proxy.arm(cut);
        let mut client = UnixStream::connect(folder.path().join("proxy.sock")).await.unwrap();
        let (mut at_server, _) = server.accept().await.unwrap();
        let answering = tokio::spawn(async move {
            let mut got = Vec::new();
            while let Ok(read) = at_server.read_buf(&mut got).await
                && read > 0
            {
                if find(&got, EXEC).is_some() && at_server.write_all(b"!").await.is_err() {
                    break;
                }
            }
            got
        });
        let request = [MULTI, b"12345678", EXEC].concat();
        client.write_all(&request).await.unwrap();
        let mut reply = Vec::new();
        if cut == Cut::SentBytes(1_000) {
            // Not reached: the answer comes, and the client closes.
            reply.push(client.read_u8().await.unwrap());
        } else {
            drop(client.read_to_end(&mut reply).await);
        }
        drop(client);
        (answering.await.unwrap(), reply, proxy.done())
    }

    #[tokio::test]
    async fn each_cut_is_where_it_says() {
        let all = [MULTI, b"12345678", EXEC].concat();
        let none: &[u8] = b"";
        let before_exec = MULTI.len() + 8;
        for (cut, sent, reply) in [
            (Cut::BeforeExec, &all[..before_exec], none),
            (Cut::InsideCommit, &all[..MULTI.len() + 4], none),
            (Cut::AfterExec, &all[..], none),
            (Cut::SentBytes(3), &all[..3], none),
            (Cut::ReceivedBytes(0), &all[..], none),
        ] {
            let seen = scene(cut).await;
            assert_eq!((seen.0.as_slice(), seen.1.as_slice(), seen.2), (sent, reply, Some(cut)));
        }
        let seen = scene(Cut::SentBytes(1_000)).await;
        assert_eq!((seen.0, seen.1, seen.2), (all, b"!".to_vec(), None));
    }

    #[tokio::test]
    async fn a_late_exec_arrives_though_its_sender_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("server.sock");
        let server = UnixListener::bind(&place).unwrap();
        let proxy = Proxy::start(folder.path(), place).unwrap();
        proxy.arm(Cut::ExecLate(Duration::from_millis(50)));
        let mut client = UnixStream::connect(folder.path().join("proxy.sock")).await.unwrap();
        let (mut at_server, _) = server.accept().await.unwrap();
        client.write_all(&[MULTI, EXEC].concat()).await.unwrap();
        let mut first = vec![0; MULTI.len()];
        at_server.read_exact(&mut first).await.unwrap();
        drop(client);
        let mut late = Vec::new();
        at_server.read_to_end(&mut late).await.unwrap();
        assert_eq!(late, EXEC);
    }
}
