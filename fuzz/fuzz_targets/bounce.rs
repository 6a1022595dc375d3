//! Delivery reports: any mail read as one.
#![no_main]

use hagaki::domain::study::Post;
use hagaki::mail::reading::{address, bounce, charset, header::Header, recipient, structure, subject};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let post = Post {
        address: "reg@example.jp".into(),
        authserv_ids: vec!["mx.example.jp".into()],
        message_id_domain: "reg.example.jp".into(),
    };
    let header = Header::parse(raw);
    let (root, _) = structure::split(header.clone());
    let senders = header.text("from").map(|value| address::parse(&value).addresses).unwrap_or_default();
    let subject = subject::read(&header, &charset::nobody);
    let sub_address = recipient::find(&header, &post.address);
    bounce::read(&header, &root, &subject, &senders, sub_address.as_ref(), &post);
});
