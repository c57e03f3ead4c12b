//! Who has an account here, as `/etc/passwd` says.

use std::ops::Range;

/// Where the accounts are.
const TABLE: &str = "/etc/passwd";
/// The user ids of people; others belong to services and agents.
const PEOPLE: Range<u32> = 1000..60_000;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name, by which one logs in.
    pub name: String,
    /// Its person's name, or its own where none is written down.
    pub person: String,
}

impl Account {
    /// An account of which nothing but the name is known.
    pub fn named(name: String) -> Self {
        Self {
            person: name.clone(),
            name,
        }
    }

    /// The account of this process's user id. What the environment says is anybody's word.
    ///
    /// # Errors
    /// The accounts cannot be read, or it is not there.
    pub fn own() -> Result<Self, String> {
        let uid = rustix::process::getuid().as_raw();
        Self::of_uid(&table()?, uid).ok_or_else(|| format!("{TABLE} has no account of uid {uid}"))
    }

    /// Everybody who may sit down here, by their names.
    ///
    /// # Errors
    /// The accounts cannot be read.
    pub fn people() -> Result<Vec<Self>, String> {
        Ok(Self::people_of(&table()?))
    }

    fn of_uid(table: &str, uid: u32) -> Option<Self> {
        let mut lines = table.lines().filter_map(line);
        lines.find_map(|(theirs, account, _)| (theirs == uid).then_some(account))
    }

    fn people_of(table: &str) -> Vec<Self> {
        let lines = table.lines().filter_map(line);
        let people = lines.filter(|(uid, _, shell)| PEOPLE.contains(uid) && logs_in(shell));
        let mut people: Vec<_> = people.map(|(_, account, _)| account).collect();
        people.sort_by_cached_key(|account| (account.person.to_lowercase(), account.name.clone()));
        people
    }
}

fn table() -> Result<String, String> {
    std::fs::read_to_string(TABLE).map_err(|error| format!("{TABLE}: {error}"))
}

/// What a line says: user id, account, shell.
fn line(line: &str) -> Option<(u32, Account, &str)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let uid = fields.nth(1)?.parse().ok()?;
    let words = fields.nth(1)?;
    let person = words.split(',').next().unwrap_or_default().trim();
    let account = Account {
        name: name.to_owned(),
        person: if person.is_empty() { name } else { person }.to_owned(),
    };
    Some((uid, account, fields.nth(1).unwrap_or_default()))
}

/// Whether a shell lets its account in. No shell means the usual one.
fn logs_in(shell: &str) -> bool {
    !matches!(shell.rsplit('/').next(), Some("nologin" | "false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: &str = "root:x:0:0:root:/root:/bin/bash\n\
                        greeter:x:978:978:ArgOS greeter:/var/lib/argos/greeter:/usr/sbin/nologin\n\
                        broken\n\
                        \n\
                        zoe:x:1002:1002:zoë:/home/zoe:\n\
                        ada:x:1000:1000:Ada Lovelace,,,:/home/ada:/bin/bash\n\
                        bare:x:1001:1001::/home/bare:/bin/sh\n\
                        gone:x:1003:1003::/home/gone:/usr/sbin/nologin\n\
                        off:x:1004:1004::/home/off:/bin/false\n\
                        nobody:x:65534:65534:nobody:/:/bin/sh\n";

    #[test]
    fn the_account_is_the_one_of_the_uid() {
        let find = |uid| Account::of_uid(SOME, uid).map(|account| (account.name, account.person));
        assert_eq!(find(1000), Some(("ada".into(), "Ada Lovelace".into())));
        assert_eq!(find(1001), Some(("bare".into(), "bare".into())));
        assert_eq!(find(7), None);
    }

    #[test]
    fn people_are_those_who_can_log_in() {
        let names: Vec<_> = Account::people_of(SOME)
            .into_iter()
            .map(|account| account.name)
            .collect();
        assert_eq!(names, ["ada", "bare", "zoe"]);
    }
}
