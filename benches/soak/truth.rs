//! What is true: the policies as the service reads them, and by hand, beside them, what each grants. The second must not be made
//! of the first, nor know patterns: it is what the answers are held against.

use std::collections::BTreeMap;

use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

/// How many members there are, `m0`, `m1` and so on.
pub(crate) const MEMBERS: usize = 2_000;

/// Both rights of a channel.
pub(crate) type Rights = (bool, bool);
/// Channels and their rights.
pub(crate) type Channels = BTreeMap<String, Rights>;

const NONE: Rights = (false, false);
const READ: Rights = (true, false);
const WRITE: Rights = (false, true);
const BOTH: Rights = (true, true);

/// The policies, each with a letter that its tokens carry in their state.
pub(crate) const POLICIES: [(char, &str); 4] = [('A', A), ('B', B), ('C', C), ('D', D)];

const A: &str = r#"version = 1
[ttl]
default = "15m"
[member]
state = { of = "A" }
client_state = ["n"]
[roles.customer.channels]
"news" = ["read"]
"support:{sub}" = ["read", "write"]
"project:{projects}" = ["read", "write"]
[roles.agent.channels]
"support:*" = ["read", "write"]
"desk" = ["read", "write"]
[roles.muted.deny]
"**" = ["write"]
"#;

const B: &str = r#"version = 1
[ttl]
default = "20m"
[member]
state = { of = "B" }
client_state = ["n"]
[roles.visitor.channels]
"lobby" = ["read"]
[roles.customer.channels]
"news" = ["read"]
"lounge" = ["read", "write"]
[roles.agent]
includes = ["customer"]
[roles.agent.channels]
"support:*" = ["read"]
[roles.muted.deny]
"lounge" = ["write"]
[guest]
role = "visitor"
[defaults]
role = "visitor"
"#;

const C: &str = r#"version = 1
[ttl]
default = "30m"
max = "30m"
[member]
state = { of = "C" }
client_state = ["n"]
[roles.customer.channels]
"news" = ["read", "write"]
"own:{sub}" = ["read"]
[roles.vip]
max_ttl = "10m"
[roles.vip.channels]
"vip" = ["read", "write"]
"news" = ["read"]
[roles.muted.deny]
"news" = ["write"]
[blocked]
members = ["m1", "m2", "m3", "m4", "m5", "m6"]
"#;

const D: &str = r#"version = 1
[ttl]
default = "25m"
[member]
state = { of = "D" }
client_state = ["n"]
[roles.agent.channels]
"desk" = ["read"]
"support:*" = ["read", "write"]
[roles.agent.deny]
"support:m9" = ["write"]
"#;

/// Files that must never come into force; each would grant much, if it did.
pub(crate) const BROKEN: [&str; 6] = [
    "version = 1\n[member]\nstate = { of = \"X\" }\nclient_state = [\"n\"]\n[roles.customer.channels]\n\"*\" = [\"read\", \"write\"]\n",
    "version = 1\n[member]\nstate = { of = \"X\" }\nclient_state = [\"n\"]\n[roles.customer.chanels]\n\"news\" = [\"read\", \"write\"]\n",
    "version = 2\n[roles.customer.channels]\n\"news\" = [\"read\", \"write\"]\n",
    "version = 1\n[roles.customer.channels]\n\"news\" = [\"read\", \"write\n",
    "\u{0}\u{1}",
    "",
];

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// A member, by number.
    Member(usize),
    Guest,
}

impl Who {
    pub(crate) fn sub(&self) -> String {
        match self {
            Self::Member(number) => format!("m{number}"),
            Self::Guest => "guest".to_owned(),
        }
    }

    /// What the session claims.
    pub(crate) fn roles(&self) -> &'static [&'static str] {
        let Self::Member(number) = self else { return &[] };
        match number % 6 {
            0 => &["customer"],
            1 => &["agent"],
            2 => &["customer", "muted"],
            3 => &["vip"],
            4 => &["customer", "agent"],
            _ => &["stranger"],
        }
    }

    /// The session's claim of that name, where it has one.
    pub(crate) fn projects(&self) -> Option<Vec<String>> {
        match self {
            Self::Member(number) if number.is_multiple_of(4) => {
                Some(vec![format!("p{}", number % 7), format!("q{}", number % 5)])
            }
            _ => None,
        }
    }

    fn is(&self, role: &str) -> bool {
        self.roles().contains(&role)
    }

    fn is_known_to(&self, letter: char) -> bool {
        match letter {
            'B' => self.is("customer") || self.is("agent") || self.is("muted"),
            _ => true,
        }
    }
}

fn and(one: Rights, other: Rights) -> Rights {
    (one.0 || other.0, one.1 || other.1)
}

fn less(rights: Rights, taken: Rights) -> Rights {
    (rights.0 && !taken.0, rights.1 && !taken.1)
}

