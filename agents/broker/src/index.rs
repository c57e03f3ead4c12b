//! Finds the few grants that can be about a need among many, so that a check takes as long with ten
//! thousand grants as with ten.
//!
//! It only looks grants up: by agent, action and resource. For a path these are the folders above
//! it, found by walking down a tree of names; for a host the patterns above it. Whether a grant that
//! was found really covers the need is said by [`crate::permission::decide`] alone, so that there is
//! one rule. What must never happen is that one is not found; the tests compare with looking at all.

use std::collections::HashMap;

use crate::host::Host;
use crate::permission::{Grant, NETWORK, Need, Verdict};

/// Where grants are, by what they are about. Positions are those in the list it was made from.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// By agent, then by action.
    agents: HashMap<String, HashMap<String, Resources>>,
}

#[derive(Debug, Clone, Default)]
struct Resources {
    paths: Folder,
    /// The paths among them that are refused.
    refused: Vec<usize>,
    others: HashMap<String, Vec<usize>>,
}

#[derive(Debug, Clone, Default)]
struct Folder {
    here: Vec<usize>,
    beneath: HashMap<Box<str>, Folder>,
}

impl Index {
    /// An index of these grants.
    pub fn of(grants: &[Grant]) -> Self {
        let mut index = Self::default();
        for (at, grant) in grants.iter().enumerate() {
            let of_agent = index.agents.entry(grant.agent.clone()).or_default();
            let resources = of_agent.entry(grant.action.clone()).or_default();
            if grant.action != NETWORK && grant.resource.starts_with('/') {
                let mut folder = &mut resources.paths;
                for name in names(&grant.resource) {
                    folder = folder.beneath.entry(name.into()).or_default();
                }
                folder.here.push(at);
                if grant.verdict == Verdict::Deny {
                    resources.refused.push(at);
                }
            } else {
                let key = match grant.action.as_str() {
                    NETWORK => Host::of(&grant.resource).name,
                    _ => grant.resource.as_str(),
                };
                resources.others.entry(key.to_owned()).or_default().push(at);
            }
        }
        index
    }

    /// Positions of the grants that may be about this.
    pub fn candidates(&self, agent: &str, need: &Need) -> Vec<usize> {
        let mut found = Vec::new();
        let of_agent = self.agents.get(agent);
        let Some(resources) = of_agent.and_then(|actions| actions.get(&need.action)) else {
            return found;
        };
        if need.action == NETWORK {
            for key in Host::of(&need.resource).keys() {
                found.extend(resources.others.get(&key).into_iter().flatten());
            }
        } else if need.resource.starts_with('/') {
            let mut folder = &resources.paths;
            found.extend(&folder.here);
            for name in names(&need.resource) {
                let Some(next) = folder.beneath.get(name) else {
                    break;
                };
                folder = next;
                found.extend(&folder.here);
            }
        } else {
            found.extend(resources.others.get(&need.resource).into_iter().flatten());
        }
        found
    }

    /// Positions of the refusals of paths to this agent, for this action or, with none, for any.
    pub fn refused_paths(&self, agent: &str, action: Option<&str>) -> Vec<usize> {
        let actions = self.agents.get(agent).into_iter().flatten();
        let mut found: Vec<usize> = actions
            .filter(|(name, _)| action.is_none_or(|action| action == name.as_str()))
            .flat_map(|(_, resources)| &resources.refused)
            .copied()
            .collect();
        found.sort_unstable();
        found
    }
}

/// The names in a path, from the root down.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}
