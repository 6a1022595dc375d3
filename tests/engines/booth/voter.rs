//! Somebody who votes in a booth, in a real browser.

use serde_json::json;

use crate::chromium::Chromium;

/// A browser with the booth.
pub(crate) struct Voter {
    pub(crate) browser: Chromium,
}

impl Voter {
    /// Opens the page in a language.
    pub(crate) fn open(mut browser: Chromium, url: &str, language: &str) -> Voter {
        browser.open(url);
        browser.wait_for("document.getElementById('unable').hidden");
        browser.run(&format!("document.querySelector('#languages [value={language}]').click()"));
        Voter { browser }
    }

    /// Waits until that section is the one that is shown.
    pub(crate) fn sees(&mut self, section: &str) {
        self.browser.wait_for(&format!(
            "Array.from(document.querySelectorAll('main > section:not([hidden])'), one => one.id).join() === '{section}'"
        ));
    }

    /// The text of an element.
    pub(crate) fn text(&mut self, id: &str) -> String {
        self.browser.run(&format!("document.getElementById('{id}').innerText")).as_str().unwrap_or_default().to_owned()
    }

    /// Presses the button of a form.
    pub(crate) fn submit(&mut self, form: &str) {
        self.browser.run(&format!("document.querySelector('#{form} button').click()"));
    }

    /// Presses a button.
    pub(crate) fn click(&mut self, id: &str) {
        self.browser.run(&format!("document.getElementById('{id}').click()"));
    }

    /// Types something in the place of what is there.
    pub(crate) fn types(&mut self, id: &str, text: &str) {
        self.browser.run(&format!("document.getElementById('{id}').value = {}", json!(text)));
    }

    /// Types a credential and goes on.
    pub(crate) fn enters(&mut self, credential: &str) {
        self.types("credential", credential);
        self.submit("start_form");
        self.sees("vote");
    }

    /// Ticks answers of a question, or takes the tick away, by their places.
    pub(crate) fn ticks(&mut self, question: usize, answers: &[usize]) {
        self.browser.run(&format!(
            "for (const place of {answers:?}) document.getElementsByName('question-{question}')[place].click()"
        ));
    }

    /// Has the ballot encrypted; how long that took, in milliseconds, and whether it was made beside the page.
    pub(crate) fn seals(&mut self) -> (f64, bool) {
        let took = self.browser.run(
            "(() => { const Own = Worker; window.beside = 0; \
             window.Worker = class extends Own { constructor(address) { super(address); window.beside += 1; \
             this.addEventListener('error', () => { window.beside = -1; }); } }; })(); \
             new Promise(done => { const began = performance.now(); document.getElementById('seal').click(); \
             const look = () => document.getElementById('sealed').hidden ? setTimeout(look, 2) : done(performance.now() - began); \
             look(); })",
        );
        (took.as_f64().unwrap(), self.browser.run("window.beside") == json!(1))
    }
}
