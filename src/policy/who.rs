//! The sessions that policies tell apart, as far as claimed names and issuers tell. Must not know rules.

use std::collections::BTreeSet;

use super::Policy;

/// Sessions that have the same roles, as far as names tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// Those that claim this name.
    Claiming(String),
    /// Those that claim no name which is known.
    Unknown,
    Guest,
}

impl Policy {
    /// The roles of sessions of this issuer; none where they claim a name that is not known.
    pub(super) fn roles_of_who(&self, who: &Who, alias: &str) -> Option<BTreeSet<usize>> {
        let closure = |roles: Vec<usize>| roles.into_iter().flat_map(|role| self.closure(role)).collect();
        match who {
            Who::Claiming(name) => {
                let known = self.known(name, alias);
                (!known.is_empty()).then(|| closure(known))
            }
            Who::Unknown => {
                let default = self.default_role.filter(|role| self.role(*role).is_some_and(|role| role.is_for(alias)));
                Some(closure(default.into_iter().collect()))
            }
            Who::Guest => Some(closure(self.guest.iter().map(|guest| guest.role).collect())),
        }
    }
}

/// The alias of no issuer: it stands for all that neither policy names.
pub(super) const OTHER: &str = "";

/// Whose sessions these are, in words: of these issuers, of `all` that there are.
pub(super) fn told(who: &Who, of: &BTreeSet<String>, all: &BTreeSet<String>) -> Vec<String> {
    let whose = |of: &str| match who {
        Who::Claiming(name) => format!("sessions{of} that claim `{name}`"),
        Who::Unknown => format!("sessions{of} without a known role"),
        Who::Guest => "guests".to_owned(),
    };
    if of == all || *who == Who::Guest {
        return vec![whose("")];
    }
    let of_one =
        |alias: &String| if alias == OTHER { " of any other issuer".to_owned() } else { format!(" of {alias}") };
    of.iter().map(|alias| whose(&of_one(alias))).collect()
}
