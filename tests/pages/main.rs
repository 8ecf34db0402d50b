//! The pages for learner, teacher and operator in a real Chromium: what stands on them is what the
//! API says, it moves when an event is sent, and a token opens no page but its own.
//!
//! `TALLYD_PICTURES=FOLDER cargo test -p tallyd --test pages` keeps what is seen, in three widths and
//! both themes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod browser;
mod place;

use browser::Browser;
use place::Place;
use serde_json::json;

/// Of the row of the page's own learner.
const MY_SCORE: &str =
    "+document.querySelector('#around [aria-current] .score')?.textContent.replace(/\\D/g, '')";
const MY_RANK: &str = "+document.querySelector('#around [aria-current] .rank')?.textContent";
const LIVE: &str = "document.querySelector('#state').dataset.state === 'live'";

#[tokio::test(flavor = "multi_thread")]
async fn a_learners_page_shows_what_the_api_says_and_moves() {
    let Some(mut browser) = Browser::start() else { return };
    let mut place = Place::start().await;
    place.answers(&[("u7", 4), ("u8", 9), ("u9", 1)]);
    let page = browser.open(&place.page("/learner/u7", "learner-key"), 1024);
    browser.until(&page, "its own row is there", &format!("{MY_SCORE} === 4"));
    assert_eq!(browser.value(&page, MY_RANK), 2);
    assert_eq!(browser.value(&page, "location.hash"), "", "no token stays in the address");
    browser.until(&page, "it is live", LIVE);
    assert_eq!(browser.nameless(&page), Vec::<String>::new());
    browser.look(&page, "learner");

    place.answers(&[("u7", 100)]);
    browser.until(&page, "it moved", &format!("{MY_SCORE} === 104 && {MY_RANK} === 1"));
    let row = place.get("/v1/boards/points/members/u7?period=day", "learner-key");
    assert_eq!((&row["rows"][0]["score"], &row["rows"][0]["rank"]), (&json!(104), &json!(1)));

    browser.value(&page, "document.querySelector('input[name=period]:checked').focus()");
    browser.press(&page, "ArrowRight", 39);
    let week = "document.querySelector('#around caption').textContent.includes('week')";
    browser.until(&page, "the keyboard chooses the week", week);

    place.stop_serving();
    let offline = "document.querySelector('#state').dataset.state === 'offline'";
    browser.until(&page, "it says that it is offline", offline);
    assert_eq!(browser.value(&page, MY_SCORE), 104, "what was known stays");
    place.serve_again();
    place.answers(&[("u7", 1)]);
    browser.until(&page, "it came back, and goes on", &format!("{MY_SCORE} === 105 && {LIVE}"));
    place.clean(&browser);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learners_token_opens_no_other_page() {
    let Some(mut browser) = Browser::start() else { return };
    let mut place = Place::start().await;
    place.answers(&[("u7", 4), ("u8", 90_817)]);
    for path in ["/learner/u8", "/teacher?class=10B", "/operator"] {
        let page = browser.open(&place.page(path, "learner-key"), 360);
        let refused = "document.querySelector('#forbidden')?.checkVisibility()";
        browser.until(&page, "it is refused", refused);
        let shown = browser.value(&page, "document.querySelector('main').textContent");
        let shown = shown.as_str().unwrap();
        assert!(!shown.contains("90") && !shown.contains("algebra"), "{path}: {shown}");
        assert_eq!(browser.nameless(&page), Vec::<String>::new(), "{path}");
    }
    place.clean(&browser);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teachers_page_shows_the_class() {
    let Some(mut browser) = Browser::start() else { return };
    let mut place = Place::start().await;
    place.answers(&[("u7", 4), ("u8", 9), ("u9", 1)]);
    let page = browser.open(&place.page("/teacher?class=10B", "teacher-key"), 1024);
    let members =
        "[...document.querySelectorAll('#board tbody tr .member')].map(e => e.textContent.trim())";
    browser.until(&page, "the board is there", &format!("{members}.length === 3"));
    assert_eq!(browser.value(&page, members), json!(["u8", "u7", "u9"]));
    let concepts = "[...document.querySelectorAll('#concepts tbody tr')].map(e => e.innerText)";
    browser.until(&page, "the concepts are there", &format!("{concepts}.length === 1"));
    let stats = place.get("/v1/stats/concepts?window=1d", "teacher-key");
    assert_eq!(stats["rows"][0]["measures"]["answers"], 3);
    browser.until(&page, "answers are those of the API", &format!("/\\b3\\b/.test({concepts}[0])"));
    assert_eq!(browser.nameless(&page), Vec::<String>::new());
    browser.look(&page, "teacher");

    place.answers(&[("u9", 50)]);
    browser.until(&page, "it moved", &format!("{members}[0] === 'u9'"));
    browser.until(&page, "concepts too", &format!("/\\b4\\b/.test({concepts}[0])"));
    browser.value(&page, "document.querySelector('#board tbody tr a').click()");
    browser.until(&page, "a learner is a click away", "location.pathname === '/learner/u9'");
    browser.until(&page, "with figures", &format!("{MY_SCORE} === 51"));
    place.clean(&browser);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_page_shows_what_runs_and_what_is_wrong() {
    let Some(mut browser) = Browser::start() else { return };
    let mut place = Place::start().await;
    place.answers(&[("u7", 4)]);
    for width in [360, 1920] {
        let page = browser.open(&place.page("/operator", "operator-key"), width);
        let nodes = "[...document.querySelectorAll('#nodes tbody tr th')].map(e => e.textContent)";
        browser.until(&page, "nodes are there", &format!("{nodes}.includes('mastery')"));
        browser.until(
            &page,
            "the worker is there",
            "document.querySelectorAll('#workers tbody tr').length === 1",
        );
        let status = place.get("/v1/status", "operator-key");
        let worker =
            browser.value(&page, "document.querySelector('#workers tbody th').textContent");
        assert_eq!(worker, status["workers"][0]["id"]);
        assert_eq!(
            browser.value(&page, "document.documentElement.scrollWidth <= innerWidth"),
            true
        );
        assert_eq!(browser.nameless(&page), Vec::<String>::new());
    }
    let page = browser.open(&place.page("/operator", "operator-key"), 1024);
    place.reject().await;
    let dead = "document.querySelector('#dead').textContent.includes('is missing')";
    browser.until(&page, "a rejected event is shown with its reason", dead);
    browser.look(&page, "operator");
    place.stop_working();
    let gone = "document.querySelector('#alarms').checkVisibility() || document.querySelector('#workers').textContent.includes('gone')";
    browser.until(&page, "a worker that is gone is said", gone);
    place.clean(&browser);
}
