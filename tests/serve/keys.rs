//! Tokens that are signed with keys which an address tells, and which rotate.

use crate::{
    FILE,
    lab::Lab,
    server::{Serve, until},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey, rand_core::OsRng, traits::PublicKeyParts};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Serves a JWKS, and counts how often it is asked for.
struct Issuer {
    keys: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
    address: String,
}

impl Issuer {
    fn start(keys: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(keys));
        let asked = Arc::new(AtomicUsize::new(0));
        let (served, count) = (Arc::clone(&keys), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                count.fetch_add(1, Ordering::Relaxed);
                let body = served.lock().unwrap().to_string();
                let length = body.len();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
                let _ = write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{body}");
            }
        });
        Self { keys, asked, address }
    }
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<bool> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let digit = |six: &[bool]| {
        let padded = six.iter().copied().chain([false; 6]).take(6);
        let place = padded.fold(0, |sum, bit| sum * 2 + usize::from(bit));
        char::from(*DIGITS.get(place).unwrap())
    };
    bits.chunks(6).map(digit).collect()
}

fn jwk(id: &str, key: &KeyPair) -> Value {
    let public = key.public_key_raw();
    match public.split_first() {
        Some((4, point)) if public.len() == 65 => {
            let (x, y) = point.split_at(32);
            json!({"kty": "EC", "crv": "P-256", "kid": id, "x": base64url(x), "y": base64url(y)})
        }
        _ => json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": base64url(public)}),
    }
}

fn rsa_jwk(id: &str, key: &RsaPrivateKey) -> Value {
    let [n, e] = [key.n(), key.e()].map(|number| base64url(&number.to_bytes_be()));
    json!({"kty": "RSA", "kid": id, "n": n, "e": e})
}

fn token(algorithm: Algorithm, id: &str, key: &KeyPair) -> String {
    let der = key.serialize_der();
    let signing = match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_der(&der),
        _ => EncodingKey::from_ec_der(&der),
    };
    signed(algorithm, id, &signing)
}

fn signed(algorithm: Algorithm, id: &str, key: &EncodingKey) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"sub": "o", "exp": now + 600, "tallyd": {"operator": true}});
    let header = Header { kid: Some(id.to_owned()), ..Header::new(algorithm) };
    encode(&header, &claims, key).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_kept_and_fetched_again_for_a_new_one() {
    let lab = Lab::start(FILE).await;
    let first = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let second = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let stranger = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let unknown = json!({"kty": "of the future", "kid": "f"});
    let issuer = Issuer::start(json!({"keys": [unknown, jwk("1", &first)]}));
    let served = format!("{FILE}\n[serve.jwt]\nkeys = \"{}\"\n", issuer.address);
    let file = lab.file.with_file_name("served.toml");
    std::fs::write(&file, served).unwrap();
    let serve = Serve::start(&file, &lab.server.url);
    let status = |token: String| {
        let bearer = format!("Bearer {token}");
        serve.get("/v1/status", &[("authorization", &bearer)]).status
    };
    for _ in 0..3 {
        assert_eq!(status(token(Algorithm::EdDSA, "1", &first)), 200);
    }
    assert_eq!(issuer.asked.load(Ordering::Relaxed), 1);
    assert_eq!(status(token(Algorithm::EdDSA, "1", &stranger)), 401);
    // The issuer rotates: the first one that is signed with the new key may come too soon after
    // the last fetch, and is refused until it may be fetched again.
    *issuer.keys.lock().unwrap() = json!({"keys": [jwk("2", &second)]});
    until("the new key is known", || status(token(Algorithm::ES256, "2", &second)) == 200);
    assert_eq!(status(token(Algorithm::EdDSA, "1", &first)), 401, "the old one is gone");
    assert!(issuer.asked.load(Ordering::Relaxed) <= 4, "unknown keys don't flood the issuer");
}

#[tokio::test(flavor = "multi_thread")]
async fn as_long_as_no_keys_could_be_fetched_a_token_may_be_good() {
    let lab = Lab::start(FILE).await;
    // Nobody listens where this one did.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let served = format!("{FILE}\n[serve.jwt]\nkeys = \"http://{gone}/jwks.json\"\n");
    let file = lab.file.with_file_name("served.toml");
    std::fs::write(&file, served).unwrap();
    let serve = Serve::start(&file, &lab.server.url);
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let bearer = format!("Bearer {}", token(Algorithm::EdDSA, "1", &key));
    let answer = serve.get("/v1/status", &[("authorization", &bearer)]);
    assert_eq!((answer.status, &answer.json()["code"]), (503, &"unavailable".into()));
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_file_may_be_of_each_kind_and_holds_for_its_own_alone() {
    let lab = Lab::start(FILE).await;
    let keys = [0, 1].map(|_| RsaPrivateKey::new(&mut OsRng, 2048).unwrap());
    let ed = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let known = json!({"keys": [rsa_jwk("rsa", &keys[0]), jwk("ed", &ed)]});
    std::fs::write(lab.file.with_file_name("jwks.json"), known.to_string()).unwrap();
    let file = lab.file.with_file_name("served.toml");
    let jwks = lab.file.with_file_name("jwks.json");
    std::fs::write(&file, format!("{FILE}\n[serve.jwt]\nkeys = {jwks:?}\n")).unwrap();
    let serve = Serve::start(&file, &lab.server.url);
    let status = |token: String| {
        let bearer = format!("Bearer {token}");
        serve.get("/v1/status", &[("authorization", &bearer)]).status
    };
    let [good, stranger] = keys.each_ref().map(|key| {
        let der = key.to_pkcs1_der().unwrap();
        signed(Algorithm::RS256, "rsa", &EncodingKey::from_rsa_der(der.as_bytes()))
    });
    assert_eq!((status(good), status(stranger)), (200, 401));
    assert_eq!(status(token(Algorithm::EdDSA, "ed", &ed)), 200);
    assert_eq!(status(token(Algorithm::EdDSA, "rsa", &ed)), 401, "a key of another kind");
    // Nobody said that a shared secret may sign: a public key is none.
    let public = known["keys"][0]["n"].as_str().unwrap();
    let secret = EncodingKey::from_secret(public.as_bytes());
    assert_eq!(status(signed(Algorithm::HS256, "rsa", &secret)), 401);
}
