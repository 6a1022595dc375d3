//! Header values: addresses, authentication results, parameters, ids.
#![no_main]

use hagaki::mail::reading::{address, charset, header::Header, identity, parameter::Structured, trust};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let header = Header::parse(raw);
    for field in &header.fields {
        for found in address::parse(&field.text()).addresses {
            assert!(found.contains('@'));
            address::fold(&found);
        }
        let structured = Structured::parse(&field.value());
        let _ = structured.plain("boundary");
        structured.readable("filename", &charset::nobody);
    }
    identity::references(&header);
    identity::date(&header);
    let _ = trust::dmarc(&header, &["mx.example.jp".to_string()], "yamada@example.jp");
});
