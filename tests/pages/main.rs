//! The pages for learner, teacher and operator in a real Chromium: what stands on them is what the
//! API says, it moves when an event is sent, and a token opens no page but its own.
//!
//! `make pictures` keeps what is seen of them, in three sizes and both themes.

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
use std::sync::atomic::{AtomicBool, Ordering};

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
    assert_eq!(browser.barriers(&page), Vec::<String>::new());

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
        assert_eq!(browser.barriers(&page), Vec::<String>::new(), "{path}");
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
        let cells = "[...document.querySelectorAll('#nodes tbody tr:nth-child(2) td')].map(e => e.textContent)";
        let probed = format!("/^[\\d.,]+ (ms|s)$/.test({cells}[6]) && /^\\d+ %$/.test({cells}[5])");
        browser.until(&page, "how busy it is, and how long a probe took", &probed);
        let delay = "[...document.querySelectorAll('#tiles > div')].find(e => e.innerText.startsWith('Delay'))";
        browser.until(
            &page,
            "the delay is there",
            &format!("/of a probe to \\w+/.test({delay}.innerText)"),
        );
        assert_eq!(
            browser.value(&page, "document.documentElement.scrollWidth <= innerWidth"),
            true
        );
        assert_eq!(browser.barriers(&page), Vec::<String>::new());
    }
    let page = browser.open(&place.page("/operator", "operator-key"), 1024);
    place.reject().await;
    let dead = "document.querySelector('#dead').textContent.includes('is missing')";
    browser.until(&page, "a rejected event is shown with its reason", dead);
    place.stop_working();
    let gone = "document.querySelector('#alarms').checkVisibility() || document.querySelector('#workers').textContent.includes('gone')";
    browser.until(&page, "a worker that is gone is said", gone);
    place.clean(&browser);
}

/// Each page on a telephone, a laptop and a wall, in both themes, with all that it can show.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_every_screen_and_keeps_nobody_out() {
    let Some(mut browser) = Browser::start() else { return };
    let mut place = Place::start().await;
    place.class();
    place.reject().await;
    for (name, path, seen) in [
        (
            Some("learner"),
            "/learner/emil?class=10B",
            "document.querySelectorAll('#concepts > li').length === 7",
        ),
        (
            Some("teacher"),
            "/teacher?class=10B",
            "document.querySelectorAll('#concepts tbody tr').length === 7 && document.querySelectorAll('#board tbody tr').length > 9",
        ),
        (
            Some("operator"),
            "/operator",
            "document.querySelector('#dead').textContent.includes('is missing') && /of a probe to/.test(document.querySelector('#tiles').innerText)",
        ),
        (None, "/", "document.querySelectorAll('form, a.button').length > 0"),
        (None, "/docs", "document.querySelectorAll('h2, h3').length > 5"),
    ] {
        let key = if path == "/operator" { "operator-key" } else { "teacher-key" };
        let page = browser.open(&place.page(path, key), 1280);
        browser.until(&page, path, seen);
        // With something that goes on.
        let is_done = AtomicBool::new(path != "/operator");
        std::thread::scope(|scope| {
            let place = &mut place;
            let answering = scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    place.answers(&[("ada", 4), ("emil", 0), ("ines", 4)]);
                }
            });
            browser.look(&page, name);
            is_done.store(true, Ordering::Relaxed);
            answering.join().unwrap();
        });
    }
    place.clean(&browser);
}
