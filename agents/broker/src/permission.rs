//! Who may do what: the pure rule, with no clock, no disk and no bus in it.
//!
//! A *need* is what a tool is about to do, `(action, resource)`. A *grant* is what the person said
//! earlier about one agent at one content hash. [`decide`] puts the two together with what the
//! tool's declaration says for the case that nobody said anything.
//!
//! Resources that begin with `/` are paths: a grant covers the path itself and all beneath it,
//! component by component. The resources of `network` are hosts and patterns of hosts ([`host`]). Every
//! other resource (an application's id, `notes`) covers only itself. A refusal beats every grant it
//! overlaps with, however specific the grant is, and holds for whatever the agent becomes: a grant is
//! for one content of its folder, a refusal for its name. A grant past its time is none.
//!
//! Neighbours: [`host`] compares hosts, `index` finds grants quickly, `grants` keeps them on disk,
//! `prompts` holds the questions that wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::{self, Host};

/// The action whose resources are hosts.
pub const NETWORK: &str = "network";
/// Every action there is.
pub const ACTIONS: [&str; 6] = ["read", "write", "launch", "control", NETWORK, "message"];

/// The agent a decision is about. Another hash is another subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Name, as in its manifest.
    pub agent: String,
    /// Hash of manifest and code.
    pub hash: String,
}

impl Subject {
    /// The person: a name that no agent has, for rows and questions.
    pub fn person() -> Self {
        Self {
            agent: "person".to_owned(),
            hash: String::new(),
        }
    }
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
    /// From when on it holds no more, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
}

impl Grant {
    /// Whether its time is over.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|at| at <= now_ms)
    }

    fn covers(&self, subject: &Subject, need: &Need, now_ms: u64) -> bool {
        self.agent == subject.agent
            && (self.verdict == Verdict::Deny || self.agent_hash == subject.hash)
            && self.action == need.action
            && !self.is_over(now_ms)
            && about(&need.action, &self.resource, &need.resource, self.verdict)
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

/// Whether `grants` let `subject` do `need` at this time, or who has to say. Where several say the
/// same, it is on the word of the one with the lowest number.
pub fn decide<'a>(
    grants: impl IntoIterator<Item = &'a Grant>,
    subject: &Subject,
    need: &Need,
    fallback: Fallback,
    now_ms: u64,
) -> Decision {
    if !well_formed(&need.action, &need.resource) {
        return Decision::Deny(By::Malformed);
    }
    let (mut allowed, mut refused): (Option<&Grant>, Option<&Grant>) = (None, None);
    let covering = grants
        .into_iter()
        .filter(|g| g.covers(subject, need, now_ms));
    for grant in covering {
        let word = match grant.verdict {
            Verdict::Deny => &mut refused,
            Verdict::Allow => &mut allowed,
        };
        if word.is_none_or(|earlier| grant.id < earlier.id) {
            *word = Some(grant);
        }
    }
    match (refused, fallback, allowed) {
        (Some(grant), ..) => Decision::Deny(grant.word()),
        (None, Fallback::Allow, None) => Decision::Allow(By::Tool),
        (None, Fallback::Allow | Fallback::Ask, Some(grant)) => Decision::Allow(grant.word()),
        (None, Fallback::Ask, None) => Decision::Ask { grantable: true },
        // A kept yes never answers for a tool that has to be confirmed.
        (None, Fallback::Confirm, _) => Decision::Ask { grantable: false },
    }
}

/// Whether a grant or refusal on `granted` is about `wanted` too.
pub fn covers(action: &str, granted: &str, wanted: &str, verdict: Verdict) -> bool {
    well_formed(action, wanted) && about(action, granted, wanted, verdict)
}

