//! The grants of one person, kept in one file.
//!
//! `grants.json` is replaced as a whole (temporary file, fsync, rename), so that after a power cut
//! there is the old set or the new one. A file that cannot be understood is moved aside and the
//! store starts empty: everything is asked again, nothing is allowed by accident. Grants for this
//! session are never written. Those whose time is over count no more at once, and leave the file when
//! it is written next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::index::Index;
use crate::permission::{Decision, Fallback, Grant, Need, Scope, Subject, Verdict, decide};

/// Version of the file's shape. Version 1 had no times after which a grant is over.
const VERSION: u32 = 2;

/// What is on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    next_id: u64,
    grants: Vec<Grant>,
    /// Agents whose shipped permissions were given already, with the hash they had then: what the
    /// person takes back afterwards stays taken back.
    #[serde(default)]
    installed: BTreeMap<String, String>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            version: VERSION,
            next_id: 1,
            grants: Vec::new(),
            installed: BTreeMap::new(),
        }
    }
}

/// All remembered decisions.
#[derive(Debug)]
pub struct GrantStore {
    path: PathBuf,
    /// Session and lasting grants together, in the order they were given.
    file: File,
    index: Index,
}

/// What is to be remembered.
#[derive(Debug, Clone, Copy)]
pub struct Word<'a> {
    /// About whom.
    pub subject: &'a Subject,
    /// About what.
    pub need: &'a Need,
    /// Yes or no.
    pub verdict: Verdict,
    /// For how long.
    pub scope: Scope,
    /// Until when at the latest, milliseconds since the epoch.
    pub expires_ms: Option<u64>,
}

impl GrantStore {
    /// Opens the store at `path`. The second value is a warning for the person if the file was
    /// unusable; it names where the file was moved.
    pub fn open(path: &Path) -> (Self, Option<String>) {
        let (file, warning) = match std::fs::read(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => (File::default(), None),
            Err(e) => (
                File::default(),
                Some(format!(
                    "{}: the grants cannot be read ({e}); every permission is asked again",
                    path.display()
                )),
            ),
            Ok(bytes) => match parse(&bytes) {
                Ok(file) => (file, None),
                Err(reason) => (File::default(), Some(move_aside(path, &reason))),
            },
        };
        (
            Self {
                path: path.to_owned(),
                index: Index::of(&file.grants),
                file,
            },
            warning,
        )
    }

    /// Every grant and standing refusal, oldest first, those whose time is over included.
    pub fn all(&self) -> &[Grant] {
        &self.file.grants
    }

    /// Every grant and standing refusal that holds now, oldest first.
    pub fn current(&self, now_ms: u64) -> impl Iterator<Item = &Grant> {
        self.file.grants.iter().filter(move |g| !g.is_over(now_ms))
    }

    /// What the rule says about this now.
    pub fn decide(
        &self,
        subject: &Subject,
        need: &Need,
        fallback: Fallback,
        now_ms: u64,
    ) -> Decision {
        let found = self.index.candidates(&subject.agent, need);
        let found = found.into_iter().map(|at| &self.file.grants[at]);
        decide(found, subject, need, fallback, now_ms)
    }

    /// The paths that were refused to an agent for this action, oldest first. A refusal outlives a
    /// change of the agent. What changes files can take a folder to where a refusal to read it does not
    /// reach, so for that every refusal counts.
    pub fn refused_paths(
        &self,
        agent: &str,
        action: &str,
        now_ms: u64,
    ) -> impl Iterator<Item = &Path> {
        let action = Some(action).filter(|action| *action != "write");
        let found = self.index.refused_paths(agent, action).into_iter();
        found
            .map(|at| &self.file.grants[at])
            .filter(move |grant| !grant.is_over(now_ms))
            .map(|grant| Path::new(&grant.resource))
    }

    /// Remembers a decision. A lasting one is on disk when this returns. The same word said earlier,
    /// but for its time, is replaced.
    ///
    /// # Errors
    /// The file could not be written; the decision is not remembered then.
    pub fn add(&mut self, word: Word<'_>, now_ms: u64) -> Result<u64, argos_config::Error> {
        let mut next = self.file.clone();
        let grant = next.give(word, now_ms);
        let id = grant.id;
        let earlier = next.grants.iter().position(|g| {
            Grant {
                id,
                created_ms: grant.created_ms,
                expires_ms: grant.expires_ms,
                ..g.clone()
            } == grant
        });
        if let Some(at) = earlier {
            next.grants.remove(at);
        }
        next.grants.push(grant);
        next.grants.retain(|g| !g.is_over(now_ms));
        self.replace(next, word.scope == Scope::Always)?;
        Ok(id)
    }

