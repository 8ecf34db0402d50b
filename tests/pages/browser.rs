//! A Chromium without a window, spoken to by its DevTools protocol:
//! <https://chromedevtools.github.io/devtools-protocol/>.

use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, ErrorKind},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket, stream::MaybeTlsStream};

/// How long a page may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// What Debian, others and Google call it.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// axe-core, which finds barriers: <https://github.com/dequelabs/axe-core>.
const AXE: &str = include_str!("axe/axe.min.js");
/// Its violations, each in a line, with the elements.
const RUN_AXE: &str = "axe.run({ resultTypes: ['violations'] }).then(({ violations }) => \
     violations.map(({ id, help, nodes }) => \
     `${id}: ${help}: ${nodes.map((node) => `${node.target}: ${node.any.map((one) => one.message)}`)}`))";

/// What people look at pages with: a telephone, a laptop, and a screen on a wall.
const SIZES: [(&str, u32, u32); 3] =
    [("phone", 360, 800), ("laptop", 1280, 800), ("wall", 1920, 1080)];
const THEMES: [&str; 2] = ["light", "dark"];

/// What stands beyond the right edge of a page.
const BEYOND: &str = "[...document.querySelectorAll('body *')].filter((one) => \
     one.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map((one) => \
     `${one.tagName} ${one.id} ${one.className}: ${one.textContent.slice(0, 60)}`)";

/// The browser.
pub struct Browser {
    child: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    last_id: u64,
    /// What went wrong in any page: exceptions, and what was refused by its policy.
    pub wrong: Vec<String>,
    /// The addresses that pages asked for.
    pub asked: BTreeSet<String>,
    _profile: TempDir,
}

/// A page in a window of its own: cookies and storage are of no other one.
pub struct Page(String);

