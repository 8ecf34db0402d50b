//! The public keys that tokens are signed with: of a file, or of an address where they rotate.

use crate::{
    problem::{Code, Problem},
    token::TokenError,
};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{Jwk, JwkSet},
};
use std::{io::Read as _, time::Duration};
use tokio::{
    sync::{Mutex, RwLock},
    time::Instant,
};

/// How long keys hold before they are fetched again.
const FRESH: Duration = Duration::from_secs(600);
/// How soon they may be fetched again for a token whose key is not among them.
const AGAIN: Duration = Duration::from_secs(3);
/// How long a fetch may take.
const FETCH: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
const LONGEST: u64 = 1 << 20;

/// Public keys.
pub(crate) struct Jwks {
    /// Where they are fetched; `None`: they are of a file, or there are none.
    address: Option<String>,
    /// `None`: none could be fetched yet.
    keys: RwLock<Option<Vec<Jwk>>>,
    /// When they were fetched last, whether it worked or not. One fetches at a time.
    fetched: Mutex<Option<Instant>>,
}

impl Jwks {
    /// The keys of a file, or of an `https://` address, which are fetched when they are needed.
    pub async fn new(from: Option<&str>) -> Result<Self, TokenError> {
        let is_address = |from: &&str| from.starts_with("https://") || from.starts_with("http://");
        let address = from.filter(is_address).map(ToOwned::to_owned);
        let keys = match from.filter(|from| !is_address(from)) {
            Some(file) => {
                let failed = |reason: String| TokenError::File {
                    what: "keys",
                    file: file.to_owned(),
                    reason,
                };
                let bytes = tokio::fs::read(file).await.map_err(|e| failed(e.to_string()))?;
                Some(parse(&bytes).map_err(failed)?)
            }
            None => None,
        };
        Ok(Self { address, keys: RwLock::new(keys), fetched: Mutex::new(None) })
    }

    /// The keys that a token of this key id and algorithm may be signed with.
    ///
    /// # Errors
    /// Where no keys could be fetched yet: the token may be good.
    pub async fn keys(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<DecodingKey>, Problem> {
        self.refresh(FRESH).await;
        let found = self.find(id, algorithm).await;
        if !found.is_empty() {
            return Ok(found);
        }
        // Keys rotate: the token may be signed with one that came since.
        self.refresh(AGAIN).await;
        let found = self.find(id, algorithm).await;
        if found.is_empty() && self.address.is_some() && self.keys.read().await.is_none() {
            let detail = "the keys that tokens are signed with can't be fetched now";
            return Err(Problem::new(Code::Unavailable, detail).after(AGAIN));
        }
        Ok(found)
    }

    async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let fits = |jwk: &&Jwk| {
            let named = id.is_none() || jwk.common.key_id.as_deref() == id;
            named && fits(jwk, algorithm)
        };
        let keys = self.keys.read().await;
        keys.iter()
            .flatten()
            .filter(fits)
            .filter_map(|jwk| DecodingKey::from_jwk(jwk).ok())
            .collect()
    }

    /// Fetches the keys, unless they are younger than this. While somebody fetches, others go on with
    /// the keys of before: an address that answers slowly holds up nobody who has a good key.
    async fn refresh(&self, age: Duration) {
        let Some(address) = &self.address else { return };
        let has_keys = self.keys.read().await.is_some();
        let fetching = match has_keys && age == FRESH {
            true => self.fetched.try_lock().ok(),
            false => Some(self.fetched.lock().await),
        };
        let Some(mut fetched) = fetching else { return };
        if fetched.is_some_and(|last| last.elapsed() < age) {
            return;
        }
        *fetched = Some(Instant::now());
        let url = address.clone();
        let answer = tokio::task::spawn_blocking(move || fetch(&url)).await;
        match answer.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(keys) => *self.keys.write().await = Some(keys),
            // The keys of before still hold.
            Err(reason) => tracing::error!(address, reason, "the keys of tokens can't be fetched"),
        }
    }
}

fn fits(jwk: &Jwk, algorithm: Algorithm) -> bool {
    use jsonwebtoken::jwk::{AlgorithmParameters as Kind, EllipticCurve};
    match (&jwk.algorithm, algorithm) {
        (Kind::RSA(_), Algorithm::RS256) => true,
        (Kind::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (Kind::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    }
}

fn fetch(address: &str) -> Result<Vec<Jwk>, String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(FETCH)).max_redirects(0).build().into();
    let mut answer = agent.get(address).call().map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let mut body = answer.body_mut().as_reader().take(LONGEST);
    body.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    parse(&bytes)
}

/// A key that is not of a kind that is known is left out: others may be good.
fn parse(bytes: &[u8]) -> Result<Vec<Jwk>, String> {
    let set: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if let Ok(JwkSet { keys }) = serde_json::from_value(set.clone()) {
        return Ok(keys);
    }
    let keys = set.get("keys").and_then(serde_json::Value::as_array);
    let keys = keys.ok_or("expected a JWKS: an object with \"keys\"")?;
    Ok(keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect())
}
