//! What our own border said of the sender: `Authentication-Results` (RFC 8601), nobody else's.
//!
//! Fields of foreign servers are ignored. Of ours the topmost counts, with those of ours that directly follow it: a
//! border may write one field per method. What stands lower came in with the mail. The border must take off incoming
//! fields that bear its name (RFC 8601 section 5); no reader can tell those from its own.

use super::address;
use super::header::Header;
use super::reason::Reason;

/// One method's result.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    method: String,
    result: String,
    /// `header.from` and the like, lower case, with their values.
    properties: Vec<(String, String)>,
}

/// Whether our border vouches for the domain of `from` by DMARC (RFC 7489): `Err` says why not.
pub fn dmarc(header: &Header<'_>, authserv_ids: &[String], from: &str) -> Result<(), Reason> {
    // Our border writes on top, its fields in one run. Foreign ones are passed over; behind the run stands what a sender
    // may have written in our name.
    let mut outcomes = Vec::new();
    let mut reached = false;
    for field in &header.fields {
        let results = (field.name == "authentication-results").then(|| parse(&field.text())).flatten();
        match results {
            Some((id, results)) if authserv_ids.iter().any(|own| own.eq_ignore_ascii_case(&id)) => {
                reached = true;
                outcomes.extend(results);
            }
            _ if reached => break,
            _ => {}
        }
    }
    let Some(outcome) = outcomes.iter().find(|outcome| outcome.method == "dmarc") else {
        return Err(Reason::AuthNone);
    };
    let vouched = outcome.properties.iter().find(|(name, _)| name == "header.from").map(|(_, value)| value.as_str());
    match outcome.result.as_str() {
        "none" => Err(Reason::AuthNone),
        "pass" if vouched.is_some_and(|domain| is_aligned(domain, address::domain(from))) => Ok(()),
        _ => Err(Reason::AuthFail),
    }
}

/// The domain itself, or the organization's above it.
fn is_aligned(vouched: &str, from: &str) -> bool {
    let vouched = address::fold(address::domain(&format!("@{}", vouched.trim_start_matches('@'))));
    let from = address::fold(from);
    let above = from.strip_suffix(vouched.as_str()).is_some_and(|sub| sub.ends_with('.')) && vouched.contains('.');
    !vouched.is_empty() && (vouched == from || above)
}

/// The server's name and its results; `None` for a field that is none.
fn parse(value: &str) -> Option<(String, Vec<Outcome>)> {
    let mut clauses = clauses(value)?.into_iter();
    let id = clauses.next()?.into_iter().next()?; // a version may follow it
    if id.contains('=') {
        return None;
    }
    Some((id, clauses.filter_map(|clause| outcome(&clause)).collect()))
}

/// `method/version=result reason=… ptype.property=value …`
fn outcome(words: &[String]) -> Option<Outcome> {
    let (method, result) = words.first()?.split_once('=')?;
    let method = method.split('/').next().unwrap_or_default().trim().to_ascii_lowercase();
    let properties = words
        .iter()
        .skip(1)
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
        .collect();
    Some(Outcome { method, result: result.to_ascii_lowercase(), properties })
}

