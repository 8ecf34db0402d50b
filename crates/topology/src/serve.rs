//! `[serve]`: who may see what over HTTP.

mod check;

pub(crate) use check::check;

use crate::nodes::named_sections;
use serde::Deserialize;
use smol_str::SmolStr;
use std::{collections::BTreeMap, path::PathBuf};
use tallyd_kind::{
    fault::{Fault, did_you_mean},
    key_spec::{Default, KeySpec, Kind},
    section::{Section, word},
    sheet::{Sheet, Word, plain_text},
};

/// What stands for everything of a kind.
pub const ANY: &str = "*";

/// Who may see what over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Serve {
    /// What one without a token may read: bolts, or groups of them.
    pub public: Vec<SmolStr>,
    /// The origins whose pages may ask.
    pub cors: Vec<SmolStr>,
    /// How many requests a second each caller may make.
    pub rate: u32,
    /// The keys of programs.
    pub keys: Vec<AccessKey>,
    /// What JSON Web Tokens are believed.
    pub jwt: Option<JwtOptions>,
}

/// A key of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessKey {
    /// What logs call it.
    pub name: SmolStr,
    /// The SHA-256 of the key: the file never holds the key itself.
    pub sha256: [u8; 32],
    /// What it allows.
    pub grant: Grant,
}

/// What JSON Web Tokens are believed.
#[derive(Clone, Debug, PartialEq)]
pub struct JwtOptions {
    /// Those that may sign: names of RFC 7518, and `EdDSA`.
    pub algorithms: Vec<SmolStr>,
    /// A file with a JWKS, or the address of one.
    pub keys: Option<String>,
    /// A file with the secret of HS256.
    pub secret_file: Option<PathBuf>,
    /// Who must have issued it.
    pub issuer: Option<String>,
    /// Whom it must be for.
    pub audience: Option<String>,
}

/// What somebody may see and do. The claim `tallyd` of a token has the same members.
#[derive(Clone, Debug, std::default::Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    /// The bolts whose figures it may read: `points`, a board of it (`points:class`,
    /// `points:everyone`), or `*`.
    pub read: Vec<SmolStr>,
    /// Fields with the one value that it may see, wherever results are by that field.
    pub by: BTreeMap<SmolStr, SmolStr>,
    /// The member that it is: it may be shown that learner, and no other one.
    pub member: Option<SmolStr>,
    /// Whether it may have all that is kept of its own member forgotten.
    pub erase: bool,
    /// Whether it may be shown every learner.
    pub learners: bool,
    /// The sources that it may send to, or `*`.
    pub ingest: Vec<SmolStr>,
    /// Whether it may see what operators see, and send edits.
    pub operator: bool,
}

impl Grant {
    /// Everything.
    #[must_use]
    pub fn everything() -> Self {
        let any = || vec![ANY.into()];
        Self { read: any(), ingest: any(), learners: true, operator: true, ..Self::default() }
    }
}

/// The keys of `[serve]`.
pub const SERVE_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "public",
        kind: Kind::Texts,
        default: Default::value("[]"),
        doc: "What may be read without a token: leaderboards and aggregates by name (`points`), \
              some groups of one (`points:class`, `points:everyone`), or `*`.",
    },
    KeySpec {
        name: "cors",
        kind: Kind::Texts,
        default: Default::value("[]"),
        doc: "The origins whose pages may ask, such as `https://app.example`, or `*`.",
    },
    KeySpec {
        name: "rate",
        kind: Kind::Int(1, 1_000_000),
        default: Default::value("100"),
        doc: "How many requests a second each caller may make. One without a token is told by \
              its address.",
    },
    KeySpec {
        name: "key",
        kind: Kind::Table,
        default: Default::Absent("none"),
        doc: "`[serve.key.NAME]`: a program, and what it may see and do.",
    },
    KeySpec {
        name: "jwt",
        kind: Kind::Table,
        default: Default::Absent("no token is believed"),
        doc: "`[serve.jwt]`: which JSON Web Tokens are believed. What one allows stands in its \
              claim `tallyd`, with the keys of `[serve.key.NAME]` but `sha256`.",
    },
];

