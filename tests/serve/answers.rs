//! Answers that are given once.

use crate::{FILE, lab::Lab, server::Serve};
use serde_json::{Value, json};

const AT: &str = "2026-01-05T10:00:00Z";

/// Seven of one class, four of another: u1 has the most points.
async fn lab() -> (Lab, Serve) {
    let mut lab = Lab::start(FILE).await;
    let points = ["9", "8", "8", "6", "5", "4", "3", "2", "2", "1", "0"];
    let users: Vec<String> = (1..=points.len()).map(|number| format!("u{number}")).collect();
    let of = |(place, points): (usize, &'static str)| {
        let class = if place < 7 { "10A" } else { "10B" };
        let concept = if place % 2 == 0 { "algebra" } else { "optics" };
        let right = if place % 3 == 0 { "false" } else { "true" };
        [("pts", points), ("class", class), ("concept", concept), ("right", right)]
    };
    let fields: Vec<_> = points.into_iter().enumerate().map(of).collect();
    let sent: Vec<_> =
        users.iter().zip(&fields).map(|(user, fields)| (user.as_str(), AT, &fields[..])).collect();
    lab.send(&sent).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    (lab, serve)
}

fn members(answer: &Value) -> Vec<&str> {
    answer["rows"].as_array().unwrap().iter().map(|row| row["member"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_is_read_by_pages_around_and_by_member() {
    let (lab, serve) = lab().await;
    let board = |rest: &str| serve.get(&format!("/v1/boards/board{rest}"), &[]);
    let first = board("?limit=3").json();
    assert_eq!((members(&first), &first["size"]), (vec!["u1", "u3", "u2"], &json!(11)));
    let ranks: Vec<&Value> = first["rows"].as_array().unwrap().iter().map(|r| &r["rank"]).collect();
    assert_eq!(ranks, [1, 2, 2]);
    assert_eq!((&first["label"], &first["final"]), (&json!("all"), &json!(false)));
    // The command line says the same.
    let shown = lab.json(&["board", "board", "--top", "3"]);
    assert_eq!(shown["rows"][1]["member"], first["rows"][1]["member"]);

    let mut seen = Vec::new();
    let mut page = board("?limit=4").json();
    loop {
        seen.extend(members(&page).into_iter().map(ToOwned::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        page = board(&format!("?limit=4&cursor={next}")).json();
    }
    assert_eq!(seen, ["u1", "u3", "u2", "u4", "u5", "u6", "u7", "u9", "u8", "u10", "u11"]);
    assert_eq!(members(&board("?rank=10").json()), ["u10", "u11"]);

    for (member, rows) in [("u1", 5), ("u11", 5), ("u6", 5)] {
        let around = board(&format!("/around/{member}?rows={rows}")).json();
        assert_eq!(around["rows"].as_array().unwrap().len(), rows, "{member}");
        assert!(members(&around).contains(&member));
    }
    assert_eq!(members(&board("/around/u1?rows=100").json()).len(), 11);
    let class = board("/members/u8?by.class=10B").json();
    assert_eq!((&class["rows"][0]["rank"], &class["size"]), (&json!(1), &json!(4)));
    let kind = [("content-type", "application/json")];
    let body = br#"{"members": ["u9", "ux", "u4", "u8"]}"#;
    let friends = serve.post("/v1/boards/board/members", &kind, body).json();
    assert_eq!(
        (members(&friends), &friends["not_found"]),
        (vec!["u4", "u9", "u8"], &json!(["ux"]))
    );
    let in_set: Vec<&Value> =
        friends["rows"].as_array().unwrap().iter().map(|r| &r["rank_within"]).collect();
    assert_eq!(in_set, [1, 2, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_where_the_last_one_ended_while_scores_move() {
    let (mut lab, serve) = lab().await;
    let first = serve.get("/v1/boards/board?limit=3", &[]).json();
    // The last one of the page falls to the end, another climbs from below to the top.
    lab.send(&[("u2", AT, &[("pts", "-8")]), ("u10", AT, &[("pts", "99")])]).await;
    let next = first["next"].as_str().unwrap();
    let page = serve.get(&format!("/v1/boards/board?limit=100&cursor={next}"), &[]).json();
    assert_eq!(members(&page), ["u4", "u5", "u6", "u7", "u9", "u8", "u2", "u11"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_series_of_whole_groups_or_of_parts() {
    let (_lab, serve) = lab().await;
    let stats = |rest: &str| serve.get(&format!("/v1/stats/agg?{rest}"), &[]).json();
    let whole = stats(
        "by.class=10A&by.concept=algebra&window=1h&from=2026-01-05T09:00:00Z&to=2026-01-05T11:30:00Z",
    );
    let answers: Vec<&Value> =
        whole["rows"].as_array().unwrap().iter().map(|r| &r["measures"]["answers"]).collect();
    assert_eq!(answers, [0, 4, 0], "an hour without events is an empty window");
    let class = stats("by.class=10A&window=all&order_by=-right/answers");
    let rows = class["rows"].as_array().unwrap();
    let order: Vec<&Value> = rows.iter().map(|row| &row["group"]["concept"]).collect();
    assert_eq!(order, ["optics", "algebra"]);
    assert_eq!(class["groups"], 2);
    assert_eq!((&rows[0]["ratio"], &rows[1]["ratio"]), (&json!(2.0 / 3.0), &json!(0.5)));
    assert_eq!(stats("window=all&limit=1")["rows"].as_array().unwrap().len(), 1);
    assert_eq!(stats("window=all")["rows"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_held_is_not_sent_again() {
    let (mut lab, serve) = lab().await;
    let first = serve.get("/v1/boards/board", &[]);
    let tag = first.header("etag").unwrap().to_owned();
    let again = serve.get("/v1/boards/board", &[("if-none-match", &tag)]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    lab.send(&[("u5", AT, &[("pts", "1")])]).await;
    let changed = serve.get("/v1/boards/board", &[("if-none-match", &tag)]);
    assert_eq!(changed.status, 200);
    let head = serve.ask("HEAD", "/v1/boards/board", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let packed = serve.get("/v1/boards/board?limit=1000", &[("accept-encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_answered_for_one_by_one() {
    let (lab, serve) = lab().await;
    let json = [("content-type", "application/json")];
    let body = format!(
        r#"[{{"id": "x1", "user": "n1", "pts": 50, "at": "{AT}"}},
            {{"id": "x2", "user": "n1", "pts": "many", "at": "{AT}"}},
            {{"id": "x1", "user": "n1", "pts": 50, "at": "{AT}"}}]"#
    );
    let sent = serve.post("/v1/events/ev", &json, body.as_bytes());
    assert_eq!(sent.status, 200);
    assert_eq!(sent.json()["accepted"], 2);
    assert_eq!(
        sent.json()["refused"],
        json!([{"index": 1, "reason": "field \"pts\": \"many\" is not an int"}])
    );
    // Sending again is safe.
    serve.post("/v1/events/ev", &json, body.as_bytes());
    lab.tallyd(&["wait", "--timeout", "60s"]);
    let row = serve.get("/v1/boards/board/members/n1", &[]).json();
    assert_eq!(row["rows"][0]["score"], 50);
    let nothing = serve.post("/v1/events/ev", &json, b"[{\"id\": 1}]");
    assert_eq!((nothing.status, &nothing.json()["accepted"]), (422, &json!(0)));
    assert_eq!(serve.post("/v1/events/ev", &[], b"{}").status, 415);
    assert_eq!(serve.post("/v1/events/nix", &json, b"{}").json()["code"], "bolt-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_answered_says_why_by_a_stable_code() {
    let (_lab, serve) = lab().await;
    for (path, status, code) in [
        ("/v1/boards/nix", 404, "bolt-unknown"),
        ("/v1/boards/agg", 404, "bolt-unknown"),
        ("/v1/boards/board?period=month", 404, "view-unknown"),
        ("/v1/boards/board?by.school=1", 404, "view-unknown"),
        ("/v1/boards/board?period=week&at=2999-01-01", 404, "period-not-begun"),
        ("/v1/boards/board?period=week&at=2001-01-01", 410, "period-gone"),
        ("/v1/boards/board/members/nobody", 404, "member-absent"),
        ("/v1/boards/board?limit=0", 400, "bad-request"),
        ("/v1/boards/board?limit=1&limit=2", 400, "bad-request"),
        ("/v1/boards/board?cursor=31", 400, "bad-request"),
        ("/v1/boards/board?nix=1", 400, "bad-request"),
        ("/v1/stats/agg?by.nix=1", 400, "bad-request"),
        ("/v1/stats/agg?order_by=nix", 400, "bad-request"),
        ("/v1/stats/agg?window=2h", 404, "view-unknown"),
        ("/v1/stats/agg?from=2026-01-02&to=2026-01-01", 400, "bad-request"),
        ("/v1/stats/agg?window=1h&from=2001-01-01", 400, "bad-request"),
        ("/v1/learners/nobody", 404, "learner-absent"),
        ("/v1/nix", 404, "not-found"),
    ] {
        let answer = serve.get(path, &[]);
        let json = answer.json();
        assert_eq!(
            (answer.status, json["code"].as_str().unwrap()),
            (status, code),
            "{path}: {json}"
        );
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    }
    assert_eq!(serve.get("/v1/boards/board/members/nobody", &[]).json()["size"], 11);
    assert_eq!(
        serve.ask("DELETE", "/v1/boards/board", &[], b"").json()["code"],
        "method-not-allowed"
    );
}
