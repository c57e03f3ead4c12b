//! Who may do what: the pure rule, with no clock, no disk and no bus in it.
//!
//! A *need* is what a tool is about to do, `(action, resource)`. A *grant* is what the person said
//! earlier about one agent at one content hash. [`decide`] puts the two together with what the
//! tool's declaration says for the case that nobody said anything.
//!
//! Resources that begin with `/` are paths: a grant covers the path itself and all beneath it,
//! component by component. Every other resource (an application's id, a host, `notes`) covers only
//! itself. A refusal beats every grant it overlaps with, however specific the grant is.
//!
//! Neighbours: `grants` keeps grants on disk, `prompts` holds the questions that wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The agent a decision is about. Another hash is another subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Name, as in its manifest.
    pub agent: String,
    /// Hash of manifest and code.
    pub hash: String,
}

/// What is about to be done, and on what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// `read`, `write`, `launch`, `control`, `network` or `message`.
    pub action: String,
    /// An absolute path, an application's id, a host, or a fixed word such as `notes`.
    pub resource: String,
}

/// What a tool's declaration says for the case that there is no grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Harmless: goes ahead.
    Allow,
    /// The person is asked; the answer can be kept.
    Ask,
    /// The person is asked every time; a yes cannot be kept.
    Confirm,
}

/// What a grant says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

impl Verdict {
    /// The word that travels on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// How long a grant holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Until the broker ends; never on disk.
    Session,
    /// Until it is taken back.
    Always,
}

impl Scope {
    /// The word that travels on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Always => "always",
        }
    }
}

/// A remembered decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Number, unique in the store.
    pub id: u64,
    /// Agent's name.
    pub agent: String,
    /// Agent's hash when it was given.
    pub agent_hash: String,
    /// Action, as in [`Need`].
    pub action: String,
    /// Resource; for paths the folder itself and all beneath it.
    pub resource: String,
    /// Yes or no.
    pub verdict: Verdict,
    /// For how long.
    pub scope: Scope,
    /// When it was given, milliseconds since the epoch.
    pub created_ms: u64,
}

impl Grant {
    fn covers(&self, subject: &Subject, need: &Need) -> bool {
        self.agent == subject.agent
            && self.agent_hash == subject.hash
            && self.action == need.action
            && covers(&self.resource, &need.resource)
    }

    fn word(&self) -> By {
        By::Grant {
            id: self.id,
            resource: self.resource.clone(),
        }
    }
}

/// What the rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go ahead; on whose word.
    Allow(By),
    /// Stop; on whose word.
    Deny(By),
    /// The person has to say. `grantable`: whether the yes may be kept.
    Ask {
        /// Whether `session` and `always` may be answered.
        grantable: bool,
    },
}

/// On whose word a decision was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// The tool's own declaration.
    Tool,
    /// An earlier answer.
    Grant {
        /// Its number.
        id: u64,
        /// What it is about: the need's resource, or a folder above it.
        resource: String,
    },
    /// The resource is malformed: never right, whoever asks.
    Malformed,
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tool => f.write_str("default"),
            Self::Grant { id, .. } => write!(f, "grant {id}"),
            Self::Malformed => f.write_str("malformed resource"),
        }
    }
}

/// Whether `grants` let `subject` do `need`, or who has to say.
pub fn decide(grants: &[Grant], subject: &Subject, need: &Need, fallback: Fallback) -> Decision {
    if !well_formed(&need.resource) {
        return Decision::Deny(By::Malformed);
    }
    let mut allowed = None;
    for grant in grants.iter().filter(|g| g.covers(subject, need)) {
        match grant.verdict {
            Verdict::Deny => return Decision::Deny(grant.word()),
            Verdict::Allow => {
                allowed.get_or_insert(grant);
            }
        }
    }
    match (fallback, allowed) {
        (Fallback::Allow, None) => Decision::Allow(By::Tool),
        (Fallback::Allow | Fallback::Ask, Some(grant)) => Decision::Allow(grant.word()),
        (Fallback::Ask, None) => Decision::Ask { grantable: true },
        // A kept yes never answers for a tool that has to be confirmed.
        (Fallback::Confirm, _) => Decision::Ask { grantable: false },
    }
}

