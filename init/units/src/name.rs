//! Unit names: `seatd`, `user@1000`, and for templates `user@`.
//!
//! A name becomes a cgroup, a log file and a part of D-Bus paths, so that what it may hold is
//! narrow.

/// Longest name, in bytes.
pub const MAX_LEN: usize = 96;

/// Whether `name` may name a unit or a template: letters, digits and `_.-:@`, beginning with a
/// letter or digit, with at most one `@`.
pub fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= MAX_LEN
        && bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-:@".contains(&b))
        && name.bytes().filter(|b| *b == b'@').count() <= 1
}

/// Whether `name` names a template, such as `user@`.
pub fn is_template(name: &str) -> bool {
    name.ends_with('@')
}

/// Splits an instance's name: `user@1000` is `("user@", "1000")`. `None` for plain units and
/// templates.
pub fn split_instance(name: &str) -> Option<(&str, &str)> {
    let at = name.find('@')?;
    let (template, instance) = name.split_at(at + 1);
    (!instance.is_empty()).then_some((template, instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_their_folder_are_refused() {
        for good in ["seatd", "user@1000", "user@", "a.b-c_d:e", "0"] {
            assert!(is_valid(good), "{good}");
        }
        let long = "a".repeat(MAX_LEN + 1);
        for bad in [
            "", ".", "..", "../x", "a/b", "a b", "@x", "a@b@c", "-a", "ä", "a\n", &long,
        ] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn instances_are_split_at_the_sign() {
        assert_eq!(split_instance("user@1000"), Some(("user@", "1000")));
        assert_eq!(split_instance("user@"), None);
        assert_eq!(split_instance("user"), None);
        assert!(is_template("user@"));
        assert!(!is_template("user@1000"));
    }
}
