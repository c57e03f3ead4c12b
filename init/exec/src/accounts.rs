//! Users and groups out of `/etc/passwd` and `/etc/group`.

use std::fs;

use argos_sandbox::Identity;

/// A user as a process needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// All groups, `gid` among them.
    pub(crate) groups: Vec<u32>,
    pub(crate) home: String,
    pub(crate) shell: String,
}

impl Account {
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            uid: self.uid,
            gid: self.gid,
            groups: self.groups.clone(),
        }
    }
}

/// Looks a user up by name or number; with `group` instead of the user's own. The error says what
/// is not there.
pub(crate) fn find(user: &str, group: Option<&str>) -> Result<Account, String> {
    let read = |path: &str| {
        fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
    };
    find_in(&read("/etc/passwd")?, &read("/etc/group")?, user, group)
}

fn find_in(passwd: &str, groups: &str, user: &str, group: Option<&str>) -> Result<Account, String> {
    let mut account = passwd
        .lines()
        .filter_map(account)
        .find(|account| account.name == user || user.parse() == Ok(account.uid))
        .ok_or_else(|| format!("there is no user `{user}` in /etc/passwd"))?;
    let groups: Vec<Group<'_>> = groups.lines().filter_map(Group::parse).collect();
    if let Some(wanted) = group {
        let found = groups
            .iter()
            .find(|g| g.name == wanted || wanted.parse() == Ok(g.gid));
        account.gid = found
            .ok_or_else(|| format!("there is no group `{wanted}` in /etc/group"))?
            .gid;
    }
    account.groups = vec![account.gid];
    for group in groups {
        if group.has(&account.name) && !account.groups.contains(&group.gid) {
            account.groups.push(group.gid);
        }
    }
    Ok(account)
}

/// `name:password:uid:gid:comment:home:shell`
fn account(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else {
        return None;
    };
    let or = |text: &str, fallback: &str| {
        if text.is_empty() {
            fallback.into()
        } else {
            text.into()
        }
    };
    Some(Account {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        groups: Vec::new(),
        home: or(home, "/"),
        shell: or(shell, "/bin/sh"),
    })
}

/// `name:password:gid:members`
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _, gid, members) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        Some(Self {
            name,
            gid: gid.parse().ok()?,
            members,
        })
    }

    fn has(&self, user: &str) -> bool {
        self.members.split(',').any(|member| member.trim() == user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbroken line\nargos:x:1000:1000:,,,:/home/argos:\n7:x:7:7::/:/bin/sh\n";
    const GROUPS: &str = "root:x:0:\nvideo:x:44:argos,other\nargos:x:1000:argos\nseat:x:998: argos\nxargos:x:5:xargos\n";

    #[test]
    fn all_groups_of_a_user_are_found_and_no_others() {
        let account = find_in(PASSWD, GROUPS, "argos", None).unwrap();
        assert_eq!((account.uid, account.gid), (1000, 1000));
        assert_eq!(account.groups, [1000, 44, 998]);
        assert_eq!(
            (account.home.as_str(), account.shell.as_str()),
            ("/home/argos", "/bin/sh")
        );
        assert_eq!(find_in(PASSWD, GROUPS, "1000", None).unwrap(), account);
        let video = find_in(PASSWD, GROUPS, "argos", Some("video")).unwrap();
        assert_eq!((video.gid, video.groups), (44, vec![44, 1000, 998]));
    }

    #[test]
    fn who_is_not_there_is_refused() {
        assert!(find_in(PASSWD, GROUPS, "nobody", None).is_err());
        assert!(find_in(PASSWD, GROUPS, "argos", Some("wheel")).is_err());
        assert!(find_in("", "", "0", None).is_err());
    }
}
