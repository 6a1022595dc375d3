//! Who runs a command: the system says so. What the environment says of a user is whatever somebody wrote there.

use nix::unistd::{Uid, User, getuid};

/// Whose name the acts of this process are recorded under: `operator:NAME`, by its real user id. Of root the environment is believed
/// as far as sudo goes, for root could become anybody anyway: `operator:root (sudo: NAME)`.
pub(super) fn actor() -> String {
    // A user database that is away is no reason to do nothing: the number is who acts, too.
    let name = |uid| User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
    actor_of(getuid().as_raw(), std::env::var("SUDO_UID").ok().as_deref(), name)
}

fn actor_of(uid: u32, sudo: Option<&str>, name: impl Fn(u32) -> Option<String>) -> String {
    let own = name(uid).unwrap_or_else(|| format!("uid {uid}"));
    let before = sudo.filter(|_| uid == 0).and_then(|sudo| sudo.parse().ok()).filter(|before| *before != uid);
    match before.and_then(name) {
        Some(before) => format!("operator:{own} (sudo: {before})"),
        None => format!("operator:{own}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_who_acts() {
        let name = |uid| match uid {
            0 => Some("root".to_string()),
            1000 => Some("alice".to_string()),
            _ => None,
        };
        for (uid, sudo, actor) in [
            (1000, None, "operator:alice"),
            // Anybody can write this.
            (1000, Some("0"), "operator:alice"),
            (0, None, "operator:root"),
            (0, Some("1000"), "operator:root (sudo: alice)"),
            (0, Some("0"), "operator:root"),
            (0, Some("4711"), "operator:root"),
            (0, Some("alice"), "operator:root"),
            (4711, Some("1000"), "operator:uid 4711"),
        ] {
            assert_eq!(actor_of(uid, sudo, name), actor, "{uid} {sudo:?}");
        }
    }

    #[test]
    fn it_is_found_in_the_user_database() {
        let uid = getuid();
        let known = User::from_uid(uid).unwrap().map_or_else(|| format!("uid {uid}"), |user| user.name);
        assert!(actor().starts_with(&format!("operator:{known}")), "{}", actor());
    }
}