impl Browser {
    /// Starts it; `None` where there is none on this machine.
    pub fn start() -> Option<Self> {
        let has = |name: &&&str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
        };
        let Some(program) = PROGRAMS.iter().find(has) else {
            println!("no Chromium on the PATH: the pages are NOT TESTED (scripts/setup.sh test)");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--remote-debugging-port=0", "--lang=en"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            line.unwrap().strip_prefix("DevTools listening on ").map(ToOwned::to_owned)
        });
        // A pipe that nobody reads fills up.
        std::thread::spawn(move || lines.for_each(drop));
        let (socket, _) =
            tungstenite::connect(address.expect("Chromium says its address")).unwrap();
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        let (wrong, asked) = (Vec::new(), BTreeSet::new());
        Some(Self { child, socket, last_id: 0, wrong, asked, _profile: profile })
    }

    /// Opens an address in a window of this width.
    pub fn open(&mut self, address: &str, width: u32) -> Page {
        let context = self.ask(None, "Target.createBrowserContext", &json!({}));
        let target = json!({
            "url": "about:blank", "browserContextId": context["browserContextId"],
        });
        let target = self.ask(None, "Target.createTarget", &target)["targetId"].clone();
        let attach = json!({ "targetId": target, "flatten": true });
        let session = self.ask(None, "Target.attachToTarget", &attach)["sessionId"].clone();
        let page = Page(session.as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.ask(Some(&page), &format!("{domain}.enable"), &json!({}));
        }
        let size =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.ask(Some(&page), "Emulation.setDeviceMetricsOverride", &size);
        self.ask(Some(&page), "Page.navigate", &json!({ "url": address }));
        page
    }

    /// The value of an expression in a page.
    pub fn value(&mut self, page: &Page, expression: &str) -> Value {
        let ask = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let answer = self.ask(Some(page), "Runtime.evaluate", &ask);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in a page.
    pub fn until(&mut self, page: &Page, what: &str, expression: &str) {
        let began = Instant::now();
        // Before a page is there, it has no elements.
        let holds =
            format!("(() => {{ try {{ return !!({expression}) }} catch {{ return false }} }})()");
        while self.value(page, &holds) != true {
            if began.elapsed() > PATIENCE {
                let text = self.value(page, "document.body.innerText");
                let wrong = &self.wrong;
                panic!("still not so: {what}\n{}\n{wrong:?}", text.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Holds a page to its widths, in both themes: nothing stands beyond the edge, and nobody is kept
    /// from using it. Where `TALLYD_PICTURES` names a folder, what is seen is kept there by this name.
    pub fn look(&mut self, page: &Page, name: Option<&str>) {
        for (size, width, height) in SIZES {
            let metrics = json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
            });
            self.ask(Some(page), "Emulation.setDeviceMetricsOverride", &metrics);
            let hidden = json!({ "hidden": true });
            self.ask(Some(page), "Emulation.setScrollbarsHidden", &hidden);
            for theme in THEMES {
                self.theme(page, theme);
                let is_cut =
                    "document.documentElement.scrollWidth > document.documentElement.clientWidth";
                if self.value(page, is_cut) == true {
                    let beyond = self.value(page, BEYOND);
                    panic!("{name:?}, {theme}, {size}: beyond the edge: {beyond:#}");
                }
                assert_eq!(self.axe(page), Vec::<String>::new(), "{name:?}, {theme}, {size}");
                let folder = std::env::var_os("TALLYD_PICTURES");
                let (Some(folder), Some(name)) = (folder, name) else { continue };
                let ask = json!({ "format": "png" });
                let picture = self.ask(Some(page), "Page.captureScreenshot", &ask);
                let picture = from_base64(picture["data"].as_str().unwrap());
                let file = format!("{name}-{size}-{theme}.png");
                std::fs::write(std::path::Path::new(&folder).join(file), picture).unwrap();
            }
        }
    }

    /// Presses a key, as a person without a mouse would.
    pub fn press(&mut self, page: &Page, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" { "\r" } else { "" };
            let ask = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text,
            });
            self.ask(Some(page), "Input.dispatchKeyEvent", &ask);
        }
    }

    /// What keeps people from using a page as it is now, in both themes.
    pub fn barriers(&mut self, page: &Page) -> Vec<String> {
        let mut found = Vec::new();
        for theme in THEMES {
            self.theme(page, theme);
            found.extend(self.axe(page).into_iter().map(|barrier| format!("{theme}: {barrier}")));
        }
        found
    }

    fn axe(&mut self, page: &Page) -> Vec<String> {
        if self.value(page, "typeof axe") != "object" {
            self.value(page, AXE);
        }
        let told = self.value(page, RUN_AXE);
        told.as_array().unwrap().iter().map(ToString::to_string).collect()
    }

    fn theme(&mut self, page: &Page, theme: &str) {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.ask(Some(page), "Emulation.setEmulatedMedia", &media);
    }

    fn ask(&mut self, page: Option<&Page>, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut ask = json!({ "id": id, "method": method, "params": params });
        if let Some(Page(session)) = page {
            ask["sessionId"] = session.as_str().into();
        }
        self.socket.send(Message::text(ask.to_string())).unwrap();
        loop {
            let message = match self.socket.read() {
                // A signal, such as that of a child which ended, cuts a read with a time limit short.
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {
                    continue;
                }
                read => read.unwrap(),
            };
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.hear(&message);
        }
    }

    fn hear(&mut self, message: &Value) {
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => {
                self.wrong.push(params["exceptionDetails"].to_string());
            }
            // That an answer is refused, or does not come, is what some tests are about.
            Some("Log.entryAdded")
                if params["entry"]["level"] == "error"
                    && params["entry"]["source"] != "network" =>
            {
                self.wrong.push(params["entry"].to_string());
            }
            Some("Network.requestWillBeSent") => {
                self.asked.extend(params["request"]["url"].as_str().map(ToOwned::to_owned));
            }
            _ => {}
        }
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(digit).collect();
    let three = |four: &[u8]| {
        let bits = four.iter().fold(0_u32, |sum, six| sum << 6 | u32::from(*six));
        let bits = bits << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(three).collect()
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
