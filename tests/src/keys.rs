//! From characters to the keys of a US keyboard.

/// QEMU's key codes that make `c` on a US layout, modifiers first. `None` if no key does.
pub fn for_char(c: char) -> Option<Vec<String>> {
    let (shift, code): (bool, String) = match c {
        'a'..='z' | '0'..='9' => (false, c.to_string()),
        'A'..='Z' => (true, c.to_ascii_lowercase().to_string()),
        _ => {
            let (shift, name) = match c {
                ' ' => (false, "spc"),
                '\n' => (false, "ret"),
                '\t' => (false, "tab"),
                '-' => (false, "minus"),
                '_' => (true, "minus"),
                '=' => (false, "equal"),
                '+' => (true, "equal"),
                '/' => (false, "slash"),
                '?' => (true, "slash"),
                '.' => (false, "dot"),
                '>' => (true, "dot"),
                ',' => (false, "comma"),
                '<' => (true, "comma"),
                ';' => (false, "semicolon"),
                ':' => (true, "semicolon"),
                '\'' => (false, "apostrophe"),
                '"' => (true, "apostrophe"),
                '\\' => (false, "backslash"),
                '|' => (true, "backslash"),
                '[' => (false, "bracket_left"),
                ']' => (false, "bracket_right"),
                '{' => (true, "bracket_left"),
                '}' => (true, "bracket_right"),
                '`' => (false, "grave_accent"),
                '~' => (true, "grave_accent"),
                '!' => (true, "1"),
                '@' => (true, "2"),
                '#' => (true, "3"),
                '$' => (true, "4"),
                '%' => (true, "5"),
                '^' => (true, "6"),
                '&' => (true, "7"),
                '*' => (true, "8"),
                '(' => (true, "9"),
                ')' => (true, "0"),
                _ => return None,
            };
            (shift, name.to_owned())
        }
    };
    Some(if shift {
        vec!["shift".to_owned(), code]
    } else {
        vec![code]
    })
}

#[cfg(test)]
mod tests {
    use super::for_char;

    #[test]
    fn every_printable_ascii_character_has_keys() {
        for c in (' '..='~').chain(['\n', '\t']) {
            assert!(for_char(c).is_some(), "{c:?}");
        }
        assert_eq!(for_char('~').unwrap(), ["shift", "grave_accent"]);
        assert_eq!(for_char('é'), None);
    }
}