/// Clauses between semicolons, each as words; comments dropped, quotes taken off, blanks around `=`, `/` and `.` too.
/// `None` where quotes or comments do not close.
fn clauses(value: &str) -> Option<Vec<Vec<String>>> {
    let mut clauses: Vec<Vec<String>> = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut glue = false;
    let mut depth = 0usize;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if depth > 0 => drop(chars.next()),
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            ';' => {
                clauses.last_mut()?.extend(word.take());
                clauses.push(Vec::new());
                glue = false;
            }
            c if c.is_whitespace() => {
                if !glue {
                    clauses.last_mut()?.extend(word.take());
                }
            }
            '=' | '/' if word.is_none() => {
                // A blank stood before it: it goes on with the word before.
                word = clauses.last_mut()?.pop();
                word.get_or_insert_default().push(c);
                glue = true;
            }
            '"' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => quoted.push(chars.next()?),
                        c => quoted.push(c),
                    }
                }
                glue = false;
            }
            c => {
                word.get_or_insert_default().push(c);
                glue = matches!(c, '=');
            }
        }
    }
    if depth > 0 {
        return None;
    }
    clauses.last_mut()?.extend(word);
    Some(clauses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(block: &str) -> Result<(), Reason> {
        let raw = format!("{block}\nFrom: y@example.jp\n\n");
        dmarc(&Header::parse(raw.as_bytes()), &["mx.example.jp".to_string()], "yamada@example.jp")
    }

    const PASS: &str = "Authentication-Results: mx.example.jp; dmarc=pass header.from=example.jp";

    #[test]
    fn a_pass_of_our_border() {
        for field in [
            PASS,
            "Authentication-Results: MX.example.jp 1; spf=fail; DMARC=Pass (p=REJECT; pct=100) Header.From=EXAMPLE.jp",
            "Authentication-Results: (a (b)) mx.example.jp (c); dkim=pass reason=\"a; dmarc=fail\" header.d=x; dmarc/1 = pass header.from=\"example.jp\"",
            "Authentication-Results: mx.example.jp;\n dkim=pass header.d=example.jp;\n\tdmarc=pass policy.dmarc=none header.from=example.jp",
            "Authentication-Results: mx.example.jp; dkim=pass header.d=example.jp\nAuthentication-Results: mx.example.jp; dmarc=pass header.from=example.jp",
            "Authentication-Results: mx.other.org; dmarc=fail header.from=example.jp\nAuthentication-Results: mx.example.jp; dmarc=pass header.from=example.jp",
        ] {
            assert_eq!(ask(field), Ok(()), "{field}");
        }
    }

    #[test]
    fn nothing_said() {
        for field in [
            // Behind another field, which a sender may have written, nothing counts any more.
            "Authentication-Results: mx.example.jp; spf=pass smtp.mailfrom=x\nX-Spam: no\nAuthentication-Results: mx.example.jp; dmarc=pass header.from=example.jp",
            "Authentication-Results: mx.example.jp; spf=pass smtp.mailfrom=x\nReceived-SPF: x\nAuthentication-Results: mx.example.jp; dmarc=pass header.from=example.jp",
            "X-Nothing: here",
            "Authentication-Results: mx.other.org; dmarc=pass header.from=example.jp",
            "Authentication-Results: mx.example.jp.other.org; dmarc=pass header.from=example.jp",
            "Authentication-Results: mx.example.jp; none",
            "Authentication-Results: mx.example.jp; dkim=pass header.d=example.jp; spf=pass",
            "Authentication-Results: mx.example.jp; dmarc=none header.from=example.jp",
            "Authentication-Results: dmarc=pass header.from=example.jp",
            "Authentication-Results: mx.example.jp; (dmarc=pass header.from=example.jp)",
            "Authentication-Results: mx.example.jp; x=\"; dmarc=pass header.from=example.jp",
        ] {
            assert_eq!(ask(field), Err(Reason::AuthNone), "{field}");
        }
    }

    #[test]
    fn a_failure_or_another_domain() {
        for field in [
            "Authentication-Results: mx.example.jp; dmarc=fail header.from=example.jp",
            "Authentication-Results: mx.example.jp; dmarc=temperror header.from=example.jp",
            "Authentication-Results: mx.example.jp; dmarc=pass header.from=example.org",
            "Authentication-Results: mx.example.jp; dmarc=pass header.from=ample.jp",
            "Authentication-Results: mx.example.jp; dmarc=pass header.from=jp",
            "Authentication-Results: mx.example.jp; dmarc=pass",
        ] {
            assert_eq!(ask(field), Err(Reason::AuthFail), "{field}");
        }
    }

    #[test]
    fn what_stands_lower_came_with_the_mail() {
        let forged =
            format!("Authentication-Results: mx.example.jp; dmarc=fail header.from=example.jp\nReceived: x\n{PASS}");
        assert_eq!(ask(&forged), Err(Reason::AuthFail));
        let forged = format!("Authentication-Results: mx.example.jp; spf=pass\nReceived: x\n{PASS}");
        assert_eq!(ask(&forged), Err(Reason::AuthNone));
        let forged = format!("Authentication-Results: mx.example.jp; spf=pass\nSubject: x\n{PASS}");
        assert_eq!(ask(&forged), Err(Reason::AuthNone));
    }

    #[test]
    fn a_subdomain_is_aligned_with_its_organization() {
        let raw = format!("{PASS}\n\n");
        let ids = ["mx.example.jp".to_string()];
        assert_eq!(dmarc(&Header::parse(raw.as_bytes()), &ids, "y@hospital.example.jp"), Ok(()));
        assert_eq!(dmarc(&Header::parse(raw.as_bytes()), &ids, "y@badexample.jp"), Err(Reason::AuthFail));
    }
}
