//! A browser without scripts: asks our pages over TCP, as a phone or an attacker does.

use std::net::SocketAddr;

use hagaki::web;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Our pages on a port of their own, until dropped.
pub(crate) struct Served {
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Page {
    /// Where a redirection leads.
    pub(crate) fn location(&self) -> String {
        let field = self.head.lines().find_map(|line| line.strip_prefix("location: "));
        field.unwrap_or_else(|| panic!("no redirection: {self:?}")).to_owned()
    }

    /// The cookie that is set, `name=value`.
    pub(crate) fn cookie(&self) -> String {
        let field = self.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        field.and_then(|field| field.split(';').next()).unwrap_or_else(|| panic!("no cookie: {self:?}")).to_owned()
    }

    /// The hidden fields of the form, as a browser sends them back.
    pub(crate) fn hidden(&self) -> Vec<(String, String)> {
        let plain = |text: &str| {
            text.replace("&quot;", "\"")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&#x27;", "'")
                .replace("&#x3D;", "=")
                .replace("&amp;", "&")
        };
        let inputs = self.body.split("<input type=\"hidden\" name=\"").skip(1);
        let named = inputs.filter_map(|rest| {
            let (name, rest) = rest.split_once("\" value=\"")?;
            Some((name.to_owned(), plain(rest.split('"').next()?)))
        });
        named.collect()
    }

    /// The value of a hidden field.
    pub(crate) fn field(&self, name: &str) -> String {
        let behind = self.body.split(&format!("name=\"{name}\" value=\"")).nth(1);
        behind.and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("no field {name}: {self:?}")).to_owned()
    }
}

impl Served {
    /// Serves pages with every guard they have in the daemon.
    pub(crate) async fn start(pages: axum::Router) -> Served {
        Served::start_on(web::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap(), pages)
    }

    /// The same where the address has to be known before the pages are made.
    pub(crate) fn start_on(listener: TcpListener, pages: axum::Router) -> Served {
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(web::serve(listener, pages, stopped));
        Served { address, stop }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a browser on this machine opens to see a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Asks for a page.
    pub(crate) async fn get(&self, path: &str) -> Page {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await
    }

    /// Asks for a page with a cookie.
    pub(crate) async fn get_with(&self, path: &str, cookie: &str) -> Page {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"))
            .await
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_with(path, fields, "").await
    }

    /// Fills in a page that was shown and presses one of its buttons.
    pub(crate) async fn fill(&self, path: &str, page: &Page, typed: &[(&str, &str)], step: &str) -> Page {
        let hidden = page.hidden();
        let own = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<(&str, &str)> = own.chain(typed.iter().copied()).chain([("_step", step)]).collect();
        self.post(path, &fields).await
    }

    /// Sends a form with further header fields, each ended by CRLF.
    pub(crate) async fn post_with(&self, path: &str, fields: &[(&str, &str)], more: &str) -> Page {
        let encoded: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
        let body = encoded.join("&");
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n{more}\r\n{body}",
            body.len()
        ))
        .await
    }

    /// Sends a form with files, in the order of a browser: what is hidden, what is typed, the files, the button. Each file has the name of
    /// its field, its own name, and its bytes.
    pub(crate) async fn upload(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &str, &[u8])],
        step: &str,
        more: &str,
    ) -> Page {
        let mut body = Vec::new();
        let text = |name: &str, value: &str| {
            format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        for (name, value) in fields {
            body.extend(text(name, value).into_bytes());
        }
        for (name, called, bytes) in files {
            let called = called.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
            let head = format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{called}\"\r\n");
            body.extend(head.into_bytes());
            body.extend(b"Content-Type: text/html\r\n\r\n");
            body.extend(*bytes);
            body.extend(b"\r\n");
        }
        body.extend(text("_step", step).into_bytes());
        body.extend(b"--xyz--\r\n");
        self.post_multipart(path, &body, more).await
    }

    /// Sends the body of a form with files as it stands.
    pub(crate) async fn post_multipart(&self, path: &str, body: &[u8], more: &str) -> Page {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=xyz\r\n\
             Content-Length: {}\r\n{more}\r\n",
            body.len()
        );
        self.ask_bytes(&[head.as_bytes(), body].concat()).await
    }

    /// Sends a request as it stands.
    pub(crate) async fn ask(&self, request: &str) -> Page {
        self.ask_bytes(request.as_bytes()).await
    }

    async fn ask_bytes(&self, request: &[u8]) -> Page {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // Whoever is refused before the end of what they send may not get all of it across.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Page { status, head: head.replace("\r\n", "\n"), body: body.to_owned() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
