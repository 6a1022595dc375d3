//! Debian's Chromium, driven through its debugging pipe: what a participant sees, and what axe finds wrong with it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Checks of WCAG 2.2 and good practice; kept whole in `tests/data/axe`.
const AXE: &str = include_str!("../data/axe/axe.min.js");

/// A browser with one page.
pub(crate) struct Chromium {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: String,
    number: u64,
    /// Profile, pipes.
    folder: TempDir,
}

/// Whether there is a browser on this machine; on one that runs every test there must be.
pub(crate) fn is_there() -> bool {
    let there = Path::new("/usr/bin/chromium").exists();
    if !there {
        assert!(
            std::env::var_os("HAGAKI_TESTS_COMPLETE").is_none(),
            "Chromium is not installed (apt install chromium)"
        );
        eprintln!("left out: no /usr/bin/chromium on this machine");
    }
    there
}

impl Chromium {
    /// Starts it without a window.
    pub(crate) fn start() -> Chromium {
        Chromium::start_as("")
    }

    /// The same as a browser that has no room for whole pages: what is gone back to is built anew from what it kept of them.
    pub(crate) fn start_small() -> Chromium {
        Chromium::start_as("--disable-features=BackForwardCache")
    }

    fn start_as(option: &str) -> Chromium {
        let folder = tempfile::tempdir().unwrap();
        let pipe = |name: &str| -> PathBuf {
            let path = folder.path().join(name);
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            path
        };
        let (to, from) = (pipe("to"), pipe("from"));
        let child = Command::new("sh")
            .args(["-c", "exec chromium --headless --no-sandbox --disable-gpu --remote-debugging-pipe --user-data-dir=\"$1/profile\" $2 3<\"$1/to\" 4>\"$1/from\"", "sh"])
            .arg(folder.path())
            .arg(option)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = OpenOptions::new().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let mut browser = Chromium { child, to, from, session: String::new(), number: 0, folder };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.ask("Target.attachToTarget", target)["sessionId"].as_str().unwrap().to_owned();
        browser.ask("Page.enable", json!({}));
        browser
    }

