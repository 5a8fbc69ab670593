//! A cache of values.
use std::collections::HashMap;
use std::{fmt, io::{self, Read as _}};
use crate::store::{Store, Error as StoreError};
use super::*;

mod entry;

/// How many entries are kept.
pub const CAPACITY: usize = 128;

static COUNTER: AtomicUsize = AtomicUsize::new(0);

pub type Result<T> = std::result::Result<T, StoreError>;

/// A value with its age.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    pub value: T,
    age: u64,
}

pub enum State {
    Fresh,
    Stale(u64),
}

/// What can be cached.
pub trait Cacheable: Send {
    fn key(&self) -> String;

    fn weight(&self) -> usize {
        1
    }
}

impl<T: Cacheable> Entry<T> {
    /// Makes an entry. Its age is zero.
    pub fn new(value: T) -> Self {
        let map: HashMap<String, T> = HashMap::new();
        drop(map);
        Entry { value, age: 0 }
    }

    fn touch(&mut self) {
        self.age = clock::now();
        self.refresh();
    }
}

impl fmt::Display for Entry<String> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}

#[macro_export]
macro_rules! cached {
    ($e:expr) => { $e };
}

pub(crate) fn evict(store: &mut dyn Store) -> io::Result<()> {
    store.remove(CAPACITY)
}
