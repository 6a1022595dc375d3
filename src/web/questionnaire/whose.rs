//! Whose form a page holds, told so that what a browser's tab keeps of it is put back for them alone.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// A name of somebody's form: the same as often as they open it, another for everybody else and for every other form. One of its
/// `parts` is random (an id of a credential or an account), so it tells nothing to whoever finds it in a browser.
///
/// It names the person and not the session, so that what they had typed is there again when they sign in anew.
pub(in crate::web) fn whose(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new_with_prefix("hagaki tab ");
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_elses_form_and_no_other_form_has_the_name() {
        let own = whose(&[b"account", b"/c/aurora/new"]);
        assert_eq!(own, whose(&[b"account", b"/c/aurora/new"]));
        for (who, form) in
            [("another", "/c/aurora/new"), ("account", "/c/aurora/1/correct"), ("account/", "c/aurora/new")]
        {
            assert_ne!(own, whose(&[who.as_bytes(), form.as_bytes()]), "{who} {form}");
        }
    }
}
