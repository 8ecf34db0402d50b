//! Edits over HTTP: taken once, listed, and refused with the reason.

use crate::{
    FILE,
    lab::Lab,
    server::{Answer, Serve, until},
};
use serde_json::{Value, json};

const AT: &str = "2026-01-05T10:00:00Z";
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn lab() -> (Lab, Serve) {
    let mut lab = Lab::start(FILE).await;
    let of = [("pts", "5"), ("class", "10B")];
    lab.send(&[("u7", AT, &of), ("u8", AT, &of)]).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    (lab, serve)
}

fn ask(serve: &Serve, body: &Value) -> Answer {
    serve.post("/v1/edits", &JSON, body.to_string().as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_takes_effect_once_and_says_how_far_it_is() {
    let (lab, serve) = lab().await;
    let hide = json!({ "do": "hide", "member": "u7", "id": "ban/u7" });
    let accepted = ask(&serve, &hide);
    assert_eq!(accepted.status, 200, "{}", accepted.json());
    let accepted = accepted.json();
    assert_eq!((&accepted["id"], &accepted["field"]), (&json!("ban/u7"), &json!("user")));
    until("the edit is done", || serve.get("/v1/edits/ban%2Fu7", &[]).json()["done"] == true);
    let one = serve.get("/v1/edits/ban%2Fu7", &[]).json();
    let of_board = one["bolts"].as_array().unwrap().iter().find(|of| of["bolt"] == "board");
    // All time, of everyone and of the class: the week is kept no longer.
    assert_eq!(of_board.unwrap()["changed"], 2, "{one}");
    until("u7 is hidden", || serve.get("/v1/boards/board/members/u7", &[]).status == 404);
    // The same id once more, whatever it says, is the same edit.
    let again = ask(&serve, &json!({ "do": "unhide", "member": "u8", "id": "ban/u7" })).json();
    assert_eq!((&again["do"], &again["done"]), (&json!("hide"), &json!(true)));
    let back = ask(&serve, &json!({ "do": "unhide", "member": "u7", "by": "kim" })).json();
    assert_eq!(back["by"], "kim");
    until("u7 is back", || serve.get("/v1/boards/board/members/u7", &[]).status == 200);
    let class = json!({ "do": "move", "member": "u7", "from": "class=10B", "to": "class=10A" });
    let moved = ask(&serve, &class).json();
    assert_eq!((&moved["to"], &moved["points"]), (&json!("class=10A"), &json!("keep")), "{moved}");
    until("u7 is in the other class", || {
        serve.get("/v1/boards/board/members/u7?by.class=10A", &[]).status == 200
    });
    assert_eq!(serve.get("/v1/boards/board/members/u7?by.class=10B", &[]).status, 404);
    // The name of one who is forgotten stands nowhere any more.
    let forget = ask(&serve, &json!({ "do": "forget", "member": "u8", "id": "forget-1" })).json();
    assert_eq!(forget["do"], "forget", "{forget}");
    until("u8 is forgotten", || serve.get("/v1/edits/forget-1", &[]).json()["done"] == true);
    assert_eq!(serve.get("/v1/edits/forget-1", &[]).json()["member"], "");
    assert_eq!(serve.get("/v1/boards/board/members/u8", &[]).status, 404);
    let rows = serve.get("/v1/edits", &[]).json()["rows"].clone();
    let ids: Vec<&Value> = rows.as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, [&json!("forget-1"), &moved["id"], &back["id"], &json!("ban/u7")]);
    assert_eq!(serve.get("/v1/edits?limit=1", &[]).json()["rows"].as_array().unwrap().len(), 1);
    // The command line says the same.
    let listed = lab.json(&["edits"]);
    assert_eq!(listed.as_array().unwrap().len(), 4);
    assert!(!listed[3]["by"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_is_closed_and_boards_start_over() {
    let (_lab, serve) = lab().await;
    let close = json!({ "do": "close", "bolt": "board", "period": "all", "id": "term" });
    let accepted = ask(&serve, &close);
    assert_eq!(accepted.status, 200, "{}", accepted.json());
    // What is left out is said.
    assert_eq!(accepted.json()["label"], "all");
    until("it is closed", || serve.get("/v1/edits/term", &[]).json()["done"] == true);
    let board = "/v1/boards/board?period=all";
    until("readers see it", || serve.get(board, &[]).json()["final"] == true);
    let again = ask(&serve, &json!({ "do": "close", "bolt": "board", "period": "all" })).json();
    assert_eq!(again["code"], "edit-refused");
    assert!(again["detail"].as_str().unwrap().contains("is closed already"), "{again}");
    let sizes = || {
        ["", "&by.class=10B"]
            .map(|by| serve.get(&format!("{board}{by}"), &[]).json()["size"].clone())
    };
    assert_eq!(sizes(), [json!(2), json!(2)]);
    let class = json!({ "do": "reset", "bolt": "board", "group": "class=10B", "id": "class" });
    assert_eq!(ask(&serve, &class).json()["group"], "class=10B");
    until("the class starts over", || sizes() == [json!(2), json!(0)]);
    assert_eq!(ask(&serve, &json!({ "do": "reset", "bolt": "board" })).status, 200);
    until("all start over", || sizes() == [json!(0), json!(0)]);
    until("it goes on", || serve.get(board, &[]).json()["final"] == false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_can_not_be_done_is_a_problem_and_is_not_stored() {
    let (lab, serve) = lab().await;
    let cases = [
        (json!({ "do": "hide", "member": "ann" }), "edit-refused", "no board has a user \"ann\""),
        (json!({ "do": "unhide", "member": "u7" }), "edit-refused", "is not hidden"),
        (json!({ "do": "burn", "member": "u7" }), "edit-refused", "unknown edit \"burn\""),
        (json!({ "do": "hide" }), "edit-refused", "it names no member"),
        (
            json!({ "do": "hide", "member": "u7", "field": "class" }),
            "edit-refused",
            "no leaderboard ranks by \"class\"",
        ),
        (json!({ "do": "close", "bolt": "once" }), "edit-refused", "\"once\" is no leaderboard"),
        (
            json!({ "do": "reset", "bolt": "board", "group": "class=1A" }),
            "edit-refused",
            "\"board\" has counted nothing there",
        ),
        (json!({ "do": "hide", "member": 7 }), "bad-request", "can't be read"),
        (json!({ "do": "hide", "name": "u7" }), "bad-request", "unknown field `name`"),
        (json!({ "do": "rename", "member": "u7" }), "edit-refused", "it says no new name"),
        (
            json!({ "do": "rename", "member": "u7", "to": "u9" }),
            "edit-refused",
            "the bolt \"own\" can't give what it keeps to another name",
        ),
        (
            json!({ "do": "move", "member": "u7" }),
            "edit-refused",
            "say which group the member leaves",
        ),
        (
            json!({ "do": "move", "member": "u7", "from": "class=10C", "to": "class=10B" }),
            "edit-refused",
            "no board of class=10C has a user",
        ),
        (
            json!({ "do": "forget", "member": "u7", "counts": "subtract" }),
            "edit-refused",
            "source \"ev\" does not keep the events (write retain = \"30d\" in [source.ev]",
        ),
        (json!("hide"), "bad-request", "can't be read"),
    ];
    for (body, code, detail) in cases {
        let problem = ask(&serve, &body);
        assert_eq!(problem.header("content-type"), Some("application/problem+json"), "{body}");
        let problem = problem.json();
        assert_eq!(problem["code"], code, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{body}: {problem}");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(serve.post("/v1/edits", &form, b"do=hide&member=u7").status, 415);
    assert_eq!(serve.get("/v1/edits/nix", &[]).json()["code"], "edit-unknown");
    assert_eq!(serve.get("/v1/edits?limit=0", &[]).status, 400);
    assert_eq!(lab.json(&["edits"]), json!([]));
    // A server that is away: whether it was taken is not known, and the id says what to send again.
    lab.server.pause().unwrap();
    let away = ask(&serve, &json!({ "do": "hide", "member": "u7", "id": "e1" }));
    lab.server.go_on().unwrap();
    assert_eq!((away.status, &away.json()["id"]), (503, &json!("e1")));
    assert!(away.header("retry-after").is_some());
    let again = ask(&serve, &json!({ "do": "hide", "member": "u7", "id": "e1" }));
    assert_eq!(again.status, 200, "{}", again.json());
    assert_eq!(lab.json(&["edits"]).as_array().unwrap().len(), 1);
}