/// What a policy grants somebody of a channel.
pub(crate) fn rights(letter: char, who: &Who, channel: &str) -> Rights {
    let (customer, agent, muted, vip) = (who.is("customer"), who.is("agent"), who.is("muted"), who.is("vip"));
    let when = |is: bool, rights: Rights| if is { rights } else { NONE };
    let own = |head: &str| channel.strip_prefix(head).is_some_and(|rest| rest == who.sub());
    let support = channel.strip_prefix("support:").is_some_and(|rest| !rest.contains(':'));
    let project = channel
        .strip_prefix("project:")
        .is_some_and(|name| who.projects().unwrap_or_default().iter().any(|own| own == name));
    match letter {
        'A' => {
            let news = when(customer && channel == "news", READ);
            let mine = when(customer && (own("support:") || project), BOTH);
            let desk = when(agent && (channel == "desk" || support), BOTH);
            less(and(and(news, mine), desk), when(muted, WRITE))
        }
        'B' if !who.is_known_to('B') => when(channel == "lobby", READ),
        'B' => {
            let customer = customer || agent;
            let lounge = less(when(customer && channel == "lounge", BOTH), when(muted, WRITE));
            and(and(when(customer && channel == "news", READ), lounge), when(agent && support, READ))
        }
        'C' => {
            let news = less(when(customer && channel == "news", BOTH), when(muted, WRITE));
            let vip = and(when(vip && channel == "vip", BOTH), when(vip && channel == "news", READ));
            and(and(news, vip), when(customer && own("own:"), READ))
        }
        'D' => {
            let support = less(when(agent && support, BOTH), when(channel == "support:m9", WRITE));
            and(when(agent && channel == "desk", READ), support)
        }
        _ => NONE,
    }
}

/// What a policy grants somebody who names nothing.
pub(crate) fn named(letter: char, who: &Who) -> Channels {
    let mut names: Vec<String> = ["news", "desk", "lounge", "lobby", "vip"].map(str::to_owned).to_vec();
    names.push(format!("own:{}", who.sub()));
    // `support:*` is an agent's, and a wildcard is never listed.
    if letter == 'A' && who.is("customer") {
        names.push(format!("support:{}", who.sub()));
    }
    names.extend(who.projects().unwrap_or_default().iter().map(|name| format!("project:{name}")));
    let rights = |name: String| {
        let rights = rights(letter, who, &name);
        (rights != NONE).then_some((name, rights))
    };
    names.into_iter().filter_map(rights).collect()
}

/// Whether it lets this one in at all.
pub(crate) fn blocks(letter: char, who: &Who) -> bool {
    letter == 'C' && matches!(who, Who::Member(1..=6))
}

pub(crate) fn admits_guests(letter: char) -> bool {
    letter == 'B'
}

/// In minutes.
fn ttl(letter: char, who: &Who) -> u32 {
    match letter {
        'A' => 15,
        'B' => 20,
        'C' if who.is("vip") => 10,
        'C' => 30,
        _ => 25,
    }
}

/// What somebody asks for; nothing in particular where there are no channels.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) channels: Option<Channels>,
    pub(crate) narrow: bool,
    /// Which request it is: comes back in the token's state.
    pub(crate) nonce: String,
}

impl Ask {
    pub(crate) fn random(random: &mut StdRng, who: &Who, nonce: String) -> Self {
        if random.random_bool(0.4) {
            return Self { channels: None, narrow: false, nonce };
        }
        let names: [String; 11] = [
            "news".to_owned(),
            "desk".to_owned(),
            "lounge".to_owned(),
            "vip".to_owned(),
            "lobby".to_owned(),
            "secret".to_owned(),
            "support:m9".to_owned(),
            format!("support:{}", who.sub()),
            format!("own:{}", who.sub()),
            "project:p3".to_owned(),
            format!("project:q{}", random.random_range(0..5)),
        ];
        let count = random.random_range(1..4);
        let channel = |_| {
            let name = names.get(random.random_range(0..names.len())).cloned().unwrap_or_default();
            (name, [READ, WRITE, BOTH][random.random_range(0..3)])
        };
        let channels = (0..count).map(channel).collect();
        Self { channels: Some(channels), narrow: random.random_bool(0.6), nonce }
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"state": {"n": self.nonce}});
        if let Some(channels) = &self.channels {
            let right = |(name, (read, write)): (&String, &Rights)| {
                let rights = [("read", *read), ("write", *write)].into_iter().filter(|(_, is)| *is);
                (name.clone(), rights.map(|(name, is)| (name.to_owned(), json!(is))).collect::<Value>())
            };
            body["channels"] = channels.iter().map(right).collect();
            body["mode"] = json!(if self.narrow { "narrow" } else { "strict" });
        }
        body
    }
}

/// What a policy makes of it: the channels and the ttl of the token, or none.
pub(crate) fn decided(letter: char, who: &Who, ask: &Ask) -> Option<(Channels, u32)> {
    let granted: Channels = match &ask.channels {
        None => named(letter, who),
        Some(asked) => {
            let of = |(name, asked): (&String, &Rights)| {
                let allowed = rights(letter, who, name);
                (name.clone(), (asked.0 && allowed.0, asked.1 && allowed.1))
            };
            let granted: Channels = asked.iter().map(of).collect();
            if !ask.narrow && granted != *asked {
                return None;
            }
            granted.into_iter().filter(|(_, rights)| *rights != NONE).collect()
        }
    };
    (!granted.is_empty()).then(|| (granted, ttl(letter, who)))
}

/// As a token and an answer have it.
pub(crate) fn as_json(channels: &Channels) -> Value {
    channels.iter().map(|(name, (read, write))| (name.clone(), json!({"read": read, "write": write}))).collect()
}