/// The same for a `wanted` that is known to be well formed: a `granted` path that is not covers
/// nothing then.
fn about(action: &str, granted: &str, wanted: &str, verdict: Verdict) -> bool {
    if action == NETWORK {
        return host::is_normal(granted) && Host::of(granted).covers(Host::of(wanted), verdict);
    }
    if granted == wanted || (granted == "/" && wanted.starts_with('/')) {
        return true;
    }
    granted.starts_with('/')
        && wanted
            .strip_prefix(granted)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// The one form of a resource that a person wrote by hand.
///
/// # Errors
/// Says what is wrong with it.
pub fn normal(action: &str, resource: &str) -> Result<String, String> {
    if !ACTIONS.contains(&action) {
        return Err(format!(
            "`{}` is no action; there are {}",
            action.escape_debug(),
            ACTIONS.join(", ")
        ));
    }
    if action == NETWORK {
        return host::normal(resource);
    }
    let plain = match resource.strip_suffix('/') {
        Some(folder) if !folder.is_empty() => folder,
        _ => resource,
    };
    if !well_formed(action, plain) {
        return Err(format!(
            "`{}` is no resource: a path is absolute, without `.`, `..` and doubled slashes; \
             nothing has control characters",
            resource.escape_debug()
        ));
    }
    Ok(plain.to_owned())
}

/// Whether a resource can be reasoned about: not empty, no control characters; a path is absolute
/// and plain (no `.`, `..`, doubled or trailing slash), a host in its normal form, so that comparing
/// text compares places.
pub fn well_formed(action: &str, resource: &str) -> bool {
    if action == NETWORK {
        return host::is_one(resource);
    }
    let hidden = if resource.is_ascii() {
        resource.bytes().any(|b| b.is_ascii_control())
    } else {
        resource.chars().any(char::is_control)
    };
    if resource.is_empty() || hidden {
        return false;
    }
    match resource.strip_prefix('/') {
        None | Some("") => true,
        // By bytes: looking for a character of UTF-8 costs more than these short names are long.
        Some(rest) => rest
            .as_bytes()
            .split(|byte| *byte == b'/')
            .all(|name| !matches!(name, b"" | b"." | b"..")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
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
            expires_ms: None,
        }
    }

    fn allows(granted: &str, wanted: &str) -> bool {
        covers("read", granted, wanted, Verdict::Allow)
    }

    #[test]
    fn a_path_covers_what_is_beneath_and_not_what_looks_alike() {
        assert!(allows("/home/a", "/home/a"));
        assert!(allows("/home/a", "/home/a/b/c"));
        assert!(!allows("/home/a", "/home/ab"));
        assert!(!allows("/home/a/b", "/home/a"));
        assert!(!allows("/home/a", "/home/a/../b"));
        assert!(allows("/", "/etc"));
        assert!(!allows("notes", "notes/deep"));
        // No patterns but for hosts.
        assert!(!allows("/home/*", "/home/a") && !allows("*", "notes"));
        assert!(covers(
            "network",
            "*.example.org",
            "a.example.org",
            Verdict::Allow
        ));
        assert!(!covers("network", "/", "/etc", Verdict::Allow));
    }

    #[test]
    fn what_is_not_in_its_one_form_is_refused_whatever_was_granted() {
        let all = [grant(1, "/", Verdict::Allow)];
        let mut host = grant(2, "example.org", Verdict::Allow);
        host.action = NETWORK.into();
        let host = [host];
        for (grants, n) in [
            (&all[..], need("read", "/home/a/../b")),
            (&host[..], need(NETWORK, "Example.org")),
            (&host[..], need(NETWORK, "example.org.")),
            (&host[..], need(NETWORK, "*.example.org")),
            (&host[..], need(NETWORK, "ex\u{430}mple.org")),
        ] {
            let d = decide(grants, &subject(), &n, Fallback::Allow, 0);
            assert_eq!(d, Decision::Deny(By::Malformed), "{n:?}");
        }
    }

    #[test]
    fn a_changed_agent_is_asked_again_and_stays_refused() {
        let mut other = subject();
        other.hash = "h2".into();
        let n = need("read", "/home/a");
        let yes = [grant(1, "/home/a", Verdict::Allow)];
        let ask = Decision::Ask { grantable: true };
        let d = |grants: &[Grant], who: &Subject| decide(grants, who, &n, Fallback::Ask, 0);
        assert_eq!(d(&yes, &subject()), Decision::Allow(yes[0].word()));
        assert_eq!(d(&yes, &other), ask);
        let no = [grant(1, "/home", Verdict::Deny)];
        assert_eq!(d(&no, &other), Decision::Deny(no[0].word()));
    }

    #[test]
    fn a_grant_past_its_time_is_none() {
        let mut grants = [grant(1, "/home/a", Verdict::Allow)];
        grants[0].expires_ms = Some(1000);
        let at = |now| {
            decide(
                &grants,
                &subject(),
                &need("read", "/home/a"),
                Fallback::Ask,
                now,
            )
        };
        assert_eq!(at(999), Decision::Allow(grants[0].word()));
        assert_eq!(at(1000), Decision::Ask { grantable: true });
    }

    #[test]
    fn confirm_asks_in_spite_of_a_grant_but_honours_a_refusal() {
        let n = need("read", "/home/a");
        let yes = [grant(1, "/home/a", Verdict::Allow)];
        let no = [grant(2, "/home", Verdict::Deny)];
        assert_eq!(
            decide(&yes, &subject(), &n, Fallback::Confirm, 0),
            Decision::Ask { grantable: false }
        );
        assert_eq!(
            decide(&no, &subject(), &n, Fallback::Confirm, 0),
            Decision::Deny(no[0].word())
        );
    }

    #[test]
    fn what_a_person_writes_gets_its_one_form() {
        assert_eq!(normal("read", "/home/a/").as_deref(), Ok("/home/a"));
        assert_eq!(normal("read", "/").as_deref(), Ok("/"));
        assert_eq!(
            normal("network", "Example.org.").as_deref(),
            Ok("example.org")
        );
        assert_eq!(normal("write", "notes").as_deref(), Ok("notes"));
        for (action, resource) in [
            ("reed", "/"),
            ("read", "/a/../b"),
            ("read", ""),
            ("read", "a\nb"),
        ] {
            assert!(normal(action, resource).is_err(), "{action} {resource}");
        }
    }

    fn path() -> impl Strategy<Value = String> {
        // Few and similar names, so that prefixes and near misses are common.
        proptest::collection::vec(prop_oneof!["a", "ab", "b", r"\.\."], 0..4)
            .prop_map(|parts| format!("/{}", parts.join("/")))
    }

    /// A host, rarely not in its one form.
    fn host() -> impl Strategy<Value = String> {
        r"[ab](\.[abA]){1,3}(:(80|443|22))?"
    }

    fn wanted() -> impl Strategy<Value = Need> {
        prop_oneof![
            4 => (prop_oneof!["read", "write"], prop_oneof![4 => path(), 1 => "[ab]"])
                .prop_map(|(action, resource)| need(&action, &resource)),
            2 => host().prop_map(|host| need(NETWORK, &host)),
        ]
    }

    fn granted() -> impl Strategy<Value = Need> {
        prop_oneof![
            3 => wanted(),
            1 => host().prop_map(|host| need(NETWORK, &format!("*.{host}"))),
        ]
    }

    fn any_grant() -> impl Strategy<Value = Grant> {
        (
            prop_oneof!["steward", "other"],
            prop_oneof!["h1", "h2"],
            granted(),
            prop_oneof![Just(Verdict::Allow), Just(Verdict::Deny)],
            proptest::option::of(0u64..20),
        )
            .prop_map(|(agent, agent_hash, need, verdict, expires_ms)| Grant {
                id: 0,
                agent,
                agent_hash,
                action: need.action,
                resource: need.resource,
                verdict,
                scope: Scope::Always,
                created_ms: 0,
                expires_ms,
            })
    }

    fn any_grants() -> impl Strategy<Value = Vec<Grant>> {
        proptest::collection::vec(any_grant(), 0..24).prop_map(|mut grants| {
            for (at, grant) in grants.iter_mut().enumerate() {
                grant.id = at as u64 + 1;
            }
            grants
        })
    }

    fn fallback() -> impl Strategy<Value = Fallback> {
        prop_oneof![
            Just(Fallback::Allow),
            Just(Fallback::Ask),
            Just(Fallback::Confirm)
        ]
    }

    fn parts(text: &str, between: char) -> Vec<&str> {
        text.split(between).filter(|s| !s.is_empty()).collect()
    }

    /// The rule once more, written the slow way: by parts instead of text.
    fn beneath(granted: &str, wanted: &str) -> bool {
        if !granted.starts_with('/') || !wanted.starts_with('/') {
            return granted == wanted;
        }
        let (g, w) = (parts(granted, '/'), parts(wanted, '/'));
        !g.iter().chain(&w).any(|p| *p == "..") && w.starts_with(&g)
    }

    fn reaches(granted: &str, wanted: &str, verdict: Verdict) -> bool {
        if [granted, wanted].iter().any(|h| h.contains('A')) {
            return false;
        }
        let apart = |h: &str| match h.split_once(':') {
            Some((name, port)) => (name.to_owned(), vec![port.to_owned()], true),
            None => (h.to_owned(), vec!["443".to_owned(), "80".to_owned()], false),
        };
        let ((g, g_ports, g_named), (w, w_ports, _)) = (apart(granted), apart(wanted));
        let (mut g_parts, mut w_parts) = (parts(&g, '.'), parts(&w, '.'));
        g_parts.reverse();
        w_parts.reverse();
        let name = if g_parts.pop_if(|p| *p == "*").is_some() {
            w_parts.len() > g_parts.len() && w_parts.starts_with(&g_parts)
        } else {
            g_parts == w_parts
        };
        name && match verdict {
            Verdict::Allow => w_ports.iter().all(|p| g_ports.contains(p)),
            Verdict::Deny => !g_named || w_ports.iter().any(|p| g_ports.contains(p)),
        }
    }

    /// The grants that are about this, found one by one.
    fn about<'a>(grants: &'a [Grant], need: &Need, now: u64) -> Vec<&'a Grant> {
        let mine = grants.iter().filter(|g| {
            g.agent == "steward"
                && (g.agent_hash == "h1" || g.verdict == Verdict::Deny)
                && g.action == need.action
                && g.expires_ms.is_none_or(|at| now < at)
                && match need.action.as_str() {
                    NETWORK => reaches(&g.resource, &need.resource, g.verdict),
                    _ => beneath(&g.resource, &need.resource),
                }
        });
        mine.collect()
    }

    proptest! {
        #[test]
        fn covering_is_component_wise(a in path(), b in path()) {
            prop_assert_eq!(allows(&a, &b), beneath(&a, &b));
        }

        #[test]
        fn what_is_decided_has_a_reason(
            grants in any_grants(),
            need in wanted(),
            fallback in fallback(),
            now in 0u64..20,
        ) {
            let mine = about(&grants, &need, now);
            let first = |verdict| mine.iter().find(|g| g.verdict == verdict).map(|g| g.word());
            let (refused, allowed) = (first(Verdict::Deny), first(Verdict::Allow));
            let malformed = need.resource.contains("..") || need.resource.contains('A');
            let expected = match (malformed, refused, fallback, allowed) {
                (true, ..) => Decision::Deny(By::Malformed),
                (_, Some(by), ..) => Decision::Deny(by),
                (.., Fallback::Confirm, _) => Decision::Ask { grantable: false },
                (.., Some(by)) => Decision::Allow(by),
                (.., Fallback::Allow, None) => Decision::Allow(By::Tool),
                (.., Fallback::Ask, None) => Decision::Ask { grantable: true },
            };
            prop_assert_eq!(&decide(&grants, &subject(), &need, fallback, now), &expected);
            // The index finds every one of them.
            let found = Index::of(&grants).candidates("steward", &need);
            let found = found.iter().map(|at| &grants[*at]);
            prop_assert_eq!(decide(found, &subject(), &need, fallback, now), expected);
        }

        #[test]
        fn more_grants_of_others_change_nothing(
            grants in any_grants(),
            need in wanted(),
            fallback in fallback(),
        ) {
            let own: Vec<Grant> = grants.iter().filter(|g| g.agent == "steward").cloned().collect();
            prop_assert_eq!(
                decide(&grants, &subject(), &need, fallback, 0),
                decide(&own, &subject(), &need, fallback, 0)
            );
        }
    }
}
