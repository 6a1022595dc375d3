//! The table `[caps]`.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::table::{self, Desk, Section, Value, nearest};
use crate::domain::allocation::Arm;
use crate::domain::study::{Caps, SiteCaps};

const MOST: u64 = u32::MAX as u64;

/// The caps; absent ones do not bind.
pub(super) fn read(
    desk: &mut Desk<'_>,
    root: &Section<'_, '_>,
    arms: &[Arm],
    strata: &[String],
) -> Option<(Caps, SiteCaps)> {
    let (mut caps, mut sites) = (Caps::default(), SiteCaps::default());
    let Some(value) = root.get("caps") else { return Some((caps, sites)) };
    let section = Section::open(desk, "caps", value, &["total", "arm", "arms", "site", "sites", "stratum", "cohort"])?;
    if let Some(value) = section.get("total") {
        caps.total = cap(desk, "caps.total", value);
    }
    if let Some(value) = section.get("stratum") {
        caps.stratum = cap(desk, "caps.stratum", value);
        if strata.is_empty() {
            desk.error(Some(value.span()), "caps.stratum", "the scheme has no strata", "strata = [ … ], or caps.total");
        }
    }
    for key in ["arm", "arms"] {
        let Some(value) = section.get(key) else { continue };
        let path = section.path_of(key);
        let (each, own) = each_or_own(desk, &path, value);
        caps.arms.extend(arms.iter().filter_map(|arm| Some((arm.code.clone(), each?))));
        for (code, cap) in own {
            if arms.iter().any(|arm| arm.code == code) {
                caps.arms.push((code, cap));
            } else {
                let near = nearest(&code, arms.iter().map(|arm| arm.code.as_str()));
                let right = near.map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default();
                desk.error(Some(value.span()), &format!("{path}.{code}"), "is no arm", right);
            }
        }
    }
    for key in ["site", "sites"] {
        let Some(value) = section.get(key) else { continue };
        let (each, own) = each_or_own(desk, &section.path_of(key), value);
        sites.each = each.or(sites.each);
        sites.own.extend(own);
    }
    Some((caps, sites))
}

/// One integer for each, or a table with one for some.
fn each_or_own(desk: &mut Desk<'_>, path: &str, value: &Value<'_>) -> (Option<u32>, BTreeMap<String, u32>) {
    let DeValue::Table(entries) = value.get_ref() else { return (cap(desk, path, value), BTreeMap::new()) };
    let mut own = BTreeMap::new();
    for (key, value) in entries {
        let name: &str = key.get_ref();
        if let Some(cap) = cap(desk, &format!("{path}.{name}"), value) {
            own.insert(name.to_owned(), cap);
        }
    }
    (None, own)
}

fn cap(desk: &mut Desk<'_>, path: &str, value: &Value<'_>) -> Option<u32> {
    table::whole(desk, path, value, 1, MOST).and_then(|cap| u32::try_from(cap).ok())
}