/// Whether a grant on `granted` is about `wanted` too.
pub fn covers(granted: &str, wanted: &str) -> bool {
    if !well_formed(granted) || !well_formed(wanted) {
        return false;
    }
    if granted == wanted || (granted == "/" && wanted.starts_with('/')) {
        return true;
    }
    granted.starts_with('/')
        && wanted
            .strip_prefix(granted)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a resource can be reasoned about: not empty, no control characters; a path is absolute
/// and plain (no `.`, `..`, doubled or trailing slash), so that comparing text compares places.
pub fn well_formed(resource: &str) -> bool {
    if resource.is_empty() || resource.chars().any(char::is_control) {
        return false;
    }
    match resource.strip_prefix('/') {
        None | Some("") => true,
        Some(rest) => rest.split('/').all(|part| !matches!(part, "" | "." | "..")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subject() -> Subject {
        Subject {
            agent: "steward".into(),
            hash: "h1".into(),
        }
    }

    fn need(action: &str, resource: &str) -> Need {
        Need {
            action: action.into(),
            resource: resource.into(),
        }
    }

    fn grant(id: u64, resource: &str, verdict: Verdict) -> Grant {
        Grant {
            id,
            agent: "steward".into(),
            agent_hash: "h1".into(),
            action: "read".into(),
            resource: resource.into(),
            verdict,
            scope: Scope::Always,
            created_ms: 0,
        }
    }

    #[test]
    fn a_path_covers_what_is_beneath_and_not_what_looks_alike() {
        assert!(covers("/home/a", "/home/a"));
        assert!(covers("/home/a", "/home/a/b/c"));
        assert!(!covers("/home/a", "/home/ab"));
        assert!(!covers("/home/a/b", "/home/a"));
        assert!(!covers("/home/a", "/home/a/../b"));
        assert!(covers("/", "/etc"));
        assert!(!covers("notes", "notes/deep"));
    }

    #[test]
    fn a_traversal_is_refused_whatever_was_granted() {
        let d = decide(
            &[grant(1, "/", Verdict::Allow)],
            &subject(),
            &need("read", "/home/a/../b"),
            Fallback::Allow,
        );
        assert_eq!(d, Decision::Deny(By::Malformed));
    }

    #[test]
    fn a_changed_agent_is_asked_again() {
        let mut other = subject();
        other.hash = "h2".into();
        let grants = [grant(1, "/home/a", Verdict::Allow)];
        let n = need("read", "/home/a");
        assert_eq!(
            decide(&grants, &subject(), &n, Fallback::Ask),
            Decision::Allow(grants[0].word())
        );
        assert_eq!(
            decide(&grants, &other, &n, Fallback::Ask),
            Decision::Ask { grantable: true }
        );
    }

    #[test]
    fn confirm_asks_in_spite_of_a_grant_but_honours_a_refusal() {
        let n = need("read", "/home/a");
        let yes = [grant(1, "/home/a", Verdict::Allow)];
        let no = [grant(2, "/home", Verdict::Deny)];
        assert_eq!(
            decide(&yes, &subject(), &n, Fallback::Confirm),
            Decision::Ask { grantable: false }
        );
        assert_eq!(
            decide(&no, &subject(), &n, Fallback::Confirm),
            Decision::Deny(no[0].word())
        );
    }

    fn path() -> impl Strategy<Value = String> {
        // Few and similar names, so that prefixes and near misses are common.
        proptest::collection::vec(prop_oneof!["a", "ab", "b", r"\.\."], 0..4)
            .prop_map(|parts| format!("/{}", parts.join("/")))
    }

    fn any_grant() -> impl Strategy<Value = Grant> {
        (
            0u64..50,
            prop_oneof!["steward", "other"],
            prop_oneof!["h1", "h2"],
            prop_oneof!["read", "write"],
            path(),
            prop_oneof![Just(Verdict::Allow), Just(Verdict::Deny)],
        )
            .prop_map(|(id, agent, agent_hash, action, resource, verdict)| Grant {
                id,
                agent,
                agent_hash,
                action,
                resource,
                verdict,
                scope: Scope::Always,
                created_ms: 0,
            })
    }

    fn fallback() -> impl Strategy<Value = Fallback> {
        prop_oneof![
            Just(Fallback::Allow),
            Just(Fallback::Ask),
            Just(Fallback::Confirm)
        ]
    }

    /// The rule once more, written the slow way: by path components instead of text.
    fn beneath(granted: &str, wanted: &str) -> bool {
        let parts = |p: &str| -> Vec<String> {
            p.split('/')
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let (g, w) = (parts(granted), parts(wanted));
        !g.iter().chain(&w).any(|p| p == "..") && w.starts_with(&g)
    }

    proptest! {
        #[test]
        fn covering_is_component_wise(a in path(), b in path()) {
            prop_assert_eq!(covers(&a, &b), beneath(&a, &b));
        }

        #[test]
        fn what_is_decided_has_a_reason(
            grants in proptest::collection::vec(any_grant(), 0..8),
            action in prop_oneof!["read", "write"],
            resource in path(),
            fallback in fallback(),
        ) {
            let need = Need { action, resource };
            let mine: Vec<&Grant> = grants
                .iter()
                .filter(|g| g.agent == "steward" && g.agent_hash == "h1"
                    && g.action == need.action && beneath(&g.resource, &need.resource))
                .collect();
            let refused = mine.iter().any(|g| g.verdict == Verdict::Deny);
            match decide(&grants, &subject(), &need, fallback) {
                Decision::Allow(By::Tool) => {
                    prop_assert_eq!(fallback, Fallback::Allow);
                    prop_assert!(!refused);
                }
                Decision::Allow(By::Grant { id, .. }) => {
                    prop_assert!(!refused);
                    prop_assert!(fallback != Fallback::Confirm);
                    prop_assert!(mine.iter().any(|g| g.id == id && g.verdict == Verdict::Allow));
                }
                Decision::Allow(By::Malformed) => prop_assert!(false, "allowed a malformed resource"),
                Decision::Deny(By::Grant { id, .. }) => {
                    prop_assert!(mine.iter().any(|g| g.id == id && g.verdict == Verdict::Deny));
                }
                Decision::Deny(By::Malformed) => prop_assert!(need.resource.contains("..")),
                Decision::Deny(By::Tool) => prop_assert!(false, "no tool refuses by default"),
                Decision::Ask { grantable } => {
                    prop_assert!(!refused);
                    prop_assert!(fallback != Fallback::Allow);
                    prop_assert_eq!(grantable, fallback == Fallback::Ask);
                }
            }
        }

        #[test]
        fn more_grants_of_others_change_nothing(
            grants in proptest::collection::vec(any_grant(), 0..8),
            resource in path(),
            fallback in fallback(),
        ) {
            let need = Need { action: "read".into(), resource };
            let own: Vec<Grant> = grants.iter()
                .filter(|g| g.agent == "steward" && g.agent_hash == "h1").cloned().collect();
            prop_assert_eq!(
                decide(&grants, &subject(), &need, fallback),
                decide(&own, &subject(), &need, fallback)
            );
        }
    }
}
