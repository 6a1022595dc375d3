//! A browser in which somebody signed in to an account before, or chose its password: wrong tries from there are counted apart, so that
//! whoever knows an address, and tries its password without end, keeps its owner out nowhere but where nobody knows them.
//!
//! The browser keeps a random name, and for each account that signed in there a mark that only we can make and nobody can read. We keep
//! nothing of it.

use axum::http::{HeaderMap, header};
use axum::response::Response;

use crate::domain::credential::Secret;
use crate::domain::token;
use crate::limits;
use crate::web::caller::Cookie;
use crate::web::survey::Tools;

/// What a browser keeps of it.
pub(super) struct Browser {
    name: Secret,
    marks: Vec<String>,
}

impl Browser {
    /// The name of a browser in which the owner of that (folded) address signed in before.
    pub(super) fn known(headers: &HeaderMap, tools: &Tools, address: &str) -> Option<String> {
        let browser = Browser::read(headers, tools)?;
        browser.knows(tools, address).then(|| browser.name.text().to_string())
    }

    /// The page, by which the browser knows from now on that the owner of that (folded) address signed in there.
    pub(super) fn knowing(mut page: Response, headers: &HeaderMap, tools: &Tools, address: &str) -> Response {
        let new = || Browser { name: Secret::new(&*tools.dice), marks: Vec::new() };
        let mut browser = Browser::read(headers, tools).unwrap_or_else(new);
        if !browser.knows(tools, address) {
            browser.marks.insert(0, token::browser_mark(&tools.keys.address, browser.name.text(), address));
            browser.marks.truncate(limits::BROWSER_ACCOUNTS);
        }
        let parts: Vec<&str> =
            std::iter::once(browser.name.text()).chain(browser.marks.iter().map(String::as_str)).collect();
        let cookie = Cookie::Browser.write_text(Some(&parts.join(".")), &tools.desk.public_url);
        page.headers_mut().append(header::SET_COOKIE, cookie);
        page
    }

    fn read(headers: &HeaderMap, tools: &Tools) -> Option<Browser> {
        let mut parts = Cookie::Browser.read_text(headers, &tools.desk.public_url)?.split('.');
        let name = Secret::parse(parts.next()?)?;
        // What it has that is none of ours is not given back to it.
        let plain = |mark: &&str| (1..=64).contains(&mark.len()) && mark.bytes().all(|c| c.is_ascii_alphanumeric());
        let marks = parts.filter(plain).take(limits::BROWSER_ACCOUNTS).map(str::to_string).collect();
        Some(Browser { name, marks })
    }

    fn knows(&self, tools: &Tools, address: &str) -> bool {
        let own = (self.name.text(), address);
        self.marks.iter().any(|mark| token::check_browser_mark(&tools.keys.address, own, mark))
    }
}
