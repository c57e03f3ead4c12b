//! The grants of one person, kept in one file.
//!
//! `grants.json` is replaced as a whole (temporary file, fsync, rename), so that after a power cut
//! there is the old set or the new one. A file that cannot be understood is moved aside and the
//! store starts empty: everything is asked again, nothing is allowed by accident. Grants for this
//! session are never written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::permission::{Grant, Need, Scope, Subject, Verdict};

/// Version of the file's shape.
const VERSION: u32 = 1;

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
                file,
            },
            warning,
        )
    }

    /// Every grant and standing refusal, oldest first.
    pub fn all(&self) -> &[Grant] {
        &self.file.grants
    }

    /// Remembers a decision. A lasting one is on disk when this returns.
    ///
    /// # Errors
    /// The file could not be written; the decision is not remembered then.
    pub fn add(
        &mut self,
        subject: &Subject,
        need: &Need,
        verdict: Verdict,
        scope: Scope,
        now_ms: u64,
    ) -> Result<u64, argos_config::Error> {
        let mut next = self.file.clone();
        let id = next.next_id;
        next.next_id += 1;
        next.grants.push(Grant {
            id,
            agent: subject.agent.clone(),
            agent_hash: subject.hash.clone(),
            action: need.action.clone(),
            resource: need.resource.clone(),
            verdict,
            scope,
            created_ms: now_ms,
        });
        self.replace(next, scope == Scope::Always)?;
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

    /// Called before an agent starts: drops what was granted to an earlier content of it, and
    /// gives `shipped` (the permissions that came with the system) once per content.
    ///
    /// # Errors
    /// The file could not be written. What was dropped stays dropped in memory.
    pub fn admit(
        &mut self,
        subject: &Subject,
        shipped: &[Need],
        now_ms: u64,
    ) -> Result<(), argos_config::Error> {
        let mut next = self.file.clone();
        next.grants
            .retain(|g| g.agent != subject.agent || g.agent_hash == subject.hash);
        let mut changed = next.grants.len() != self.file.grants.len();
        // Stale grants match no subject any more; dropping them cannot wait for the disk.
        self.file.grants = next.grants.clone();
        if !shipped.is_empty() && next.installed.get(&subject.agent) != Some(&subject.hash) {
            for need in shipped {
                let id = next.next_id;
                next.next_id += 1;
                next.grants.push(Grant {
                    id,
                    agent: subject.agent.clone(),
                    agent_hash: subject.hash.clone(),
                    action: need.action.clone(),
                    resource: need.resource.clone(),
                    verdict: Verdict::Allow,
                    scope: Scope::Always,
                    created_ms: now_ms,
                });
            }
            next.installed
                .insert(subject.agent.clone(), subject.hash.clone());
            changed = true;
        }
        if changed {
            self.replace(next, true)
        } else {
            Ok(())
        }
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
        self.file = next;
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> Result<File, String> {
    let file: File = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if file.version != VERSION {
        return Err(format!("version {} is not {VERSION}", file.version));
    }
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

    #[test]
    fn session_grants_end_with_the_process_and_lasting_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grants.json");
        let (mut store, warning) = GrantStore::open(&path);
        assert!(warning.is_none());
        store
            .add(&subject("h"), &need("/a"), Verdict::Allow, Scope::Always, 5)
            .unwrap();
        store
            .add(&subject("h"), &need("/b"), Verdict::Deny, Scope::Session, 6)
            .unwrap();
        store
            .add(&subject("h"), &need("/c"), Verdict::Deny, Scope::Always, 7)
            .unwrap();
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
                        store.add(&subject(&hash), &need(&format!("/{r}")), verdict, scope, 0).unwrap();
                    }
                    Op::Revoke(id) => { store.revoke(u64::from(id)).unwrap(); }
                    Op::Admit(h) => {
                        hash = format!("h{h}");
                        store.admit(&subject(&hash), &[], 0).unwrap();
                        prop_assert!(store.all().iter().all(|g| g.agent_hash == hash));
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
            }
        }
    }
}
