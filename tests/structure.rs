//! The house: which module may know which, and where the witnesses are made. Reads the sources.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A module of ours that may be known, and the only names of it that may be used (none: any).
type Known = (&'static str, &'static [&'static str]);

/// For each module the modules of ours that it may know.
const ARROWS: &[(&str, &[Known])] = &[
    ("chat", &[]),
    ("schema", &[]),
    ("sandbox", &[]),
    ("files", &[]),
    ("listener", &[]),
    ("session", &[("chat", &[]), ("files", &[])]),
    ("limits", &[("chat", &[]), ("files", &[])]),
    ("policy", &[("chat", &[]), ("schema", &[]), ("session", &["Session"])]),
    ("signalwire", &[("files", &[]), ("policy", &["Grant"]), ("limits", &["Admitted"])]),
    ("telemetry", &[("chat", &[]), ("policy", &["Account", "Denial", "LimitedBy", "Right", "Verdict"])]),
    (
        "admin",
        &[
            ("limits", &["Limits"]),
            ("session", &["KeyStatus", "Verifier"]),
            ("signalwire", &["CircuitState", "Client", "Load"]),
            ("telemetry", &["Metrics", "clock"]),
        ],
    ),
    (
        "api",
        &[
            ("admin", &["Status"]),
            ("chat", &[]),
            ("limits", &[]),
            ("policy", &[]),
            ("session", &[]),
            ("signalwire", &[]),
            ("telemetry", &[]),
        ],
    ),
    (
        "analysis",
        &[
            ("api", &["Code", "Problem"]),
            ("chat", &[]),
            ("telemetry", &["clock"]),
            ("policy", &[]),
            ("schema", &[]),
            ("session", &["Vouching", "unverified_facts"]),
        ],
    ),
    (
        "settings",
        &[
            ("files", &[]),
            ("schema", &[]),
            (
                "session",
                &[
                    "Algorithm",
                    "AudiencesSettings",
                    "IssuerSettings",
                    "KeySettings",
                    "RoleSourceSettings",
                    "SecretEncoding",
                    "Vouching",
                    "is_loopback",
                    "try_keys",
                ],
            ),
            ("limits", &["LimitsSettings", "OnStoreFailure", "RateSettings", "Store"]),
            ("signalwire", &["SignalWireSettings", "certificates", "check_token"]),
            ("telemetry", &["clock", "log", "traces"]),
            ("chat", &["Timestamp", "causes", "json"]),
            ("listener", &["ConnectionSettings", "Identity", "Validity"]),
            ("api", &["AllowedOrigin", "AllowedOrigins", "CookieFault", "CookieSettings", "TrustedProxies"]),
        ],
    ),
    (
        "service",
        &[
            ("admin", &[]),
            ("api", &[]),
            ("chat", &["Timestamp", "causes"]),
            ("files", &[]),
            ("limits", &["Limits", "LimitsSettings", "StoreFault"]),
            ("listener", &[]),
            ("policy", &["Compilation", "Policy"]),
            ("schema", &["Faults"]),
            ("session", &["HttpClientError", "IssuerSettings", "KeyFault", "Verifier"]),
            ("signalwire", &["BuildFault", "Client", "SignalWireSettings"]),
            ("telemetry", &["Metrics", "clock"]),
        ],
    ),
    (
        "dev",
        &[
            ("analysis", &[]),
            ("api", &[]),
            ("chat", &[]),
            ("listener", &[]),
            ("policy", &[]),
            ("sandbox", &[]),
            ("service", &[]),
            ("session", &[]),
            ("settings", &[]),
            ("signalwire", &["SignalWireSettings"]),
            ("telemetry", &[]),
        ],
    ),
    (
        "cli",
        &[
            ("analysis", &[]),
            ("api", &[]),
            ("chat", &[]),
            ("dev", &[]),
            ("files", &[]),
            ("limits", &[]),
            ("listener", &[]),
            ("telemetry", &[]),
            ("policy", &[]),
            ("sandbox", &[]),
            ("schema", &[]),
            ("service", &[]),
            ("session", &[]),
            ("settings", &[]),
            ("signalwire", &[]),
        ],
    ),
];

/// What of the world outside a module must not know, by the beginning of a path.
const FOREIGN: &[(&str, &[&str])] = &[
    (
        "chat",
        &[
            "axum",
            "reqwest",
            "jsonwebtoken",
            "tokio",
            "http",
            "toml",
            "tracing",
            "std::fs",
            "std::net",
            "std::time::Instant",
            "std::time::SystemTime",
        ],
    ),
    ("schema", &["axum", "reqwest", "jsonwebtoken", "tokio", "http", "serde", "std::fs", "std::net"]),
    ("session", &["axum", "http", "hyper", "tower", "toml", "config", "governor"]),
    (
        "policy",
        &[
            "axum",
            "reqwest",
            "jsonwebtoken",
            "tokio",
            "http",
            "tracing",
            "std::fs",
            "std::net",
            "std::time",
            "std::io",
            "std::env",
        ],
    ),
    (
        "analysis",
        &[
            "axum",
            "reqwest",
            "jsonwebtoken",
            "tokio",
            "http",
            "toml",
            "std::fs",
            "std::net",
            "std::time",
            "crate::policy::Grant",
            "crate::policy::Decision",
        ],
    ),
    ("analysis/policy_tests", &["crate::telemetry"]),
    ("limits", &["axum", "http", "reqwest", "jsonwebtoken", "toml"]),
    ("signalwire", &["axum", "tower", "toml", "jsonwebtoken", "config", "reqwest"]),
    ("signalwire/answer", &["hyper", "hyper_util", "rustls", "tokio"]),
    ("signalwire/connect", &["serde_json", "secrecy", "tracing"]),
    ("signalwire/wire", &["hyper_rustls", "rustls"]),
    ("telemetry", &["jsonwebtoken", "secrecy", "toml"]),
    ("telemetry/audit", &["axum", "http", "metrics", "reqwest"]),
    ("telemetry/clock", &["axum", "http", "metrics", "reqwest"]),
    ("telemetry/lines", &["axum", "http", "metrics", "reqwest", "tokio"]),
    ("telemetry/log", &["axum", "http", "metrics", "reqwest"]),
    ("telemetry/writer", &["axum", "http", "metrics", "reqwest", "serde_json"]),
    ("telemetry/metrics", &["axum", "http", "reqwest", "tracing"]),
    ("telemetry/traces", &["axum", "hyper", "metrics", "std::fs"]),
    ("telemetry/traces/parent", &["reqwest", "tracing", "crate"]),
    ("telemetry/traces/spans", &["reqwest", "crate"]),
    ("admin", &["jsonwebtoken", "reqwest", "secrecy", "toml", "std::fs"]),
    ("admin/status", &["axum", "http"]),
    ("listener", &["reqwest", "jsonwebtoken", "toml", "serde"]),
    ("service", &["axum", "reqwest", "jsonwebtoken", "toml", "secrecy", "config", "clap"]),
    ("settings", &["axum", "http", "hyper", "reqwest", "jsonwebtoken"]),
    ("api", &["secrecy", "toml", "jsonwebtoken", "reqwest", "config", "governor"]),
    ("sandbox", &["crate::chat", "crate::policy", "crate::signalwire"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file below `src/`, by its path from there.
fn sources() -> BTreeMap<String, String> {
    fn walk(directory: &Path, files: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                files.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(&root(), &mut files);
    assert!(files.len() > 50, "the sources are found");
    files
}

fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Every path that a file names, in `use` trees and elsewhere.
#[derive(Default)]
struct Paths(BTreeSet<String>);

impl Paths {
    fn tree(&mut self, prefix: &str, tree: &syn::UseTree) {
        let join = |name: &syn::Ident| if prefix.is_empty() { name.to_string() } else { format!("{prefix}::{name}") };
        match tree {
            syn::UseTree::Path(path) => self.tree(&join(&path.ident), &path.tree),
            syn::UseTree::Name(name) => drop(self.0.insert(join(&name.ident))),
            syn::UseTree::Rename(rename) => drop(self.0.insert(join(&rename.ident))),
            syn::UseTree::Glob(_) => drop(self.0.insert(format!("{prefix}::*"))),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(prefix, tree)),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree("", &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        // A name alone is a variable or something that a `use` has brought.
        if names.len() > 1 {
            self.0.insert(names.join("::"));
        }
        visit::visit_path(self, path);
    }
}

fn paths_of(text: &str) -> BTreeSet<String> {
    let mut paths = Paths::default();
    paths.visit_file(&syn::parse_file(text).unwrap());
    paths.0
}

#[test]
fn no_module_knows_what_it_must_not() {
    let mut seen = BTreeSet::new();
    for (file, text) in sources() {
        let module = module_of(&file);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            assert!(["lib", "main"].contains(&module), "{file}: this module is not in the table");
            continue;
        };
        for path in paths_of(&text) {
            let Some(inside) = path.strip_prefix("crate::") else { continue };
            let mut parts = inside.split("::");
            let (other, name) = (parts.next().unwrap(), parts.next());
            if other == module {
                continue;
            }
            let Some((_, names)) = allowed.iter().find(|(known, _)| *known == other) else {
                panic!("{file}: `{module}` must not know `{path}`")
            };
            // A whole module may be named where all of it may be known.
            let name = name.unwrap_or_default();
            assert!(names.is_empty() || names.contains(&name), "{file}: `{module}` must not know `{path}`");
            seen.insert((module.to_owned(), other.to_owned()));
        }
    }
    assert!(seen.len() > 20, "the arrows are found: {seen:?}");
}

#[test]
fn no_module_knows_what_of_the_world_it_must_not() {
    for (file, text) in sources() {
        let is_for = |name: &str| file == format!("{name}.rs") || file.starts_with(&format!("{name}/"));
        for (_, banned) in FOREIGN.iter().filter(|(name, _)| is_for(name)) {
            for path in paths_of(&text) {
                let hit = banned.iter().find(|banned| path == **banned || path.starts_with(&format!("{banned}::")));
                assert!(hit.is_none(), "{file} must not know `{path}`");
            }
        }
    }
}

/// Which files of `src/` use which, by the paths that they name outside of their tests. A path is followed through
/// re-exports to the file that defines its item; a re-export itself is a facade and no use.
struct FileGraph {
    /// The file of each module, by its path from the crate's root.
    files: BTreeMap<Vec<String>, String>,
    /// What each module re-exports: a name, and the path that it stands for.
    exports: BTreeMap<(Vec<String>, String), Vec<String>>,
    uses: BTreeMap<String, BTreeSet<String>>,
}

/// The paths of a file: those that it uses, and those that it re-exports.
#[derive(Default)]
struct FilePaths {
    used: Paths,
    exported: Vec<(String, String)>,
}

impl<'ast> Visit<'ast> for FilePaths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|it| it.is_ident("test"))
        });
        if !is_test {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if matches!(item.vis, syn::Visibility::Inherited) {
            self.used.visit_item_use(item);
        } else {
            self.export("", &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.used.visit_path(path);
        visit::visit_path(self, path);
    }
}

impl FilePaths {
    fn export(&mut self, prefix: &str, tree: &syn::UseTree) {
        let join = |name: &syn::Ident| if prefix.is_empty() { name.to_string() } else { format!("{prefix}::{name}") };
        match tree {
            syn::UseTree::Path(path) => self.export(&join(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.exported.push((name.ident.to_string(), join(&name.ident))),
            syn::UseTree::Rename(rename) => self.exported.push((rename.rename.to_string(), join(&rename.ident))),
            syn::UseTree::Glob(_) => panic!("{prefix}::* is re-exported, so its items cannot be followed"),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.export(prefix, tree)),
        }
    }
}

impl FileGraph {
    fn new() -> Self {
        Self::of(&sources())
    }

    fn of(sources: &BTreeMap<String, String>) -> Self {
        let module = |file: &str| -> Vec<String> {
            let path = file.trim_end_matches(".rs");
            let path = path.trim_end_matches("/mod").trim_end_matches("lib");
            path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let files = sources.keys().filter(|file| *file != "main.rs").map(|file| (module(file), file.clone())).collect();
        let mut graph = Self { files, exports: BTreeMap::new(), uses: BTreeMap::new() };
        let mut used = Vec::new();
        for (file, text) in sources {
            let mut paths = FilePaths::default();
            paths.visit_file(&syn::parse_file(text).unwrap());
            let module = module(file);
            for (name, path) in paths.exported {
                if let Some(path) = graph.absolute(&path, &module) {
                    graph.exports.insert((module.clone(), name), path);
                }
            }
            used.extend(paths.used.0.into_iter().map(|path| (file, module.clone(), path)));
        }
        for (file, module, path) in used {
            let path = graph.absolute(&path, &module);
            if let Some(other) = path.and_then(|path| graph.defining_file(path)).filter(|other| other != file) {
                graph.uses.entry(file.clone()).or_default().insert(other);
            }
        }
        graph
    }

    /// A path of ours from the crate's root.
    fn absolute(&self, path: &str, module: &[String]) -> Option<Vec<String>> {
        let mut names: Vec<String> = path.split("::").map(str::to_owned).collect();
        let ups = names.iter().take_while(|name| *name == "super").count();
        let rest = names.split_off(ups);
        match (ups, rest.first().map(String::as_str)) {
            (0, Some("crate")) => Some(rest[1..].to_vec()),
            (0, Some("self")) => Some([module, &rest[1..]].concat()),
            (0, Some(first)) => {
                let child = [module, &[first.to_owned()]].concat();
                self.files.contains_key(&child).then(|| [module, &rest].concat())
            }
            _ => Some([&module[..module.len() - ups], &rest].concat()),
        }
    }

    /// The file that defines what a path names; none for a module as such.
    fn defining_file(&self, mut path: Vec<String>) -> Option<String> {
        loop {
            let depth = (0..=path.len()).rev().find(|depth| self.files.contains_key(&path[..*depth]))?;
            let name = path.get(depth)?;
            let Some(target) = self.exports.get(&(path[..depth].to_vec(), name.clone())) else {
                return Some(self.files[&path[..depth]].clone());
            };
            path = [target, &path[depth + 1..]].concat();
        }
    }

    /// Everything that a file uses, directly or not.
    fn reachable(&self, file: &str) -> BTreeSet<String> {
        let (mut found, mut open) = (BTreeSet::new(), vec![file.to_owned()]);
        while let Some(file) = open.pop() {
            for other in self.uses.get(&file).into_iter().flatten() {
                if found.insert(other.clone()) {
                    open.push(other.clone());
                }
            }
        }
        found
    }

    /// The files that use themselves through others.
    fn in_cycles(&self) -> Vec<&str> {
        self.uses.keys().filter(|file| self.reachable(file).contains(*file)).map(String::as_str).collect()
    }
}

#[test]
fn files_do_not_depend_on_each_other_in_cycles() {
    let graph = FileGraph::new();
    assert!(graph.uses.values().map(BTreeSet::len).sum::<usize>() > 300, "the uses are found");
    let cycles: Vec<_> = graph
        .in_cycles()
        .into_iter()
        .map(|file| {
            let back = graph.uses[file].iter().filter(|other| graph.reachable(other).contains(file));
            format!("{file} uses {}", back.cloned().collect::<Vec<_>>().join(", "))
        })
        .collect();
    assert!(cycles.is_empty(), "{}", cycles.join("\n"));
}

#[test]
fn cycles_are_found_through_reexports_and_inline_paths() {
    let graph = |files: &[(&str, &str)]| {
        FileGraph::of(&files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    };
    let facade = ("a/mod.rs", "mod one; mod two; pub use one::One; pub use two::Two;");
    let through_facade = [facade, ("a/one.rs", "use super::Two;"), ("a/two.rs", "fn two(_: crate::a::One) {}")];
    assert_eq!(graph(&through_facade).in_cycles(), ["a/one.rs", "a/two.rs"]);
    let one_way =
        [facade, ("a/one.rs", "use super::Two;"), ("a/two.rs", "#[cfg(test)] mod tests { use crate::a::One; }")];
    assert!(graph(&one_way).in_cycles().is_empty());
    let parent = [("a/mod.rs", "mod one; use one::One; pub struct Two;"), ("a/one.rs", "use super::Two;")];
    assert_eq!(graph(&parent).in_cycles(), ["a/mod.rs", "a/one.rs"]);
}

/// Where struct literals of one type stand.
struct Literals<'a> {
    wanted: &'a str,
    within: Option<String>,
    found: usize,
}

impl<'ast> Visit<'ast> for Literals<'_> {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        let before = std::mem::replace(&mut self.within, name);
        visit::visit_item_impl(self, item);
        self.within = before;
    }

    fn visit_expr_struct(&mut self, literal: &'ast syn::ExprStruct) {
        let name = literal.path.segments.last().unwrap().ident.to_string();
        let is_self = name == "Self" && self.within.as_deref() == Some(self.wanted);
        self.found += usize::from(name == self.wanted || is_self);
        visit::visit_expr_struct(self, literal);
    }
}

fn files_that_construct(wanted: &str) -> Vec<(String, usize)> {
    let counted = sources().into_iter().map(|(file, text)| {
        let mut literals = Literals { wanted, within: None, found: 0 };
        literals.visit_file(&syn::parse_file(&text).unwrap());
        (file, literals.found)
    });
    counted.filter(|(_, found)| *found > 0).collect()
}

#[test]
fn each_witness_is_made_in_one_place() {
    assert_eq!(files_that_construct("Grant"), [("policy/decide.rs".to_owned(), 1)]);
    assert_eq!(files_that_construct("Admitted"), [("limits/admit.rs".to_owned(), 1)]);
    // One by verification, one for a guest, which holds nothing.
    assert_eq!(files_that_construct("Session"), [("session/verifier.rs".to_owned(), 2)]);
}

#[test]
fn only_the_kernel_has_methods_of_a_policy() {
    let has_methods = |text: &str| {
        syn::parse_file(text).unwrap().items.iter().any(|item| match item {
            syn::Item::Impl(item) => matches!(&*item.self_ty, syn::Type::Path(path)
                if path.path.segments.last().is_some_and(|segment| segment.ident == "Policy")),
            _ => false,
        })
    };
    let files: Vec<_> = sources().into_iter().filter(|(_, text)| has_methods(text)).map(|(file, _)| file).collect();
    assert_eq!(files, ["compile.rs", "decide.rs", "definition.rs", "overview.rs"].map(|file| format!("policy/{file}")));
}

#[test]
fn a_witness_has_private_fields_and_cannot_be_copied_read_or_made_of_nothing() {
    for (file, name) in
        [("policy/decide.rs", "Grant"), ("limits/admit.rs", "Admitted"), ("session/verifier.rs", "Session")]
    {
        let text = &sources()[file];
        let parsed = syn::parse_file(text).unwrap();
        let modules = parsed.items.iter().filter(|item| matches!(item, syn::Item::Mod(_))).count();
        assert_eq!(modules, 0, "{file} has child modules, which see private fields");
        let witness = parsed.items.iter().find_map(|item| match item {
            syn::Item::Struct(item) if item.ident == name => Some(item),
            _ => None,
        });
        let witness = witness.unwrap();
        assert!(witness.fields.iter().all(|field| matches!(field.vis, syn::Visibility::Inherited)), "{name}'s fields");
        for attribute in witness.attrs.iter().filter(|attribute| attribute.path().is_ident("derive")) {
            let derived = attribute.meta.require_list().unwrap().tokens.to_string();
            assert_eq!(derived, "Debug", "{name} derives {derived}");
        }
        let implemented: Vec<String> = parsed.items.iter().filter_map(|item| trait_of(item, name)).collect();
        assert!(implemented.is_empty(), "{name} implements {implemented:?}");
    }
}

fn trait_of(item: &syn::Item, name: &str) -> Option<String> {
    let syn::Item::Impl(item) = item else { return None };
    let syn::Type::Path(path) = &*item.self_ty else { return None };
    let (_, implemented, _) = item.trait_.as_ref()?;
    path.path.is_ident(name).then(|| implemented.segments.last().unwrap().ident.to_string())
}

/// Every call that turns something into bytes or sets a body.
#[derive(Default)]
struct Bodies(Vec<String>);

impl<'ast> Visit<'ast> for Bodies {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func {
            let name = path.path.segments.last().unwrap().ident.to_string();
            if ["to_vec", "to_string", "to_writer", "to_value"].contains(&name.as_str()) {
                self.0.push(format!("{name}({})", shown(&call.args)));
            }
            // What makes a body, or a request with one.
            let of = path.path.segments.iter().rev().nth(1).map(|of| of.ident.to_string()).unwrap_or_default();
            if ["Full", "Request"].contains(&of.as_str()) {
                self.0.push(format!("{of}::{name}({})", shown(&call.args)));
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        if ["body", "json", "form", "multipart", "query"].contains(&name.as_str()) {
            self.0.push(format!(".{name}({})", shown(&call.args)));
        }
        visit::visit_expr_method_call(self, call);
    }
}

fn shown(arguments: &syn::punctuated::Punctuated<syn::Expr, syn::Token![,]>) -> String {
    let shown = arguments.iter().map(|argument| match argument {
        syn::Expr::MethodCall(call) => match &*call.receiver {
            syn::Expr::Path(path) => format!("{}.{}()", path.path.segments.last().unwrap().ident, call.method),
            _ => "?".to_owned(),
        },
        syn::Expr::Path(path) => path.path.segments.last().unwrap().ident.to_string(),
        _ => "?".to_owned(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_upstream_body_comes_from_a_grant_alone() {
    let mut bodies = Bodies::default();
    for (_, text) in sources().into_iter().filter(|(file, _)| module_of(file) == "signalwire") {
        bodies.visit_file(&syn::parse_file(&text).unwrap());
    }
    // And the probe, which asks for nothing, is a constant.
    assert_eq!(bodies.0, ["to_vec(grant.terms())", "Full::new(body)", "Request::new(body)"]);
}

#[test]
fn files_open_with_a_sentence_and_hold_no_stubs() {
    for (file, text) in sources() {
        assert!(text.starts_with("//! ") || text.starts_with("#![doc"), "{file} does not open with a sentence");
        for word in ["todo!(", "unimplemented!(", "#[allow("] {
            assert!(!text.contains(word), "{file} holds {word}");
        }
    }
}

/// The table of problems as the docs have it: the same words as on `/problems`.
fn problems_in_words() -> String {
    let mut text = String::new();
    for code in usher::api::Code::ALL {
        let row = code.row();
        write!(text, "\n## {} `{}`\n\n{}. {}\n", row.status, row.code, row.title, row.means).unwrap();
        if row.code == "invalid_request" {
            text += "\n| code in `errors` | what is wrong |\n|---|---|\n";
            for fault in usher::chat::FaultCode::ALL {
                let (name, about) = fault.about();
                writeln!(text, "| `{name}` | {about} |").unwrap();
            }
        }
        write!(text, "\n- *The client:* {}\n- *The operator:* {}\n", row.client, row.operator).unwrap();
    }
    text
}

#[test]
fn every_problem_is_explained_in_the_docs_as_on_the_page() {
    let file = root().join("../docs/problems.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (head, table) = page.split_at(page.find("\n## ").unwrap());
    let wanted = problems_in_words();
    // The table in the source is the one that counts.
    let should_be = Path::new(env!("CARGO_TARGET_TMPDIR")).join("problems.md");
    std::fs::write(&should_be, head.to_owned() + &wanted).unwrap();
    assert!(table == wanted, "docs/problems.md is not as src/api/code.rs has it: take {}", should_be.display());
}

/// The table in the recipes says whether to retry as everything else does: by status.
#[test]
fn the_recipes_say_of_every_problem_what_to_do() {
    let page = std::fs::read_to_string(root().join("../docs/front-end.md")).unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| 4") || line.starts_with("| 5")).collect();
    assert_eq!(rows.len(), usher::api::Code::ALL.len());
    for (code, line) in usher::api::Code::ALL.into_iter().zip(rows) {
        let row = code.row();
        assert!(line.starts_with(&format!("| {} | `{}` | ", row.status, row.code)), "{code:?}: {line}");
        let retries = [408, 429, 502, 503, 504].contains(&row.status) && row.code != "not_ready";
        assert_eq!(line.contains("**retry**"), retries, "{line}");
        assert_eq!(line.contains("`Retry-After`"), retries && [429, 503].contains(&row.status), "{line}");
    }
}

#[test]
fn every_fault_has_the_name_that_it_is_told_by() {
    for fault in usher::chat::FaultCode::ALL {
        assert_eq!(serde_json::to_value(fault).unwrap(), fault.about().0);
    }
}

#[test]
fn the_policies_in_the_readme_are_policies() {
    let page = std::fs::read_to_string(root().join("../README.md")).unwrap();
    let policies: Vec<&str> = page.split("```toml\n").skip(1).map(|part| part.split("```").next().unwrap()).collect();
    assert!(!policies.is_empty());
    for policy in policies {
        usher::policy::Policy::compile("docs", policy, &BTreeSet::new()).unwrap_or_else(|faults| panic!("{faults}"));
    }
}

#[test]
fn what_the_docs_point_to_is_there() {
    let repository = root().join("..");
    let pages = std::fs::read_dir(repository.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut links = 0;
    for page in pages.chain(["README.md", "config/compose/README.md"].map(|page| repository.join(page))) {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.starts_with("http") {
                links += 1;
                let path = page.parent().unwrap().join(target.split('#').next().unwrap());
                assert!(path.exists(), "{} points to {target}", page.display());
            }
        }
    }
    assert!(links > 20, "the links are found");
}
