//! TLS on a real redis-server that wants a certificate of its clients: what fits works, and what
//! does not is refused with the fix.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod certificates;

use certificates::{Authority, Signed};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tallyd_harness::{Server, ServerOptions};
use tokio::{process::Command, time::timeout};

const TOPOLOGY: &str = include_str!("../topologies/testprep.toml");
const ANSWERS: &str = r#"{"id":"a1","user":"u7","question":"q9","concept":"algebra","correct":true,"ms":5300,"points":4,"at":"2026-01-01T00:00:00Z"}
"#;

/// A server with a TLS port and a plain one, and the authority that it trusts.
struct Guarded {
    authority: Authority,
    client: Signed,
    tls: u16,
    plain: u16,
    _server: Server,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts one. Another process may take a port that was just free: then it is tried again.
async fn guarded(folder: &Path, expired: bool) -> Guarded {
    fs::create_dir_all(folder).unwrap();
    let authority = Authority::new(folder, "authority");
    let signed = authority.sign("server", &["localhost"], expired);
    let client = authority.sign("client", &[], false);
    for _ in 0..5 {
        let (tls, plain) = (free_port(), free_port());
        let [cert, key, ca] =
            [&signed.cert, &signed.key, &authority.file].map(|file| file.display().to_string());
        let arguments = [
            ["--tls-port", &tls.to_string()],
            ["--port", &plain.to_string()],
            ["--tls-cert-file", &cert],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &ca],
            ["--tls-auth-clients", "yes"],
        ];
        let options = ServerOptions::with(arguments.as_flattened());
        if let Ok(server) = Server::start(folder, options).await {
            return Guarded { authority, client, tls, plain, _server: server };
        }
    }
    let log = fs::read_to_string(folder.join("redis.log")).unwrap();
    panic!("no server with TLS could be started: {log}");
}

/// The testprep topology with this `[redis]`.
fn topology(folder: &Path, redis: &str) -> PathBuf {
    let usual = "url = \"${TALLYD_REDIS:-redis://127.0.0.1:6379}\"";
    assert!(TOPOLOGY.contains(usual));
    let file = folder.join("topology.toml");
    fs::write(&file, TOPOLOGY.replace(usual, redis)).unwrap();
    file
}

async fn tallyd(arguments: &[&str], topology: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tallyd"));
    let output =
        command.args(arguments).env("TALLYD_TOPOLOGY", topology).kill_on_drop(true).output();
    timeout(Duration::from_secs(60), output).await.unwrap().unwrap()
}

async fn succeeds(arguments: &[&str], topology: &Path) -> String {
    let output = tallyd(arguments, topology).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_worker_counts_over_tls_with_a_client_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let guarded = guarded(folder.path(), false).await;
    let redis = format!(
        "url = \"rediss://localhost:{}\"\nca = {:?}\ncert = {:?}\nkey = {:?}",
        guarded.tls, guarded.authority.file, guarded.client.cert, guarded.client.key
    );
    let file = topology(folder.path(), &redis);
    let mut worker = Command::new(env!("CARGO_BIN_EXE_tallyd"))
        .arg("run")
        .arg(&file)
        .stderr(fs::File::create(folder.path().join("worker.log")).unwrap())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let answers = folder.path().join("answers.jsonl");
    fs::write(&answers, ANSWERS).unwrap();
    let sent = succeeds(&["send", "--source", "answers", answers.to_str().unwrap()], &file).await;
    assert!(sent.contains("sent 1 event "), "{sent}");
    succeeds(&["wait", "--timeout", "30"], &file).await;
    let board = succeeds(&["board", "points", "--period", "all", "--json"], &file).await;
    worker.kill().await.unwrap();
    assert!(board.contains("\"member\": \"u7\"") && board.contains("\"score\": 4"), "{board}");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let good = guarded(folder.path(), false).await;
    let old = guarded(&folder.path().join("old"), true).await;
    let other = Authority::new(folder.path(), "other");
    let strange = other.sign("strange", &[], false);
    let no_pem = folder.path().join("no.pem");
    fs::write(&no_pem, "no certificate").unwrap();
    let (tls, plain) = (good.tls, good.plain);
    let (ca, old_ca) = (&good.authority.file, &old.authority.file);
    let ca = format!("ca = {ca:?}");
    let with = |signed: &Signed| format!("cert = {:?}\nkey = {:?}", signed.cert, signed.key);
    let client = with(&good.client);
    let url = format!("url = \"rediss://localhost:{tls}\"");
    // What is sure ends a worker; what may be a server that just went away, it waits out.
    let (sure, unsure) = (true, false);
    let cases = [
        (sure, format!("{url}\n{client}"), "name its CA by [redis] ca"),
        (sure, format!("{url}\n{client}\nca = {:?}", other.file), "name its CA by [redis] ca"),
        (
            sure,
            format!("url = \"rediss://127.0.0.1:{tls}\"\n{ca}\n{client}"),
            "the server's certificate is for another host",
        ),
        (
            sure,
            format!(
                "url = \"rediss://localhost:{}\"\nca = {old_ca:?}\n{}",
                old.tls,
                with(&old.client)
            ),
            "the server's certificate has expired",
        ),
        (unsure, format!("{url}\n{ca}"), "name one by [redis] cert and key"),
        (unsure, format!("{url}\n{ca}\n{}", with(&strange)), "look at [redis] cert and key"),
        (
            unsure,
            format!("url = \"rediss://localhost:{plain}\"\n{ca}\n{client}"),
            "use its TLS port, or redis://",
        ),
        (
            unsure,
            format!("url = \"redis://localhost:{tls}\""),
            "if it speaks TLS, begin the URL with rediss://",
        ),
        (
            sure,
            format!("url = \"redis://localhost:{plain}\"\n{ca}"),
            "[redis] ca, cert and key are for TLS, but the URL is not",
        ),
        (sure, format!("{url}\nca = \"/no/such.pem\""), "can't read ca /no/such.pem"),
        (sure, format!("{url}\nca = {no_pem:?}"), "it must be PEM"),
        (
            sure,
            format!("{url}\n{ca}\ncert = {old_ca:?}\nkey = {old_ca:?}"),
            "has no \"PRIVATE KEY\" in it",
        ),
        (sure, format!("url = \"rediss://localhost:{tls}#insecure\"\n{ca}"), "insecure"),
    ];
    for (sure, redis, fix) in cases {
        let file = topology(folder.path(), &redis);
        let mut commands: Vec<&[&str]> =
            vec![&["status"], &["send", "--source", "answers", "--format", "jsonl", "/dev/null"]];
        let run = ["run", file.to_str().unwrap()];
        if sure {
            commands.push(&run);
        }
        for arguments in commands {
            let output = tallyd(arguments, &file).await;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}\n{redis}\n{said}");
            assert!(said.contains(fix), "{arguments:?}\n{redis}\n{said}");
        }
    }
}
