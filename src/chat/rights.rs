//! What may be done in a channel: read, write. Must not know who may.

use serde::Serialize;

/// One of the two rights that SignalWire knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Receive messages, history and presence.
    Read,
    /// Publish messages.
    Write,
}

impl Permission {
    /// Both, `read` first.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// `read` or `write`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A set of permissions on one channel. As JSON always both booleans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Rights {
    /// May receive.
    pub read: bool,
    /// May publish.
    pub write: bool,
}

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self { read: false, write: false };

    /// Whether there is none.
    #[must_use]
    pub const fn is_none(self) -> bool {
        !self.read && !self.write
    }

    /// Whether this right is among them.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => self.read,
            Permission::Write => self.write,
        }
    }

    /// The same and this one too.
    #[must_use]
    pub const fn with(mut self, permission: Permission) -> Self {
        match permission {
            Permission::Read => self.read = true,
            Permission::Write => self.write = true,
        }
        self
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { read: self.read || other.read, write: self.write || other.write }
    }

    /// What is here and not in `other`.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self { read: self.read && !other.read, write: self.write && !other.write }
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self { read: self.read && other.read, write: self.write && other.write }
    }

    /// The rights as a person reads them: `read and write`.
    #[must_use]
    pub fn describe(self) -> String {
        self.permissions().map(Permission::as_str).collect::<Vec<_>>().join(" and ")
    }

    /// The rights one by one, `read` before `write`.
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.has(*permission))
    }
}