    /// Takes a grant back; `false` if there is none of that number.
    ///
    /// # Errors
    /// The file could not be written; the grant stands then.
    pub fn revoke(&mut self, id: u64) -> Result<bool, argos_config::Error> {
        let Some(at) = self.file.grants.iter().position(|g| g.id == id) else {
            return Ok(false);
        };
        let mut next = self.file.clone();
        let gone = next.grants.remove(at);
        self.replace(next, gone.scope == Scope::Always)?;
        Ok(true)
    }

    /// Called before an agent starts: drops what was granted to an earlier content of it (standing
    /// refusals stay), and gives `shipped` (the permissions that came with the system) once per
    /// content. Returns whether anything changed.
    ///
    /// # Errors
    /// The file could not be written. What was dropped stays dropped in memory.
    pub fn admit(
        &mut self,
        subject: &Subject,
        shipped: &[Need],
        now_ms: u64,
    ) -> Result<bool, argos_config::Error> {
        let mut next = self.file.clone();
        next.grants.retain(|g| {
            !g.is_over(now_ms)
                && (g.agent != subject.agent
                    || g.agent_hash == subject.hash
                    || g.verdict == Verdict::Deny)
        });
        let mut changed = next.grants.len() != self.file.grants.len();
        // Stale grants match no subject any more; dropping them cannot wait for the disk.
        self.file.grants = next.grants.clone();
        self.index = Index::of(&self.file.grants);
        if !shipped.is_empty() && next.installed.get(&subject.agent) != Some(&subject.hash) {
            for need in shipped {
                let word = Word {
                    subject,
                    need,
                    verdict: Verdict::Allow,
                    scope: Scope::Always,
                    expires_ms: None,
                };
                let grant = next.give(word, now_ms);
                next.grants.push(grant);
            }
            next.installed
                .insert(subject.agent.clone(), subject.hash.clone());
            changed = true;
        }
        if changed {
            self.replace(next, true)?;
        }
        Ok(changed)
    }

    fn replace(&mut self, next: File, lasting: bool) -> Result<(), argos_config::Error> {
        if lasting {
            let mut on_disk = next.clone();
            on_disk.grants.retain(|g| g.scope == Scope::Always);
            let mut text = serde_json::to_vec_pretty(&on_disk).map_err(|e| {
                argos_config::Error::Unserialisable {
                    path: self.path.clone(),
                    message: e.to_string(),
                }
            })?;
            text.push(b'\n');
            argos_config::write_atomically(&self.path, &text)?;
        }
        self.index = Index::of(&next.grants);
        self.file = next;
        Ok(())
    }
}

impl File {
    /// A grant with the next number.
    fn give(&mut self, word: Word<'_>, now_ms: u64) -> Grant {
        let id = self.next_id;
        self.next_id += 1;
        Grant {
            id,
            agent: word.subject.agent.clone(),
            agent_hash: word.subject.hash.clone(),
            action: word.need.action.clone(),
            resource: word.need.resource.clone(),
            verdict: word.verdict,
            scope: word.scope,
            created_ms: now_ms,
            expires_ms: word.expires_ms,
        }
    }
}

fn parse(bytes: &[u8]) -> Result<File, String> {
    let mut file: File = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if !(1..=VERSION).contains(&file.version) {
        return Err(format!("version {} is not known", file.version));
    }
    file.version = VERSION;
    if file
        .grants
        .iter()
        .any(|g| g.scope == Scope::Session || g.id >= file.next_id)
    {
        return Err("it holds a grant that was never written by this program".to_owned());
    }
    Ok(file)
}

