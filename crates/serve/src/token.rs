//! From the headers of a request to who asks: a key, a JSON Web Token, or nobody.

use crate::{
    access::Caller,
    jwks::Jwks,
    problem::{Code, Problem},
};
use axum::http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tallyd_topology::{AccessKey, Grant, JwtOptions};
use tokio::time::Instant;

/// The cookie that browsers send where they can't set a header.
const COOKIE: &str = "tallyd_token";
/// The longest token, in bytes.
const LONGEST: usize = 8192;
/// The longest time that is waited for the end of a token, in seconds: a year.
const LONGEST_S: f64 = 365.0 * 86_400.0;
/// How far clocks may differ, in seconds.
const LEEWAY_S: u64 = 60;

/// Those who may ask, and what each may.
pub struct Tokens {
    keys: HashMap<[u8; 32], (SmolStr, Grant)>,
    jwt: Option<Jwt>,
    /// What one without a token may.
    public: Grant,
}

struct Jwt {
    validation: Validation,
    algorithms: Vec<Algorithm>,
    from: Arc<Jwks>,
    secret: Option<DecodingKey>,
}

/// The claims that are read of a token.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: Option<SmolStr>,
    /// In seconds since the epoch.
    exp: f64,
    #[serde(default)]
    tallyd: Grant,
}

/// Why tokens can't be read: the settings are wrong.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A file of keys can't be read.
    #[error("[serve.jwt] {what} {file}: {reason}")]
    File {
        /// Which key of the topology file names it.
        what: &'static str,
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
}

impl Tokens {
    /// Those of a topology's `[serve]`.
    ///
    /// # Errors
    /// Where a file that it names can't be read.
    pub async fn new(
        keys: &[AccessKey],
        jwt: Option<&JwtOptions>,
        public: Grant,
    ) -> Result<Self, TokenError> {
        let keys = keys.iter().map(|key| (key.sha256, (key.name.clone(), key.grant.clone())));
        let jwt = match jwt {
            Some(options) => Some(Jwt::new(options).await?),
            None => None,
        };
        Ok(Self { keys: keys.collect(), jwt, public })
    }

    /// Who asks. A cookie counts only where `cookies` says so: for requests that change nothing.
    ///
    /// # Errors
    /// Where there is a token that can't be believed. Why is said only as far as it tells a forger
    /// nothing.
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        from: IpAddr,
        cookies: bool,
    ) -> Result<Caller, Problem> {
        let token = bearer(headers)?.or_else(|| cookies.then(|| cookie(headers)).flatten());
        match token {
            Some(token) => self.of_token(token).await,
            None => Ok(self.nobody(smol_str::format_smolstr!("@{from}"))),
        }
    }

    /// What everybody may, with a token or without.
    pub fn public(&self) -> &Grant {
        &self.public
    }

    /// One without a token, called so.
    pub fn nobody(&self, subject: SmolStr) -> Caller {
        Caller { subject, grant: self.public.clone(), until: None }
    }

    /// Who a token is of.
    ///
    /// # Errors
    /// As [`Tokens::caller`].
    pub async fn of_token(&self, token: &str) -> Result<Caller, Problem> {
        if token.len() > LONGEST {
            return Err(refused("it is too long"));
        }
        // Only digests are compared, so how long it takes tells nothing about a key.
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some((name, grant)) = self.keys.get(&digest) {
            let subject = smol_str::format_smolstr!("key:{name}");
            return Ok(Caller { subject, grant: grant.clone(), until: None });
        }
        match &self.jwt {
            Some(jwt) if token.split('.').count() == 3 => jwt.caller(token).await,
            _ => Err(refused("it is not known")),
        }
    }
}

impl Jwt {
    async fn new(options: &JwtOptions) -> Result<Self, TokenError> {
        let algorithms: Vec<Algorithm> =
            options.algorithms.iter().filter_map(|name| name.parse().ok()).collect();
        let mut validation = Validation::default();
        validation.algorithms.clone_from(&algorithms);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        let mut required = vec!["exp"];
        match &options.audience {
            Some(audience) => {
                // Without this a token that has none would pass.
                required.push("aud");
                validation.set_audience(&[audience]);
            }
            None => validation.validate_aud = false,
        }
        if let Some(issuer) = &options.issuer {
            required.push("iss");
            validation.set_issuer(&[issuer]);
        }
        validation.set_required_spec_claims(&required);
        let secret = match &options.secret_file {
            Some(file) => {
                let what = "secret_file";
                let failed = |reason: String| TokenError::File {
                    what,
                    file: file.display().to_string(),
                    reason,
                };
                let bytes = tokio::fs::read(file).await.map_err(|e| failed(e.to_string()))?;
                let bytes = bytes.trim_ascii_end();
                if bytes.len() < 32 {
                    return Err(failed("an HS256 secret must have 32 bytes or more".to_owned()));
                }
                Some(DecodingKey::from_secret(bytes))
            }
            None => None,
        };
        let from = Jwks::new(options.keys.as_deref()).await?;
        Ok(Self { validation, algorithms, from: Arc::new(from), secret })
    }

    async fn caller(&self, token: &str) -> Result<Caller, Problem> {
        let header = decode_header(token).map_err(|_| refused("it can't be read"))?;
        if !self.algorithms.contains(&header.alg) {
            return Err(refused("its algorithm is not one that [serve.jwt] allows"));
        }
        let keys = match (header.alg, &self.secret) {
            // A public key must never be taken for a secret, so HS256 has a key of its own.
            (Algorithm::HS256, Some(secret)) => vec![secret.clone()],
            (Algorithm::HS256, None) => Vec::new(),
            (algorithm, _) => self.from.keys(header.kid.as_deref(), algorithm).await?,
        };
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let mut why = "no key is known that signed it";
        for key in keys {
            match decode::<Claims>(token, &key, &validation) {
                Ok(token) => {
                    let Claims { sub, exp, tallyd: grant } = token.claims;
                    let sub = sub.ok_or_else(|| refused("it has no sub"))?;
                    let subject = smol_str::format_smolstr!("sub:{sub}");
                    return Ok(Caller { subject, grant, until: Some(until(exp)) });
                }
                Err(error) => why = reason(error.kind()),
            }
        }
        Err(refused(why))
    }
}

/// When a token ends, on this process's clock.
fn until(exp: f64) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    // As much later as clocks may differ; what ends in more than a year is as good as endless.
    let left = (exp + LEEWAY_S as f64 - now).clamp(0.0, LONGEST_S);
    Instant::now() + Duration::from_secs_f64(left)
}

fn reason(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind as Kind;
    match kind {
        Kind::ExpiredSignature => "it has expired",
        Kind::ImmatureSignature => "it is not valid yet",
        Kind::InvalidIssuer => "its issuer is not the one of [serve.jwt]",
        Kind::InvalidAudience => "its audience is not the one of [serve.jwt]",
        Kind::MissingRequiredClaim(_) => "it lacks exp, or the aud or iss of [serve.jwt]",
        Kind::Json(_) => "its claims can't be read",
        _ => "its signature does not hold",
    }
}

fn refused(why: &str) -> Problem {
    Problem::new(Code::Unauthorized, format!("the token can't be used: {why}"))
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| refused("it can't be read"))?;
    let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, token) = token.ok_or_else(|| refused("write Authorization: Bearer TOKEN"))?;
    Ok(Some(token.trim()))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter();
    let all = all.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    let mut named = all.filter_map(|pair| pair.trim().split_once('='));
    named.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