    fn next(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "Chromium ended");
        serde_json::from_slice(&message).unwrap()
    }

    /// Sends a command of the DevTools protocol and waits for what it gives.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.send(method, params);
        loop {
            let answer = self.next();
            if answer["id"] == json!(self.number) {
                assert_eq!(answer["error"], Value::Null, "{method}");
                return answer["result"].clone();
            }
        }
    }

    fn send(&mut self, method: &str, params: Value) {
        self.number += 1;
        let mut command = json!({ "id": self.number, "method": method, "params": params });
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        self.to.write_all(command.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
    }

    fn loaded(&mut self) {
        while self.next()["method"] != "Page.loadEventFired" {}
    }

    /// A screen of that width and height; narrow ones are phones.
    pub(crate) fn screen(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Has scripts of pages take so many times as long, as on a phone.
    pub(crate) fn slowed(&mut self, times: u32) {
        self.ask("Emulation.setCPUThrottlingRate", json!({ "rate": times }));
    }

    /// Carries a cookie of a site that is spoken to by https; on this machine it is sent without, too.
    pub(crate) fn carry(&mut self, cookie: &str) {
        let (name, value) = cookie.split_once('=').unwrap();
        let cookie = json!({ "name": name, "value": value, "url": "https://127.0.0.1/", "path": "/", "secure": true, "httpOnly": true });
        assert_eq!(self.ask("Network.setCookie", cookie)["success"], json!(true));
    }

    /// Runs no script of any page from now on, as people set their browsers who trust none; what a test runs still runs.
    pub(crate) fn without_scripts(&mut self) {
        self.ask("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    }

    /// Opens an address and waits until it is shown.
    pub(crate) fn open(&mut self, url: &str) {
        self.send("Page.navigate", json!({ "url": url }));
        self.loaded();
    }

    /// What a script gives in the page.
    pub(crate) fn run(&mut self, script: &str) -> Value {
        let params = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let given = self.ask("Runtime.evaluate", params);
        assert_eq!(given["exceptionDetails"], Value::Null, "{script:.200}");
        given["result"]["value"].clone()
    }

    /// Fills in fields (`name` and `value`; of choices, the one with that value is ticked) and presses a button.
    pub(crate) fn fill(&mut self, fields: &[(&str, &str)], button: &str) {
        let fields = json!(fields);
        let script = format!(
            "for (const [name, value] of {fields}) {{ for (const field of document.getElementsByName(name)) {{ \
             if (field.type === 'radio' || field.type === 'checkbox') {{ if (field.value === value) field.click(); }} \
             else field.value = value; }} }} document.querySelector('main button[value=\"{button}\"]').click()"
        );
        self.send("Runtime.evaluate", json!({ "expression": script }));
        self.loaded();
    }

    /// Chooses a file of this machine in a field, as a person does in the dialog.
    pub(crate) fn choose(&mut self, selector: &str, file: &Path) {
        let found =
            self.ask("Runtime.evaluate", json!({ "expression": format!("document.querySelector('{selector}')") }));
        let object = &found["result"]["objectId"];
        self.ask("DOM.setFileInputFiles", json!({ "files": [file.to_str().unwrap()], "objectId": object }));
    }

    /// Follows a link or presses a button that leads to another page, of whatever site, and waits until that is shown.
    pub(crate) fn press(&mut self, selector: &str) {
        self.run(&format!("window.left = true; document.querySelector('{selector}').click()"));
        self.wait_for("!window.left && document.readyState === 'complete'");
    }

    /// Forgets every cookie, as if sessions were over.
    pub(crate) fn forget_cookies(&mut self) {
        self.ask("Network.clearBrowserCookies", json!({}));
    }

    /// Goes back as its button does, until a script gives true on another page than this.
    pub(crate) fn go_back(&mut self, there: &str) {
        self.number += 1;
        let here = self.number;
        self.run(&format!("window.turn = {here}"));
        let history = self.ask("Page.getNavigationHistory", json!({}));
        let before = history["currentIndex"].as_u64().and_then(|at| at.checked_sub(1)).unwrap();
        let entry = &history["entries"][usize::try_from(before).unwrap()]["id"];
        self.ask("Page.navigateToHistoryEntry", json!({ "entryId": entry }));
        self.wait_for(&format!("window.turn !== {here} && document.readyState === 'complete' && ({there})"));
    }

    /// Waits until a script gives true.
    pub(crate) fn wait_for(&mut self, script: &str) {
        for _ in 0..600 {
            self.send("Runtime.evaluate", json!({ "expression": script }));
            // Between two pages there is none to ask.
            let answer = loop {
                let answer = self.next();
                if answer["id"] == json!(self.number) {
                    break answer;
                }
            };
            if answer["result"]["result"]["value"] == json!(true) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("never true: {script}");
    }

    /// Asserts that axe finds nothing on the page and nothing is wider than the screen; keeps a picture under that name.
    pub(crate) fn look(&mut self, name: &str) {
        let shot = self.ask("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let picture = data_encoding::BASE64.decode(shot["data"].as_str().unwrap().as_bytes()).unwrap();
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join(format!("{name}.png")), picture).unwrap();
        assert_eq!(self.barriers(), json!([]), "{name}");
        let wider = self.run("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(wider, json!(0), "{name} is wider than the screen");
    }

    /// What axe finds wrong with the page.
    pub(crate) fn barriers(&mut self) -> Value {
        self.run(&format!("{AXE}; true"));
        self.run(
            "axe.run({ resultTypes: ['violations'] }).then(found => found.violations.map(one => one.id + ': ' + one.help + ' ' + \
             one.nodes.map(node => node.html + ' ' + node.failureSummary).join(' | ')))",
        )
    }

    /// What is said of an element beside its name, to whoever hears the page.
    pub(crate) fn described(&mut self, selector: &str) -> String {
        let found = json!({ "expression": format!("document.querySelector('{selector}')") });
        let object = self.ask("Runtime.evaluate", found)["result"]["objectId"].clone();
        let tree = self.ask("Accessibility.getPartialAXTree", json!({ "objectId": object, "fetchRelatives": false }));
        tree["nodes"][0]["description"]["value"].as_str().unwrap_or_default().to_owned()
    }

    /// The text that is shown.
    pub(crate) fn text(&mut self) -> String {
        self.run("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(self.folder.path().join("profile"));
    }
}