/// The keys of `[serve.key.NAME]`.
pub const ACCESS_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "sha256",
        kind: Kind::Text,
        default: Default::Required,
        doc: "The SHA-256 of the key in 64 hex digits, as `sha256sum` writes it (of the key alone, \
              without a line end). The file never holds the key itself.",
    },
    KeySpec {
        name: "read",
        kind: Kind::Texts,
        default: Default::value("[]"),
        doc: "What it may read, as in `public`.",
    },
    KeySpec {
        name: "by",
        kind: Kind::Table,
        default: Default::Absent("any value"),
        doc: "Fields with the one value that it may see, such as `{ class = \"10B\" }`. It holds \
              for all results that are by such a field, and for no others.",
    },
    KeySpec {
        name: "member",
        kind: Kind::Text,
        default: Default::Absent("none"),
        doc: "The member that it is. It may be shown this learner, and on boards no other member \
              alone.",
    },
    KeySpec {
        name: "erase",
        kind: Kind::Bool,
        default: Default::value("false"),
        doc: "Whether it may have all that is kept of its own `member` forgotten.",
    },
    KeySpec {
        name: "learners",
        kind: Kind::Bool,
        default: Default::value("false"),
        doc: "Whether it may be shown every learner.",
    },
    KeySpec {
        name: "ingest",
        kind: Kind::Texts,
        default: Default::value("[]"),
        doc: "The sources that it may send events to, or `*`.",
    },
    KeySpec {
        name: "operator",
        kind: Kind::Bool,
        default: Default::value("false"),
        doc: "Whether it may see what operators see (status, topology, dead letters and edits), and \
              send edits.",
    },
];

/// The keys of `[serve.jwt]`.
pub const JWT_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "algorithms",
        kind: Kind::Texts,
        default: Default::value("[\"EdDSA\", \"ES256\", \"RS256\"]"),
        doc: "Those that may sign: `EdDSA`, `ES256`, `RS256`, `HS256`.",
    },
    KeySpec {
        name: "keys",
        kind: Kind::Text,
        default: Default::Absent("none"),
        doc: "The public keys: a file with a JWKS, or the `https://` address of one. What an \
              address says is kept for ten minutes, and fetched again for a key that is not known.",
    },
    KeySpec {
        name: "secret_file",
        kind: Kind::Text,
        default: Default::Absent("none"),
        doc: "A file with the secret of `HS256`, 32 bytes or more.",
    },
    KeySpec {
        name: "issuer",
        kind: Kind::Text,
        default: Default::Absent("any"),
        doc: "The `iss` that a token must have.",
    },
    KeySpec {
        name: "audience",
        kind: Kind::Text,
        default: Default::Absent("any"),
        doc: "The `aud` that a token must have.",
    },
];

const ALGORITHMS: [&str; 4] = ["EdDSA", "ES256", "HS256", "RS256"];

/// Reads `[serve]`; `None` where it is left out or faulty.
pub(crate) fn read<'a>(top: &Section<'a>) -> Option<Serve> {
    let item = top.written("serve")?;
    let sheet = top.sheet;
    let serve = Section::of(sheet, "[serve]".to_owned(), item.span(), item, SERVE_KEYS.to_vec())?;
    let public = texts(&serve, "public");
    let cors = texts(&serve, "cors");
    for origin in cors.iter().flatten() {
        check_origin(sheet, origin);
    }
    let rate = serve.int("rate").and_then(|rate| u32::try_from(rate).ok());
    let keys = named_sections(sheet, "serve.key", serve.written("key"));
    let keys: Vec<Option<AccessKey>> =
        keys.iter().map(|(name, item)| access_key(sheet, name, item)).collect();
    let jwt = match serve.written("jwt") {
        Some(item) => {
            let what = "[serve.jwt]".to_owned();
            let section = Section::of(sheet, what, item.span(), item, JWT_KEYS.to_vec())?;
            Some(jwt(&section)?)
        }
        None => None,
    };
    Some(Serve {
        public: words(public?),
        cors: words(cors?),
        rate: rate?,
        keys: keys.into_iter().collect::<Option<_>>()?,
        jwt,
    })
}

