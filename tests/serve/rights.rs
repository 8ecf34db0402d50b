//! Who may see what: every endpoint with every right.

use crate::{
    FILE,
    lab::Lab,
    server::{Serve, until},
};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const AT: &str = "2026-01-05T10:00:00Z";
const SECRET: &str = "a secret of thirty-two bytes, or more";
const KEY: &str = "the application's own key";

async fn lab() -> (Lab, Serve) {
    let mut lab = Lab::start(FILE).await;
    let of = |class| [("pts", "5"), ("class", class), ("concept", "algebra")];
    lab.send(&[("u7", AT, &of("10B")), ("u8", AT, &of("10A"))]).await;
    let folder = lab.file.parent().unwrap().to_owned();
    std::fs::write(folder.join("jwt.secret"), format!("{SECRET}\n")).unwrap();
    let digest = tallyd_digest(KEY);
    let serve = format!(
        "{FILE}\n[serve]\npublic = [\"board:everyone\"]\nrate = 100000\n\
         [serve.key.app]\nsha256 = \"{digest}\"\ningest = [\"ev\"]\n\
         [serve.jwt]\nalgorithms = [\"HS256\"]\nsecret_file = \"{}/jwt.secret\"\naudience = \"tallyd\"\n",
        folder.display()
    );
    let file = folder.join("served.toml");
    std::fs::write(&file, serve).unwrap();
    let serve = Serve::start(&file, &lab.server.url);
    (lab, serve)
}

