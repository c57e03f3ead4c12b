//! The few pictures between the screen and the film.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many wait at most.
const MOST: usize = 2;

/// What waits for a slower reader. It never holds up who puts something in.
#[derive(Debug)]
pub struct Queue<T> {
    inner: Mutex<Inner<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner<T> {
    waiting: VecDeque<T>,
    left_out: u64,
    closed: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                waiting: VecDeque::new(),
                left_out: 0,
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T> Queue<T> {
    fn inner(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the newest in. Where there is no room, the one before it is left out.
    pub fn put(&self, item: T) {
        let mut inner = self.inner();
        if inner.waiting.len() == MOST {
            inner.waiting.pop_back();
            inner.left_out += 1;
        }
        inner.waiting.push_back(item);
        self.changed.notify_one();
    }

    /// Waits for the oldest. Nothing, once it is closed and empty.
    pub fn take(&self) -> Option<T> {
        let mut inner = self.inner();
        loop {
            if let Some(item) = inner.waiting.pop_front() {
                return Some(item);
            }
            if inner.closed {
                return None;
            }
            inner = self
                .changed
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing more comes.
    pub fn close(&self) {
        self.inner().closed = true;
        self.changed.notify_all();
    }

    /// How many were left out.
    pub fn left_out(&self) -> u64 {
        self.inner().left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_too_slow_misses_some_but_never_the_last() {
        let queue = Queue::default();
        for number in 0..10 {
            queue.put(number);
        }
        queue.close();
        assert_eq!(queue.take(), Some(0));
        assert_eq!(queue.take(), Some(9));
        assert_eq!(queue.take(), None);
        assert_eq!(queue.left_out(), 8);
    }

    #[test]
    fn who_is_fast_enough_misses_none() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| {
                let mut taken = Vec::new();
                while let Some(number) = queue.take() {
                    taken.push(number);
                }
                taken
            });
            for number in 0..20 {
                queue.put(number);
                while !queue.inner().waiting.is_empty() {
                    std::thread::yield_now();
                }
            }
            queue.close();
            assert_eq!(taken.join().unwrap(), Vec::from_iter(0..20));
        });
        assert_eq!(queue.left_out(), 0);
    }
}