fn access_key<'a>(
    sheet: &'a Sheet<'a>,
    name: &Word,
    item: &'a tallyd_kind::sheet::Item<'a>,
) -> Option<AccessKey> {
    let what = format!("key \"{}\"", name.text);
    let section = Section::of(sheet, what, name.span.clone(), item, ACCESS_KEYS.to_vec())?;
    let sha256 = section.text("sha256").and_then(|word| {
        let digest = digest(&word.text);
        if digest.is_none() {
            let help = "write 64 hex digits: printf %s \"$KEY\" | sha256sum";
            sheet.fault(Fault::new("this is not a SHA-256", word.span).help(help));
        }
        digest
    });
    let by = section.entries("by").unwrap_or_default();
    let by: BTreeMap<SmolStr, SmolStr> = by
        .into_iter()
        .filter_map(|(field, item)| {
            let text = plain_text(item);
            if text.is_none() {
                let fault = Fault::new(format!("\"{}\" is not a value", field.text), item.span());
                sheet.fault(fault.help("write text, a number, or true or false"));
            }
            Some((field.text.into(), text?.into()))
        })
        .collect();
    let member = section.written("member").and_then(|_| section.text("member"));
    let grant = Grant {
        read: words(texts(&section, "read")?),
        by,
        member: member.map(|word| word.text.into()),
        erase: section.bool("erase")?,
        learners: section.bool("learners")?,
        ingest: words(texts(&section, "ingest")?),
        operator: section.bool("operator")?,
    };
    Some(AccessKey { name: name.text.as_str().into(), sha256: sha256?, grant })
}

fn jwt(section: &Section<'_>) -> Option<JwtOptions> {
    let sheet = section.sheet;
    let text = |key| section.written(key).and_then(|_| section.text(key));
    let algorithms = texts(section, "algorithms")?;
    for name in &algorithms {
        if !ALGORITHMS.contains(&name.text.as_str()) {
            let message = format!("\"{}\" is not an algorithm that is known here", name.text);
            let help = did_you_mean(&name.text, ALGORITHMS, "there are");
            sheet.fault(Fault::new(message, name.span.clone()).help(help));
        }
    }
    let has = |wanted: &str| algorithms.iter().any(|name| name.text == wanted);
    let needs: [(bool, &str, &str); 2] = [
        (has("HS256"), "secret_file", "HS256 needs \"secret_file\""),
        (algorithms.iter().any(|name| name.text != "HS256"), "keys", "public keys are needed"),
    ];
    for (needed, key, message) in needs {
        if needed && section.written(key).is_none() {
            let help = format!("add {key} = \"…\", or name other algorithms");
            sheet.fault(Fault::new(message, section.place.clone()).help(help));
        }
    }
    let keys = text("keys");
    if let Some(address) = keys.as_ref().filter(|word| word.text.starts_with("http://")) {
        let authority = address.text.trim_start_matches("http://").split('/').next();
        let authority = authority.unwrap_or_default();
        // The port, and not the end of an IPv6 address.
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        let is_local = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
        if !is_local {
            let message = "keys that come over http:// can be forged on the way";
            sheet.fault(Fault::new(message, address.span.clone()).help("use https://"));
        }
    }
    Some(JwtOptions {
        algorithms: words(algorithms),
        keys: keys.map(|word| word.text),
        secret_file: text("secret_file").map(|word| word.text.into()),
        issuer: text("issuer").map(|word| word.text),
        audience: text("audience").map(|word| word.text),
    })
}

/// A list of texts.
fn texts(section: &Section<'_>, key: &'static str) -> Option<Vec<Word>> {
    let mut all = Vec::new();
    let mut whole = true;
    for item in section.list(key)? {
        match word(&item) {
            Some(word) => all.push(word),
            None => {
                whole = false;
                let fault = tallyd_kind::section::wrong_kind(key, "a list of texts", &item);
                section.sheet.fault(fault);
            }
        }
    }
    whole.then_some(all)
}

fn words(words: Vec<Word>) -> Vec<SmolStr> {
    words.into_iter().map(|word| word.text.into()).collect()
}

fn check_origin(sheet: &Sheet<'_>, origin: &Word) {
    let rest = origin.text.split_once("://").map(|(_, rest)| rest);
    let is_origin = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('/'));
    // A page from a file has the origin `null`.
    if ![ANY, "null"].contains(&origin.text.as_str()) && !is_origin {
        let message = format!("\"{}\" is not an origin", origin.text);
        let help = "write it as browsers do, without a path: https://app.example";
        sheet.fault(Fault::new(message, origin.span.clone()).help(help));
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let hex = std::str::from_utf8(pair).ok().filter(|hex| !hex.starts_with('+'))?;
        *byte = u8::from_str_radix(hex, 16).ok()?;
    }
    Some(digest)
}
