//! Lists of `name=value` with semicolons between, as records of DKIM and DMARC have them (RFC 6376 section 3.2).

/// The names and values, as they stand; none where a part has no `=` or a name stands twice.
pub(super) fn list(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut tags: Vec<(&str, &str)> = Vec::new();
    for part in text.split(';').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.split_once('=')?;
        let name = name.trim();
        if tags.iter().any(|(own, _)| *own == name) {
            return None;
        }
        tags.push((name, value.trim()));
    }
    Some(tags)
}

/// The value of a name.
pub(super) fn value<'a>(tags: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    tags.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
}
