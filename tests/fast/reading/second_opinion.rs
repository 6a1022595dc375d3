//! MIME structure held against two other parsers, on the corpus and on generated mails: where we accept a structure, they
//! must find the same leaves with the same bytes.

use hagaki::mail::reading::header::Header;
use hagaki::mail::reading::structure::{self, Part};
use mailparse::ParsedMail;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// Leaves as (media type, trimmed body), attached mails taken as leaves.
type Leaves = Vec<(String, Vec<u8>)>;

fn trimmed(body: &[u8]) -> Vec<u8> {
    body.trim_ascii_end().to_vec()
}

fn ours(part: &Part<'_>) -> Leaves {
    part.walk()
        .into_iter()
        .filter(|part| !part.is_multipart())
        .map(|part| (part.media.clone(), trimmed(part.body)))
        .collect()
}

fn of_mailparse(part: &ParsedMail<'_>, found: &mut Leaves) {
    if part.ctype.mimetype.starts_with("multipart/") {
        part.subparts.iter().for_each(|part| of_mailparse(part, found));
        return;
    }
    let raw = match part.get_body_encoded() {
        mailparse::body::Body::Base64(body) | mailparse::body::Body::QuotedPrintable(body) => body.get_raw().to_vec(),
        mailparse::body::Body::SevenBit(body) | mailparse::body::Body::EightBit(body) => body.get_raw().to_vec(),
        mailparse::body::Body::Binary(body) => body.get_raw().to_vec(),
    };
    found.push((part.ctype.mimetype.to_lowercase(), trimmed(&raw)));
}

fn of_mail_parser(raw: &[u8]) -> Option<Leaves> {
    use mail_parser::MimeHeaders;
    let message = mail_parser::MessageParser::default().parse(raw)?;
    let mut found = Leaves::new();
    for part in &message.parts {
        if matches!(part.body, mail_parser::PartType::Multipart(_)) {
            continue;
        }
        let media = part.content_type().map_or("text/plain".to_string(), |kind| {
            format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("plain")).to_lowercase()
        });
        let body = raw.get(part.offset_body as usize..part.offset_end as usize).unwrap_or_default();
        found.push((media, trimmed(body)));
    }
    Some(found)
}

/// Compares the structures; `Err` names the parser that differs.
fn compare(raw: &[u8]) -> Result<Compared, String> {
    let (root, problems) = structure::split(Header::parse(raw));
    if !problems.is_empty() {
        return Ok(Compared::Held);
    }
    let own = ours(&root);
    let parsed = mailparse::parse_mail(raw).map_err(|error| format!("mailparse: {error}"))?;
    let mut other = Leaves::new();
    of_mailparse(&parsed, &mut other);
    if own != other {
        return Err(format!("mailparse: {own:?}\n{other:?}"));
    }
    Ok(Compared::Same)
}

/// What came of a comparison.
#[derive(PartialEq)]
enum Compared {
    /// We hold the mail: nobody reads it, so nobody can differ.
    Held,
    /// The parsers agree.
    Same,
}

#[test]
fn on_the_corpus() {
    for (name, raw) in mails() {
        for raw in [to_lf(&raw), to_crlf(&raw)] {
            compare(&raw).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            // It loses the text of a multipart that is cut off: one reason for a splitter of our own.
            let (root, problems) = structure::split(Header::parse(&raw));
            if problems.is_empty() && !name.starts_with("093") && root.find("message/rfc822").is_none() {
                assert_eq!(Some(ours(&root)), of_mail_parser(&raw), "{name}");
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Tree {
    Leaf { media: &'static str, body: String },
    Multipart { kind: &'static str, boundary: String, parts: Vec<Tree>, preamble: String, epilogue: String },
}

fn tree() -> impl Strategy<Value = Tree> {
    let line = "(|[a-z: ]{0,20}|--[a-z]{0,3}|=_x|-- )";
    let text = proptest::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"));
    let media = prop_oneof![Just("text/plain"), Just("text/html"), Just("image/png"), Just("application/pdf")];
    let leaf = (media, text.clone()).prop_map(|(media, body)| Tree::Leaf { media, body });
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let kind = prop_oneof![Just("mixed"), Just("alternative"), Just("related"), Just("signed")];
        (kind, "[A-Za-z0-9'()+_,./:=?-]{1,30}", proptest::collection::vec(inner, 1..4), text.clone(), text.clone())
            .prop_map(|(kind, boundary, parts, preamble, epilogue)| Tree::Multipart {
                kind,
                boundary,
                parts,
                preamble,
                epilogue,
            })
    })
}

fn write(tree: &Tree, raw: &mut String) {
    match tree {
        Tree::Leaf { media, body } => *raw += &format!("Content-Type: {media}\n\n{body}\n"),
        Tree::Multipart { kind, boundary, parts, preamble, epilogue } => {
            *raw += &format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\n\n{preamble}\n");
            for part in parts {
                *raw += &format!("--{boundary}\n");
                write(part, raw);
            }
            *raw += &format!("--{boundary}--\n{epilogue}\n");
        }
    }
}

#[test]
fn on_generated_mails() {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(500));
    let same = std::cell::Cell::new(0);
    let outcome = runner.run(&tree(), |tree| {
        let mut raw = "Subject: x\n".to_string();
        write(&tree, &mut raw);
        for raw in [to_lf(raw.as_bytes()), to_crlf(raw.as_bytes())] {
            match compare(&raw) {
                Ok(compared) => same.set(same.get() + usize::from(compared == Compared::Same)),
                Err(wrong) => return Err(TestCaseError::fail(format!("{wrong}\n{}", String::from_utf8_lossy(&raw)))),
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(same.get() >= 600, "only {} of 1,000 mails were compared; the others were held", same.get());
}