fn tallyd_digest(key: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn token(claims: Value) -> String {
    let mut all = json!({"sub": "someone", "exp": now() + 600, "aud": "tallyd"});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    encode(&Header::default(), &all, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_asks_for_its_right() {
    let (_lab, serve) = lab().await;
    let learner = token(json!({"sub": "u7", "tallyd": {
        "read": ["board", "own"], "by": {"class": "10B"}, "member": "u7"}}));
    let teacher = token(json!({"tallyd": {
        "read": ["board:class", "agg"], "by": {"class": "10B"}, "learners": true}}));
    let operator = token(json!({"tallyd": {"operator": true}}));
    let who = ["nobody", "learner", "teacher", "operator", "app"];
    let tokens = ["", &learner, &teacher, &operator, KEY];
    let gets = [
        ("/v1/boards/board", [200; 5]),
        ("/v1/boards/board?by.class=10B", [403, 200, 200, 403, 403]),
        ("/v1/boards/board?by.class=10A", [403, 403, 403, 403, 403]),
        ("/v1/boards/board/around/u8", [200; 5]),
        ("/v1/boards/board/around/u7?by.class=10B", [403, 200, 200, 403, 403]),
        ("/v1/boards/board/around/u8?by.class=10B", [403, 403, 404, 403, 403]),
        ("/v1/boards/board/members/u7?by.class=10B", [403, 200, 200, 403, 403]),
        ("/v1/boards/board/members/%758?by.class=10B", [403, 403, 404, 403, 403]),
        ("/v1/stats/agg?window=all", [403, 403, 200, 403, 403]),
        ("/v1/stats/agg?window=all&by.class=10A", [403, 403, 403, 403, 403]),
        ("/v1/stats/own?by.user=u7", [403, 200, 403, 403, 403]),
        ("/v1/stats/own?by.user=u8", [403; 5]),
        ("/v1/learners/u7?by.class=10B", [403, 200, 200, 403, 403]),
        ("/v1/learners/u7?by.class=10A", [403; 5]),
        ("/v1/learners/u7", [403, 200, 200, 403, 403]),
        ("/v1/learners/u8", [403, 403, 200, 403, 403]),
        ("/v1/metrics", [200; 5]),
        ("/v1/topology", [200, 200, 200, 200, 200]),
        ("/v1/status", [403, 403, 403, 200, 403]),
        ("/v1/dead", [403, 403, 403, 200, 403]),
        ("/v1/edits", [403, 403, 403, 200, 403]),
        ("/v1/edits/nix", [403, 403, 403, 404, 403]),
    ];
    for (path, statuses) in gets {
        for ((who, token), expected) in who.iter().zip(tokens).zip(statuses) {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str())];
            let headers = if token.is_empty() { &headers[..0] } else { &headers[..] };
            let status = serve.get(path, headers).status;
            assert_eq!(status, expected, "{who} {path}");
            let (plain, query) = path.split_once('?').unwrap_or((path, ""));
            let is_view = !["topology", "metrics", "status", "dead", "edits", "edits/nix"]
                .contains(&path.trim_start_matches("/v1/"));
            if is_view && expected == 403 {
                let live = serve.get(&format!("{plain}/live?{query}"), headers).status;
                assert_eq!(live, 403, "{who} {path} live");
            }
        }
    }
    let posts: [(&str, &str, [u16; 5]); 5] = [
        ("/v1/boards/board/members", r#"{"members":["u7","u8"]}"#, [200; 5]),
        (
            "/v1/boards/board/members?by.class=10B",
            r#"{"members":["u7","u8"]}"#,
            [403, 403, 200, 403, 403],
        ),
        ("/v1/learners", r#"{"learners":["u7","u8"]}"#, [403, 403, 200, 403, 403]),
        ("/v1/events/ev", "[]", [403, 403, 403, 403, 422]),
        ("/v1/edits", r#"{"do":"hide","member":"nobody"}"#, [403, 403, 403, 422, 403]),
    ];
    for (path, body, statuses) in posts {
        for ((who, token), expected) in who.iter().zip(tokens).zip(statuses) {
            let bearer = format!("Bearer {token}");
            let all = [("content-type", "application/json"), ("authorization", bearer.as_str())];
            let headers = if token.is_empty() { &all[..1] } else { &all[..] };
            let status = serve.post(path, headers, body.as_bytes()).status;
            assert_eq!(status, expected, "{who} {path} {body}");
        }
    }
    // Metrics are of what each may read, and of nothing else.
    let metrics = |token: &str| {
        let bearer = format!("Bearer {token}");
        let all = [("authorization", bearer.as_str())];
        let headers = if token.is_empty() { &all[..0] } else { &all[..] };
        String::from_utf8(serve.get("/v1/metrics", headers).body).unwrap()
    };
    assert!(metrics("").contains("tallyd_board_size{bolt=\"board\",period=\"all\"} "));
    assert!(!metrics("").contains("tallyd_stat{"), "{}", metrics(""));
    let own = metrics(&learner);
    assert!(own.contains("by_user=\"u7\"") && !own.contains("by_user=\"u8\""), "{own}");
    assert!(!own.contains("by_class"), "{own}");
    let of_class = metrics(&teacher);
    assert!(of_class.contains("by_class=\"10B\"") && !of_class.contains("by_class=\"10A\""));
    // A learner's figures are its own.
    let bearer = format!("Bearer {learner}");
    let own = serve.get("/v1/stats/own", &[("authorization", &bearer)]).json();
    assert_eq!(own["rows"].as_array().unwrap().len(), 1, "{own}");
    assert_eq!(own["rows"][0]["group"]["user"], "u7");
    // The boards of its class are among a learner's places.
    let path = "/v1/learners/u7?by.class=10B";
    let places = serve.get(path, &[("authorization", &bearer)]).json();
    let of_class = |rank: &&Value| rank["by"]["class"] == "10B";
    assert_eq!(places["boards"].as_array().unwrap().iter().filter(of_class).count(), 1);
    // A teacher's figures are of the class alone, and so is what the topology names.
    let bearer = format!("Bearer {teacher}");
    let headers = [("authorization", bearer.as_str())];
    let stats = serve.get("/v1/stats/agg?window=all", &headers).json();
    assert_eq!(stats["rows"].as_array().unwrap().len(), 1);
    assert_eq!(stats["rows"][0]["group"]["class"], "10B");
    let named = serve.get("/v1/topology", &[]).json();
    let names: Vec<&Value> =
        named["nodes"].as_array().unwrap().iter().map(|n| &n["name"]).collect();
    assert_eq!(names, ["board"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_may_have_itself_forgotten_where_its_token_says_so() {
    let (lab, serve) = lab().await;
    let of = |tallyd: Value| format!("Bearer {}", token(json!({"sub": "u7", "tallyd": tallyd})));
    let post = |bearer: &str, body: Value| {
        let headers = [("content-type", "application/json"), ("authorization", bearer)];
        serve.post("/v1/edits", &headers, body.to_string().as_bytes())
    };
    let own = of(json!({"member": "u7", "erase": true}));
    let itself = json!({"do": "forget", "member": "u7"});
    for (why, bearer, body, status) in [
        ("no such right", &of(json!({"member": "u7"})), itself.clone(), 403),
        ("nobody itself", &of(json!({"erase": true})), itself.clone(), 403),
        ("somebody else", &own, json!({"do": "forget", "member": "u8"}), 403),
        ("another name", &own, json!({"do": "forget", "member": "u7 "}), 403),
        ("another edit", &own, json!({"do": "hide", "member": "u7"}), 403),
        ("no edit", &own, json!({"do": "forgets", "member": "u7"}), 403),
        ("an id", &own, json!({"do": "forget", "member": "u7", "id": "e1"}), 400),
        (
            "counts of others",
            &own,
            json!({"do": "forget", "member": "u7", "counts": "subtract"}),
            400,
        ),
        ("a name to stay", &own, json!({"do": "forget", "member": "u7", "by": "u7"}), 400),
    ] {
        let answer = post(bearer, body);
        assert_eq!(answer.status, status, "{why}: {}", answer.json());
    }
    assert_eq!(lab.json(&["edits"]), json!([]));
    let cookie = own.replace("Bearer ", "tallyd_token=");
    let headers = [("content-type", "application/json"), ("cookie", cookie.as_str())];
    assert_eq!(serve.post("/v1/edits", &headers, itself.to_string().as_bytes()).status, 403);
    // The worker stands still, so that the first one is under way when it is asked for again.
    lab.worker.pause().unwrap();
    let first = post(&own, itself.clone());
    assert_eq!(first.status, 200, "{}", first.json());
    assert_eq!(first.json()["by"], "the member itself");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(post(&own, itself.clone()).json()["id"], id.as_str());
    lab.worker.go_on().unwrap();
    let operator = of(json!({"operator": true}));
    let looks = [("authorization", operator.as_str())];
    let path = format!("/v1/edits/{id}");
    until("it is done", || serve.get(&path, &looks).json()["done"] == true);
    assert_eq!(lab.json(&["edits"]).as_array().unwrap().len(), 1);
    let board = "/v1/boards/board/members/";
    assert_eq!(serve.get(&format!("{board}u7"), &[]).status, 404);
    assert_eq!(serve.get(&format!("{board}u8"), &[]).status, 200);
    let listed = [("authorization", own.as_str())];
    assert_eq!(serve.get("/v1/edits", &listed).status, 403);
    assert_eq!(serve.get(&path, &listed).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_can_not_be_believed_is_no_token() {
    let (_lab, serve) = lab().await;
    let grant = json!({"tallyd": {"operator": true}});
    let with = |more: Value| {
        let mut claims = grant.clone();
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        token(claims)
    };
    let good = with(json!({}));
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let other = "b".repeat(40);
    let forged = encode(
        &Header::default(),
        &json!({"sub": "x", "exp": now() + 600, "aud": "tallyd", "tallyd": {"operator": true}}),
        &EncodingKey::from_secret(other.as_bytes()),
    );
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    let for_nobody = json!({"sub": "x", "exp": now() + 600, "tallyd": {"operator": true}});
    let for_nobody = encode(&Header::default(), &for_nobody, &secret).unwrap();
    for (why, token) in [
        ("for nobody", for_nobody),
        ("for no name", with(json!({"aud": null}))),
        ("expired", with(json!({"exp": now() - 600}))),
        ("not yet", with(json!({"nbf": now() + 600}))),
        ("for another", with(json!({"aud": "other"}))),
        ("unknown right", token(json!({"tallyd": {"operater": true}}))),
        ("forged", forged.unwrap()),
        ("unsigned", format!("{none}.{claims}.")),
        ("cut", format!("{head}.{claims}.{}", &signature[..signature.len() - 2])),
        ("unknown key", "some key".to_owned()),
        ("long", "x".repeat(10_000)),
    ] {
        let bearer = format!("Bearer {token}");
        let answer = serve.get("/v1/status", &[("authorization", &bearer)]);
        let json = answer.json();
        assert_eq!((answer.status, &json["code"]), (401, &"unauthorized".into()), "{why}: {json}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(!json.to_string().contains(&token[..8.min(token.len())]), "{why}: {json}");
    }
    let bearer = format!("Bearer {good}");
    assert_eq!(serve.get("/v1/status", &[("authorization", &bearer)]).status, 200);
    // A cookie is for reading alone.
    let cookie = format!("a=b; tallyd_token={good}");
    assert_eq!(serve.get("/v1/status", &[("cookie", &cookie)]).status, 200);
    let post = [("cookie", cookie.as_str()), ("content-type", "application/json")];
    assert_eq!(serve.post("/v1/learners", &post, br#"{"learners":[]}"#).status, 200);
    assert_eq!(serve.post("/v1/events/ev", &post, b"[]").status, 403);
    let hide = br#"{"do":"hide","member":"u7"}"#;
    assert_eq!(serve.post("/v1/edits", &post, hide).status, 403);
    assert_eq!(serve.get("/v1/edits", &[("cookie", &cookie)]).status, 200);
}
