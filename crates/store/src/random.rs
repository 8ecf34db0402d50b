//! Random numbers of the system, as nobody can foresee them.

use std::sync::Arc;
use tallyd_runtime::{StoreError, store::ErrorKind};

/// Where the random parts of fences come from.
pub type Random = Arc<dyn Fn() -> Result<u64, StoreError> + Send + Sync>;

/// A random number.
pub(crate) fn number() -> Result<u64, StoreError> {
    bytes().map(u64::from_be_bytes)
}

/// Random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    let random = rustls::crypto::ring::default_provider().secure_random;
    let failed = |_| StoreError::new(ErrorKind::Other, "the system gives no random numbers");
    random.fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