fn move_aside(path: &Path, reason: &str) -> String {
    let aside = path.with_extension("json.broken");
    let whereto = match std::fs::rename(path, &aside) {
        Ok(()) => format!("moved to {}", aside.display()),
        Err(e) => format!("and it could not be moved aside: {e}"),
    };
    format!(
        "{}: the grants are damaged ({reason}); the file was {whereto}; every permission is asked again",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subject(hash: &str) -> Subject {
        Subject {
            agent: "steward".into(),
            hash: hash.into(),
        }
    }

    fn need(resource: &str) -> Need {
        Need {
            action: "read".into(),
            resource: resource.into(),
        }
    }

    fn say(
        store: &mut GrantStore,
        hash: &str,
        resource: &str,
        verdict: Verdict,
        scope: Scope,
        expires_ms: Option<u64>,
    ) -> u64 {
        let word = Word {
            subject: &subject(hash),
            need: &need(resource),
            verdict,
            scope,
            expires_ms,
        };
        store.add(word, 5).unwrap()
    }

    #[test]
    fn session_grants_end_with_the_process_and_lasting_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grants.json");
        let (mut store, warning) = GrantStore::open(&path);
        assert!(warning.is_none());
        for (resource, verdict, scope) in [
            ("/a", Verdict::Allow, Scope::Always),
            ("/b", Verdict::Deny, Scope::Session),
            ("/c", Verdict::Deny, Scope::Always),
        ] {
            say(&mut store, "h", resource, verdict, scope, None);
        }
        assert_eq!(store.all().len(), 3);
        let (again, _) = GrantStore::open(&path);
        let kept: Vec<&str> = again.all().iter().map(|g| g.resource.as_str()).collect();
        assert_eq!(kept, ["/a", "/c"]);
    }

    #[test]
    fn a_damaged_file_allows_nothing_and_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grants.json");
        std::fs::write(&path, b"{\"version\":1,\"gra").unwrap();
        let (store, warning) = GrantStore::open(&path);
        assert!(store.all().is_empty());
        let warning = warning.unwrap();
        assert!(warning.contains("grants.json.broken"), "{warning}");
        assert!(dir.path().join("grants.json.broken").exists());
    }

    #[test]
    fn shipped_permissions_are_given_once_and_can_be_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grants.json");
        let (mut store, _) = GrantStore::open(&path);
        store.admit(&subject("h1"), &[need("notes")], 1).unwrap();
        let id = store.all()[0].id;
        assert!(store.revoke(id).unwrap());
        store.admit(&subject("h1"), &[need("notes")], 2).unwrap();
        assert!(
            store.all().is_empty(),
            "what was taken back stays taken back"
        );
        store.admit(&subject("h2"), &[need("notes")], 3).unwrap();
        assert_eq!(store.all().len(), 1, "a new content is a new installation");
        store.admit(&subject("h3"), &[], 4).unwrap();
        assert!(store.all().is_empty(), "a changed agent loses its grants");
    }

    #[test]
    fn a_changed_agent_keeps_its_standing_refusals() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grants.json");
        let (mut store, _) = GrantStore::open(&path);
        say(&mut store, "h1", "/a", Verdict::Allow, Scope::Always, None);
        say(&mut store, "h1", "/b", Verdict::Deny, Scope::Always, None);
        assert!(store.admit(&subject("h2"), &[], 6).unwrap());
        let (again, _) = GrantStore::open(&path);
        for store in [&store, &again] {
            let decide = |r| store.decide(&subject("h2"), &need(r), Fallback::Ask, 7);
            assert_eq!(decide("/a"), Decision::Ask { grantable: true });
            assert!(matches!(decide("/b/c"), Decision::Deny(_)));
        }
    }

    #[test]
    fn grants_end_at_their_time_and_leave_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grants.json");
        let (mut store, _) = GrantStore::open(&path);
        say(
            &mut store,
            "h",
            "/a",
            Verdict::Allow,
            Scope::Always,
            Some(100),
        );
        let allowed = |store: &GrantStore, now| {
            matches!(
                store.decide(&subject("h"), &need("/a"), Fallback::Ask, now),
                Decision::Allow(_)
            )
        };
        let (again, _) = GrantStore::open(&path);
        assert!(allowed(&store, 99) && allowed(&again, 99));
        assert!(!allowed(&store, 100) && !allowed(&again, 100));
        assert_eq!(
            (store.current(99).count(), store.current(100).count()),
            (1, 0)
        );
        assert!(store.admit(&subject("h"), &[], 100).unwrap());
        assert!(GrantStore::open(&path).0.all().is_empty());
    }

    #[test]
    fn refused_paths_are_the_agents_own_and_of_the_action() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = GrantStore::open(&dir.path().join("grants.json"));
        for (agent, action, resource, verdict, expires_ms) in [
            ("steward", "write", "/w", Verdict::Deny, None),
            ("steward", "read", "/r", Verdict::Deny, None),
            ("steward", "read", "/over", Verdict::Deny, Some(50)),
            ("steward", "read", "/yes", Verdict::Allow, None),
            ("steward", "read", "notes", Verdict::Deny, None),
            ("steward", "network", "example.org", Verdict::Deny, None),
            ("scout", "read", "/scouts", Verdict::Deny, None),
        ] {
            let word = Word {
                subject: &Subject {
                    agent: agent.into(),
                    hash: "earlier".into(),
                },
                need: &Need {
                    action: action.into(),
                    resource: resource.into(),
                },
                verdict,
                scope: Scope::Always,
                expires_ms,
            };
            store.add(word, 5).unwrap();
        }
        let refused = |agent, action, now| -> Vec<&Path> {
            store.refused_paths(agent, action, now).collect()
        };
        let paths = |all: &[&'static str]| -> Vec<&'static Path> {
            all.iter().copied().map(Path::new).collect()
        };
        assert_eq!(refused("steward", "read", 49), paths(&["/r", "/over"]));
        assert_eq!(refused("steward", "read", 50), paths(&["/r"]));
        // For changing, those for reading too.
        assert_eq!(refused("steward", "write", 50), paths(&["/w", "/r"]));
        assert_eq!(refused("scout", "write", 50), paths(&["/scouts"]));
        assert!(refused("steward", "control", 50).is_empty());
        assert!(refused("nobody", "write", 50).is_empty());
    }

    #[test]
    fn the_same_word_is_kept_once() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = GrantStore::open(&dir.path().join("grants.json"));
        say(
            &mut store,
            "h",
            "/a",
            Verdict::Allow,
            Scope::Always,
            Some(100),
        );
        let id = say(&mut store, "h", "/a", Verdict::Allow, Scope::Always, None);
        assert_eq!((store.all().len(), store.all()[0].id), (1, id));
        say(&mut store, "h", "/a", Verdict::Deny, Scope::Always, None);
        assert_eq!(store.all().len(), 2);
    }

    #[test]
    fn a_file_of_the_version_before_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grants.json");
        let grant = r#"{"id": 1, "agent": "steward", "agent_hash": "h", "action": "read",
            "resource": "/a", "verdict": "allow", "scope": "always", "created_ms": 5}"#;
        let text =
            |version| format!(r#"{{"version": {version}, "next_id": 2, "grants": [{grant}]}}"#);
        std::fs::write(&path, text(1)).unwrap();
        let (store, warning) = GrantStore::open(&path);
        assert_eq!((warning, store.all()[0].expires_ms), (None, None));
        std::fs::write(&path, text(3)).unwrap();
        assert!(GrantStore::open(&path).1.unwrap().contains("version 3"));
    }

    #[derive(Debug, Clone)]
    enum Op {
        Add(u8, bool, bool),
        Revoke(u8),
        Admit(u8),
        Reopen,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0u8..4, any::<bool>(), any::<bool>()).prop_map(|(r, a, s)| Op::Add(r, a, s)),
            (0u8..12).prop_map(Op::Revoke),
            (0u8..3).prop_map(Op::Admit),
            Just(Op::Reopen),
        ]
    }

    fn verify_invariants(store: &GrantStore) {
        let mut ids: Vec<u64> = store.all().iter().map(|g| g.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "numbers are unique");
        assert!(
            ids.iter().all(|id| *id < store.file.next_id),
            "numbers are never given twice"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_history_survives_reopening(ops in proptest::collection::vec(op(), 1..20)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("grants.json");
            let (mut store, _) = GrantStore::open(&path);
            let mut hash = "h0".to_owned();
            for op in ops {
                match op {
                    Op::Add(r, allow, always) => {
                        let verdict = if allow { Verdict::Allow } else { Verdict::Deny };
                        let scope = if always { Scope::Always } else { Scope::Session };
                        say(&mut store, &hash, &format!("/{r}"), verdict, scope, None);
                    }
                    Op::Revoke(id) => { store.revoke(u64::from(id)).unwrap(); }
                    Op::Admit(h) => {
                        hash = format!("h{h}");
                        store.admit(&subject(&hash), &[], 0).unwrap();
                        let kept = |g: &Grant| g.agent_hash == hash || g.verdict == Verdict::Deny;
                        prop_assert!(store.all().iter().all(kept));
                    }
                    Op::Reopen => {
                        let lasting: Vec<Grant> = store.all().iter()
                            .filter(|g| g.scope == Scope::Always).cloned().collect();
                        let (again, warning) = GrantStore::open(&path);
                        prop_assert!(warning.is_none());
                        prop_assert_eq!(again.all(), &lasting[..]);
                        store = again;
                    }
                }
                verify_invariants(&store);
                // The index is that of what is there.
                for r in 0u8..4 {
                    let (who, what) = (subject(&hash), need(&format!("/{r}/x")));
                    prop_assert_eq!(
                        store.decide(&who, &what, Fallback::Ask, 0),
                        decide(store.all(), &who, &what, Fallback::Ask, 0)
                    );
                }
            }
        }
    }
}
