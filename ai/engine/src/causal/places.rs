//! Places for requests, and how many of them one owner may have.
//!
//! An owner may have as many as are left free: alone half of all and one more, in company less. So there is
//! a place for whoever comes next, however many requests somebody else sends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::prefix::Owner;

/// All places of something. Clones are one and the same.
#[derive(Debug, Clone)]
pub struct Places {
    most: usize,
    taken: Arc<Mutex<HashMap<Owner, usize>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    owner: Owner,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Places that are taken: the owner's, where it has its share, else all.
    pub requests: usize,
    /// The owner has its share.
    pub own: bool,
}

impl Places {
    /// So many, at least one.
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            taken: Arc::default(),
        }
    }

    /// Places that are taken.
    pub fn taken(&self) -> usize {
        self.lock().values().sum()
    }

    /// One more for an owner, unless there are too many.
    pub fn take(&self, owner: Owner) -> Result<Place, Full> {
        let mut taken = self.lock();
        let all: usize = taken.values().sum();
        let requests = taken.get(&owner).copied().unwrap_or(0);
        let free = self.most.saturating_sub(all);
        if free == 0 {
            return Err(Full {
                requests: all,
                own: false,
            });
        }
        if requests > free {
            return Err(Full {
                requests,
                own: true,
            });
        }
        taken.insert(owner, requests + 1);
        Ok(Place {
            places: self.clone(),
            owner,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(count) = taken.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_places() {
        let places = Places::new(256);
        let take =
            |owner| -> Vec<Place> { std::iter::from_fn(|| places.take(owner).ok()).collect() };
        let mine = take(1);
        assert_eq!(mine.len(), 129);
        let full = places.take(1).unwrap_err();
        assert_eq!((full.requests, full.own), (129, true));
        let others: Vec<_> = (2..6).map(|owner| take(owner).len()).collect();
        assert_eq!(others, [64; 4]);
        let theirs: Vec<_> = (2..6).flat_map(take).collect();
        assert!(places.take(7).is_ok());
        drop(mine);
        drop(theirs);
        assert_eq!(places.taken(), 0);
        // Few places are all of the only one who asks.
        let two = Places::new(2);
        let both = [two.take(1).unwrap(), two.take(1).unwrap()];
        assert_eq!(
            two.take(2).unwrap_err(),
            Full {
                requests: 2,
                own: false
            }
        );
        drop(both);
        assert!(two.lock().is_empty());
    }
}
